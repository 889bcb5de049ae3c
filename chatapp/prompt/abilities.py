"""What a chat template listens to, read from its text: tools, a switch for thinking. Nothing of it is run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 200_000
"""Characters of a template that are looked at; the longest known has 20,000."""

SWITCHES = ("enable_thinking", "thinking", "thinking_mode", "reasoning_effort")
"""Variables by which templates of different families are told whether, or how long, to think."""

ENDS = {"{{": "}}", "{%": "%}", "{#": "#}"}
BEGIN = re.compile(r"\{[{%#]")
WORDS = re.compile(r"(?P<text>'[^']*'|\"[^\"]*\")|(?P<dotted>\.\s*\w+)|(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class Abilities:
    """`chat`: there is a template. `switch` is the variable that turns thinking on or off, '' for none; `thinks`: it knows thoughts."""

    chat: bool = False
    tools: bool = False
    switch: str = ""
    thinks: bool = False


def abilities(template: str) -> Abilities:
    """Of a template's text; '' is a base model's."""
    if not template:
        return Abilities()
    text = template[:LONGEST]
    names = names_in(text)
    switch = next((name for name in SWITCHES if name in names), "")
    return Abilities(True, "tools" in names, switch, bool(switch) or "think>" in text or "reasoning_content" in text)


def names_in(template: str) -> set[str]:
    """The names that its code mentions, outside of strings and behind no dot. A loose reading: it may be a variable of its own."""
    return {match["name"] for code in codes(template) for match in WORDS.finditer(code) if match["name"]}


def codes(template: str) -> Iterator[str]:
    """What stands in {{ }} and {% %}, up to where one has no end."""
    at = 0
    while begin := BEGIN.search(template, at):
        end = template.find(ENDS[begin.group()], begin.end())
        if end < 0:
            return
        if begin.group() != "{#":
            yield template[begin.end() : end]
        at = end + 2
