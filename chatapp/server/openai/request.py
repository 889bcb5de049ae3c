"""Reads the body of POST /v1/chat/completions. What we cannot do is refused by name; only what changes no reply is ignored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatapp import strict_json
from chatapp.engines.base import Capabilities
from chatapp.errors import ChatError, closest
from chatapp.sampling import SAMPLING_PARAMS, Sampling
from chatapp.turn import Message

SETTINGS = {name: param.name for param in SAMPLING_PARAMS for name in (param.name, *param.aliases)} | {"seed": "seed"}
"""The sampling settings by the names that a request may give them."""

READ = {*SETTINGS, "model", "messages", "stream", "stream_options", "stop", "store"}
IGNORED = {"user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "parallel_tool_calls"}
# Fields we do not have, with the values that ask for nothing: clients send those by themselves.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "web_search_options": (),
}


class BadField(ChatError):
    """A value of the request that cannot be used. `param` is its name, as OpenAI's errors have it; None for the whole body."""

    def __init__(self, message: str, param: str | None, *, code: str = "invalid_value", status: int = 422) -> None:
        super().__init__(message, status=status)
        self.param = param
        self.code = code


@dataclass(frozen=True)
class Ask:
    """What a request asks for. `history` are the messages between the system prompt and `text`, the last question."""

    model: str | None
    system: str
    history: tuple[Message, ...]
    text: str
    sampling: Sampling
    named: frozenset[str]
    stream: bool
    include_usage: bool
    keep: bool


def read(body: bytes) -> Ask:
    """Raises ChatError 400 for what is no JSON object, BadField 422 for a field that is wrong or that we do not have."""
    try:
        values = strict_json.parsed(body)
    except ValueError as error:
        raise ChatError("The request body is not JSON.", status=400) from error
    if not isinstance(values, dict):
        raise ChatError("The request body must be a JSON object.", status=400)
    values = {name: value for name, value in values.items() if value is not None}
    reject_what_we_lack(values)
    system, history, text = _conversation(values.get("messages"))
    sampling, named = _sampling(values)
    return Ask(
        model=_typed(values, "model", str, None),
        system=system,
        history=history,
        text=text,
        sampling=sampling,
        named=named,
        stream=_typed(values, "stream", bool, False),
        include_usage=_include_usage(values),
        keep=_typed(values, "store", bool, True),
    )


def reject_what_we_lack(values: Mapping[str, Any]) -> None:
    """Unknown and unsupported fields, unless they are ignored or ask for nothing."""
    for name, value in values.items():
        if name in READ or name in IGNORED:
            continue
        if name not in NEUTRAL:
            hint = closest(name, [*READ, *NEUTRAL])
            raise BadField(f"There is no field named {name!r}.{hint}", name, code="unknown_parameter")
        if not any(value == neutral and isinstance(value, bool) == isinstance(neutral, bool) for neutral in NEUTRAL[name]):
            only = "Leave it out." if not NEUTRAL[name] else f"Leave it out or send {json.dumps(NEUTRAL[name][0])}."
            raise BadField(f"{name} is not supported by this server. {only}", name, code="unsupported_parameter")


def reject_what_is_off(ask: Ask, capabilities: Capabilities) -> None:
    """A setting that was named and that this engine does not have. BadField 422 with the engine's reason."""
    neutral = {param.name: param.off for param in SAMPLING_PARAMS} | {"seed": None, "stop": ()}
    for name in sorted(ask.named):
        if not capabilities.has(name) and getattr(ask.sampling, name) != neutral[name]:
            raise BadField(f"{name} is off with this engine: {capabilities.off[name]}", name, code="unsupported_parameter")


def _sampling(values: Mapping[str, Any]) -> tuple[Sampling, frozenset[str]]:
    """The settings named in the request over our defaults, and which ones were named."""
    named: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        if name in values:
            named |= _checked(name, setting, values[name])
    if "stop" in values:
        named |= _checked("stop", "stop", _stop(values["stop"]))
    return Sampling.of(named), frozenset(named)


def _checked(param: str, setting: str, value: Any) -> dict[str, Any]:
    try:
        Sampling.of({setting: value})
        return {setting: value}
    except ChatError as error:
        raise BadField(str(error), param) from error


def _stop(value: Any) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise BadField("stop must be a text or a list of texts, none of them empty.", "stop")
    return tuple(stops)


def _conversation(messages: Any) -> tuple[str, tuple[Message, ...], str]:
    """messages → system prompt, earlier messages, last question."""
    if not isinstance(messages, list) or not messages:
        raise BadField("messages must be a list with at least one message.", "messages")
    read = [_message(message, f"messages[{n}]") for n, message in enumerate(messages)]
    leading = 0
    while leading < len(read) and read[leading].role == "system":
        leading += 1
    for n, message in enumerate(read[leading:], leading):
        if message.role == "system":
            raise BadField(f"messages[{n}] is a system message; those must come first.", f"messages[{n}].role")
    if read[-1].role != "user":
        raise BadField("The last message must be the user's: it is what gets answered.", f"messages[{len(read) - 1}].role")
    return "\n\n".join(m.content for m in read[:leading]), tuple(read[leading:-1]), read[-1].content


def _message(message: Any, where: str) -> Message:
    if not isinstance(message, dict):
        raise BadField(f"{where} must be an object with role and content.", where)
    role = "system" if message.get("role") == "developer" else message.get("role")
    if role not in ("system", "user", "assistant"):
        raise BadField(f"{where}.role is {role!r}; it must be system, developer, user or assistant.", f"{where}.role")
    for name in ("tool_calls", "function_call", "audio"):
        if message.get(name):
            raise BadField(f"{where}.{name} is not supported by this server.", f"{where}.{name}", code="unsupported_parameter")
    return Message(role, _text(message.get("content"), f"{where}.content"))


def _text(content: Any, where: str) -> str:
    """A text, or a list of text parts joined."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BadField(f"{where} must be a text or a list of text parts.", where)
    return "".join(_part(part, f"{where}[{n}]") for n, part in enumerate(content))


def _part(part: Any, where: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
        raise BadField(f"{where} is no text part; this server reads text only.", where)
    return part["text"]


def _include_usage(values: Mapping[str, Any]) -> bool:
    options = _typed(values, "stream_options", dict, {})
    if options and not values.get("stream"):
        raise BadField("stream_options is for stream: true.", "stream_options")
    for name in options:
        if name not in ("include_usage", "include_obfuscation"):
            raise BadField(f"There is no field named stream_options.{name}.", f"stream_options.{name}", code="unknown_parameter")
    return _typed(options, "include_usage", bool, False)


def _typed(values: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = values.get(name, default)
    if value is not default and not isinstance(value, kind):
        noun = {str: "a text", bool: "true or false", dict: "an object"}[kind]
        raise BadField(f"{name} is {value!r}; it must be {noun}.", name)
    return value
