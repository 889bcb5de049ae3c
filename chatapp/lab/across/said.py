"""What two replies, read through both columns, say in sentences and as a table. No torch here."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chatapp.sampling import Sampling
from chatapp.turn import Turn
from chatapp.xray.explain import percent

if TYPE_CHECKING:
    from chatapp.lab.across.likelihood import Likelihood

HEADS = ("Reply", "Read by", "Bits a byte", "Perplexity", "Tokens", "No chance there")


def parting(columns: Sequence[str], turns: Sequence[Turn], sides: Sequence[dict[str, Any]]) -> list[str]:
    """One sentence for each side: what it took, how likely that was, and whether it could have taken the other's token."""
    found = []
    for n, (column, turn, side) in enumerate(zip(columns, turns, sides, strict=True)):
        other = sides[1 - n]
        if side["token"] is None:
            found.append(f"{column} had been cut by then: shown is what would have come.")
            continue
        p = side["chances"][side["token"]][1]
        took = f"{column} took {quoted(side['text'])}"
        took += ", the likeliest, as greedy decoding does" if turn.sampling.greedy else f", which had a chance of {percent(p)} there"
        found.append(f"{took}{_instead(side, other, turn.sampling)}.")
    if turns[0].seed is not None and turns[0].seed == turns[1].seed and not any(turn.sampling.greedy for turn in turns):
        found.append(f"Both drew with the random numbers of seed {turns[0].seed}.")
    return found


def _instead(side: dict[str, Any], other: dict[str, Any], sampling: Sampling) -> str:
    """About the other's token, where its id means the same here."""
    if other["token"] not in side["chances"] or other["token"] == side["token"]:
        return ""
    before, after = side["chances"][other["token"]]
    if after == 0 and not sampling.greedy:
        return f"; {quoted(other['text'])} was cut by its settings ({percent(before)} to the model)"
    return f"; {quoted(other['text'])} had {percent(before if sampling.greedy else after)}{' to the model' if sampling.greedy else ''}"


def likely(
    columns: Sequence[str], turns: Sequence[Turn], found: "Sequence[Sequence[Likelihood | None]]", *, one_tokenizer: bool
) -> dict[str, Any]:
    """{heads, table, words}: a line for each reply and reader. Perplexities of different tokenizers are not set beside each other."""
    heads = [head for head in HEADS if one_tokenizer or head != "Perplexity"]
    table, words = [], []
    for reply, column in enumerate(columns):
        size = len(turns[reply].reply_text.encode("utf-8", "surrogatepass"))
        for reader, other in enumerate(columns):
            one = found[reply][reader]
            cells = dict(zip(HEADS, (column, other, *_numbers(one, size)), strict=True))
            table.append([cells[head] for head in heads])
        if (own := found[reply][reply]) and (theirs := found[reply][1 - reply]):
            words.append(_sentence(column, columns[1 - reply], own, theirs, size, turns[1 - reply].sampling, one_tokenizer))
    note = "" if one_tokenizer else "The two models cut text into different tokens, so they are compared by bits a byte of the text."
    return {"heads": heads, "table": table, "words": [*words, *([note] if note else [])]}


def _numbers(one: "Likelihood | None", size: int) -> tuple[str, ...]:
    if one is None:
        return "–", "–", "–", "–"
    return bits(one, size), f"{one.perplexity:.2f}", str(one.tokens), str(one.cut)


def bits(one: "Likelihood", size: int) -> str:
    """Bits a byte of the text."""
    return f"{one.nats / math.log(2) / size:.3f}" if size else "–"


def _sentence(column: str, other: str, own: "Likelihood", theirs: "Likelihood", size: int, sampling: Sampling, one_tokenizer: bool) -> str:
    """How the other column sees a reply."""
    if one_tokenizer:
        seen = f"a perplexity of {theirs.perplexity:.2f} to the model of {other} after its prompt ({own.perplexity:.2f} to its own)"
    else:
        seen = f"{bits(theirs, size)} bits a byte to the model of {other} ({bits(own, size)} to its own)"
    if not theirs.cut:
        return f"The reply of {column} has {seen}; with {other}’s settings all of it could have come."
    why = "greedy decoding takes others there" if sampling.greedy else "they are cut by a filter"
    return (
        f"The reply of {column} has {seen}; with {other}’s settings {theirs.cut} of its {theirs.tokens} tokens could not have come: {why}."
    )


def quoted(text: str) -> str:
    """A token's text so that white space is seen."""
    return f"“{text}”".replace("\n", "⏎") if text.strip() else f"“{text.replace(' ', '␣').replace(chr(10), '⏎')}”"
