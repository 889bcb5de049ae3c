"""The glossary: every word that X-ray explains, in one place, with an address of its own."""

from html import escape
from itertools import groupby

from chatapp.pages.shell import Page
from chatapp.xray.terms import TERMS, Term, anchor


def entry(term: Term) -> str:
    return f'<div class="term" id="{anchor(term.name)}"><dt>{escape(term.name)}</dt><dd>{escape(term.text)}</dd></div>'


def section(group: str, terms: list[Term]) -> str:
    return f'<section class="glossary"><h2>{escape(group)}</h2><dl>{"".join(map(entry, terms))}</dl></section>'


INTRODUCTION = "<p>The words of X-ray. There, a dotted line under a word brings its explanation up.</p>"

PAGE = Page(
    "Glossary",
    "glossary",
    "book",
    INTRODUCTION + "".join(section(group, list(terms)) for group, terms in groupby(TERMS, key=lambda term: term.group)),
    styles=("glossary.css",),
)
