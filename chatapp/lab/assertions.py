"""What a reply is checked for: contains, regex, valid JSON, length, equals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import regex

from chatapp import strict_json
from chatapp.errors import ChatError, closest

Kind = Literal["contains", "regex", "json", "length", "equals"]

KINDS = ("contains", "regex", "json", "length", "equals")

REGEX_SECONDS = 1.0
"""A pattern may backtrack for ever: one that looks longer through a reply has not matched."""

MOST = 20
"""Of one list: each takes time at every reply."""

LONGEST_PATTERN = 1000
LONGEST_TEXT = 100_000


@dataclass(frozen=True)
class Assertion:
    """One check of a reply.

    value    contains, equals: the text, compared as typed, equals without white space around either; regex: a pattern that must be
             found somewhere
    minimum, maximum  length: characters of the reply without white space around it; None is no limit
    """

    kind: Kind
    value: str = ""
    minimum: int | None = None
    maximum: int | None = None

    def plain(self) -> dict[str, Any]:
        """As a grid file writes it."""
        if self.kind == "json":
            return {"json": True}
        if self.kind == "length":
            limits = {"min": self.minimum, "max": self.maximum}
            return {"length": {name: limit for name, limit in limits.items() if limit is not None}}
        return {self.kind: self.value}

    def filled(self, fill: Mapping[str, str]) -> "Assertion":
        """With the values of variables; in a pattern they stand for themselves. `fill` maps '{{x}}' to its value."""
        value = self.value
        for mark, words in fill.items():
            value = value.replace(mark, regex.escape(words) if self.kind == "regex" else words)
        return replace(self, value=value)

    def failure(self, reply: str) -> str:
        """Why the reply fails, '' where it passes. May take REGEX_SECONDS."""
        match self.kind:
            case "contains":
                return "" if self.value in reply else "It is not in the reply."
            case "equals":
                return "" if self.value.strip() == reply.strip() else "The reply is another."
            case "json":
                return _no_json(reply)
            case "length":
                return self._length(len(reply.strip()))
            case "regex":
                return _no_match(self.value, reply)

    def _length(self, characters: int) -> str:
        if self.minimum is not None and characters < self.minimum:
            return f"The reply has {characters} characters, fewer than {self.minimum}."
        if self.maximum is not None and characters > self.maximum:
            return f"The reply has {characters} characters, more than {self.maximum}."
        return ""


def checked(assertions: tuple[Assertion, ...], reply: str) -> list[dict[str, Any]]:
    """Each assertion as written, whether the reply passes, and why not."""
    failures = [(assertion, assertion.failure(reply)) for assertion in assertions]
    return [{"assert": assertion.plain(), "passed": not why, "why": why} for assertion, why in failures]


def read(value: Any, where: str) -> tuple[Assertion, ...]:
    """A list from a grid file, such as [{contains: Paris}, json]. Raises ChatError 422; `where` begins its sentence."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ChatError(f"{where}: assert must be a list, such as [{{contains: Paris}}, json].", status=422)
    if len(value) > MOST:
        raise ChatError(f"{where} has {len(value)} assertions; at most {MOST} are taken.", status=422)
    return tuple(_assertion(item, f"{where}, assertion {number}") for number, item in enumerate(value, 1))


def _assertion(item: Any, where: str) -> Assertion:
    item = {item: True} if item == "json" else item
    if not isinstance(item, dict) or len(item) != 1:
        raise ChatError(f"{where} must be one of {', '.join(KINDS)} with its value, such as contains: Paris.", status=422)
    [(kind, value)] = item.items()
    if kind not in KINDS:
        raise ChatError(f"{where}: there is no assertion {kind!r}.{closest(str(kind), KINDS)} There are: {', '.join(KINDS)}.", status=422)
    if kind == "json":
        return _json(value, where)
    if kind == "length":
        return _limits(value, where)
    words = _words(kind, value, where)
    return Assertion(kind, _pattern(words, where) if kind == "regex" else words)


def _json(value: Any, where: str) -> Assertion:
    if value is not True:
        raise ChatError(f"{where}: json takes no value but true.", status=422)
    return Assertion("json")


def _words(kind: str, value: Any, where: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise ChatError(f"{where}: {kind} must be a text that is not empty; put it in quotes.", status=422)
    if len(value) > LONGEST_TEXT:
        raise ChatError(f"{where}: {kind} has {len(value):,} characters; at most {LONGEST_TEXT:,} are taken.", status=422)
    return strict_json.text(value)


def _pattern(pattern: str, where: str) -> str:
    if len(pattern) > LONGEST_PATTERN:
        raise ChatError(f"{where}: the pattern has {len(pattern):,} characters; at most {LONGEST_PATTERN:,} are taken.", status=422)
    try:
        regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ChatError(f"{where}: {pattern!r} is no regular expression: {error}.", status=422) from error
    return pattern


def _limits(value: Any, where: str) -> Assertion:
    names = ("min", "max")
    if not isinstance(value, dict) or not value or not set(value) <= set(names):
        raise ChatError(f"{where}: length takes min, max or both, in characters, such as length: {{max: 200}}.", status=422)
    for name, limit in value.items():
        if isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit <= 10**9:
            raise ChatError(f"{where}: {name} of length must be a whole number of characters, 0 or more.", status=422)
    least, most = (value.get(name) for name in names)
    if least is not None and most is not None and least > most:
        raise ChatError(f"{where}: no reply has at least {least} and at most {most} characters.", status=422)
    return Assertion("length", minimum=least, maximum=most)


def _no_json(reply: str) -> str:
    try:
        strict_json.parsed(reply.encode())
    except ValueError as error:
        return f"The reply is no JSON: {error}." if not isinstance(error, json.JSONDecodeError) else f"The reply is no JSON: {error.msg}."
    return ""


def _no_match(pattern: str, reply: str) -> str:
    try:
        return "" if regex.search(pattern, reply, timeout=REGEX_SECONDS) else "The pattern is not in the reply."
    except TimeoutError:
        return f"The pattern was looked for longer than {REGEX_SECONDS:g} s, which counts as not found. Write it without nested repeats."
