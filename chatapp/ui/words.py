"""Words as Gradio's Chatbot shows them as they stand: it reads Markdown, and takes whatever looks like a tag for HTML and drops it."""

import re

CODE = re.compile(
    r"^[ ]{0,3}(?P<fence>`{3,}|~{3,}).*?(?:^[ ]{0,3}(?P=fence)[`~]*[ ]*$|\Z)"
    r"|^(?:[ ]{4}|\t)[^\n]*$"
    r"|(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
"""Fenced blocks, also one that is not closed yet, indented lines and `spans`: Markdown shows what is in them as it stands."""

TAG = re.compile(r"<(?=[a-zA-Z/!?])")
UNUSUAL_TAG = re.compile(r"<(?=[a-zA-Z/!?])(?!/?(?:think|br|b|i|u|s|em|strong|sub|sup|kbd|details|summary)\s*/?>)")
"""A model formats with a few tags, <br> in tables for one, and sets its thoughts apart with <think>."""


def typed(text: str) -> str:
    """A person's words: every tag is shown."""
    return _shown(text, TAG)


def written(text: str) -> str:
    """A model's words: tags are shown but for those that models format with."""
    return _shown(text, UNUSUAL_TAG)


def _shown(text: str, tag: re.Pattern[str]) -> str:
    if "<" not in text:
        return text
    done, at = [], 0
    for code in CODE.finditer(text):
        done += [tag.sub("&lt;", text[at : code.start()]), code.group()]
        at = code.end()
    return "".join([*done, tag.sub("&lt;", text[at:])])
