"""The piece of a text that a search found, as plain characters and ranges: whoever shows it escapes the text and marks the ranges."""

import re
import unicodedata
from collections.abc import Sequence

from chatapp.store.finding import QUOTED, SHORT, phrases
from chatapp.store.search import MAX_WORD, UNSPACED, fold, pieces

BEFORE, WIDTH = 50, 160
"""Characters before the first match, and in all."""

BLANK = {code: " " for code in (*range(32), 0x7F, 0x2028, 0x2029)}

Ranges = tuple[tuple[int, int], ...]


def needles(query: str) -> re.Pattern[str] | None:
    """Finds the words and phrases of a query in a folded text."""
    words = {match[0][:MAX_WORD] for match in pieces().finditer(fold(QUOTED.sub(" ", query)))}
    wanted = [*phrases(query), *(_needle(word) for word in sorted(words, key=len, reverse=True))]
    return re.compile("|".join(wanted)) if wanted else None


def _needle(word: str) -> str:
    """Also in the middle of a word, where the search looks there, too."""
    if re.match(f"[{UNSPACED}]", word) or len(word) >= SHORT:
        return re.escape(word)
    ending = r"(?![^\W_])" if len(word) == 1 else ""
    first = re.escape(word[0])
    # "no letter before the first one", asked after it: so the search runs from one first letter to the next
    return rf"{first}(?<![^\W_{UNSPACED}]{first}){re.escape(word[1:])}{ending}"


def marked(text: str, pattern: re.Pattern[str]) -> tuple[str, Ranges]:
    """The whole text on one line, and the ranges of what was found."""
    return _line(text), tuple(match.span() for match in pattern.finditer(fold(text)))


def snippet(texts: Sequence[str], pattern: re.Pattern[str]) -> tuple[str, Ranges]:
    """A window of WIDTH characters around the first match, from the text in which most different words are found."""
    folded = [fold(text) for text in texts]
    hits = [len(set(pattern.findall(text))) for text in folded]
    best = hits.index(max(hits))
    first = pattern.search(folded[best])
    line = _line(texts[best])
    start = max(0, first.start() - BEFORE) if first else 0
    if start:
        space = line.find(" ", start, start + BEFORE // 2)
        start = space + 1 if space >= 0 else start
    lead = "…" if start else ""
    tail = "…" if start + WIDTH < len(line) else ""
    shift = len(lead) - start
    found = tuple((m.start() + shift, m.end() + shift) for m in pattern.finditer(folded[best], start, start + WIDTH))
    return lead + line[start : start + WIDTH] + tail, found


def _line(text: str) -> str:
    """On one line; positions are those of fold()."""
    return unicodedata.normalize("NFC", text).translate(BLANK)
