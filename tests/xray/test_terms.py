"""Every term that X-ray shows has its explanation, from one list, and the glossary holds them all."""

import re

import pytest

from chatapp.pages import glossary_page
from chatapp.pages.assets import ASSETS
from chatapp.sampling import STEP_PARAMS
from chatapp.xray import registry
from chatapp.xray.terms import TERMS, anchor

NAMES = {term.name for term in TERMS}
SCRIPTS = {file.name: file.read_text() for file in sorted([*ASSETS.glob("xray*.js"), *ASSETS.glob("text*.js")])}
STATIC = re.compile(r"(?<!\$)\{(?:[^{}|$`\n]*\|)?([A-Za-z][A-Za-z, -]*)\}")
"""A term in words: {name} or {shown|name}; names that are put together at run time are left out."""


def in_words(text: str) -> set[str]:
    return set(STATIC.findall(text))


def strings(script: str) -> str:
    """What stands in quotes: elsewhere braces are code. What is put in at run time is left out."""
    found = re.findall(r'"[^"\n]*"|`[^`]*`', script)
    return "\n".join(re.sub(r"\{\$\{[^}]*\}\|", "{x|", text) for text in found)


def shown() -> set[str]:
    """The terms that X-ray's views use."""
    said = set().union(*(in_words(view.about) for view in registry.views()))
    return said.union(*(in_words(strings(script)) for script in SCRIPTS.values()))


def test_every_term_that_is_shown_is_defined() -> None:
    assert shown() - NAMES == set()
    assert len(shown()) > 30, "they are found"


def test_every_step_of_a_draw_and_every_note_is_a_term() -> None:
    assert {param.label.lower() for param in STEP_PARAMS} <= NAMES
    assert "recomputed in float32" in NAMES, "what the note of a model begins with"


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_an_explanation_is_one_or_two_sentences(term) -> None:
    sentences = re.findall(r"[.!?](?=\s|$)", term.text.replace("llama.cpp", "llama"))
    assert 1 <= len(sentences) <= 2 and (term.text[0].isupper() or term.text[0].isdigit()) and term.text[-1] in ".?"


def test_each_term_has_a_place_of_its_own_in_the_glossary() -> None:
    assert len(NAMES) == len(TERMS) == len({anchor(name) for name in NAMES})
    for term in TERMS:
        assert f'id="{anchor(term.name)}"' in glossary_page.PAGE.body
