"""What two replies, read through both columns, say in sentences and as a table. No torch here."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chatapp.sampling import Sampling
from chatapp.turn import Turn
from chatapp.xray.explain import percent

if TYPE_CHECKING:
    from chatapp.lab.across.likelihood import Likelihood

HEADS = {
    "Reply": "the column that wrote it",
    "Read by": "the column whose prompt, model and settings it is read with",
    "Tokens": "of the reply, as that model reads it",
    "Log-probability": "mean over the reply’s tokens, natural log, in the model’s own distribution: before temperature and filters",
    "Perplexity": "between how many equally likely tokens the model would have chosen on average: 1 is certain",
    "Bits per byte": "surprise for each byte of the text, which compares models whose tokenizers differ",
    "With settings": "log-probability after that column’s temperature and filters; −∞ where they leave one of the tokens no chance",
    "Tokens cut": "tokens that those settings leave no chance: cut by a filter, or not the likeliest where that is always taken",
}
BY_TOKEN = ("Log-probability", "With settings", "Perplexity")
"""Means over tokens say nothing of models that cut a text into different ones."""

ENGINES_OWN = "the engine’s own numbers were a little different"


def parting(columns: Sequence[str], turns: Sequence[Turn], sides: Sequence[dict[str, Any]], *, one_tokenizer: bool) -> list[str]:
    """One sentence for each side: what it took, how likely that was, and whether it could have taken the other's token."""
    found = []
    for n, (column, turn, side) in enumerate(zip(columns, turns, sides, strict=True)):
        if side["token"] is None:
            found.append(f"{column} had ended by then: shown is what would have come.")
            continue
        other = _instead(side, sides[1 - n], turn.sampling) if one_tokenizer else ""
        found.append(f"{column} took {quoted(side['text'])}{_taken(side, turn.sampling)}{other}.")
    if turns[0].seed is not None and turns[0].seed == turns[1].seed and not any(turn.sampling.greedy for turn in turns):
        found.append(f"Both drew with the random numbers of seed {turns[0].seed}.")
    return found


def _chances(side: dict[str, Any], token: int) -> tuple[float, float]:
    """Of one of the candidates: its probability to the model, and after the settings."""
    return next((one["p"], one["left"]) for one in side["candidates"] if one["id"] == token)


def _taken(side: dict[str, Any], sampling: Sampling) -> str:
    left = _chances(side, side["token"])[1]
    if left == 0:
        why = "greedy decoding takes another" if sampling.greedy else "a filter cuts it"
        return f"; recomputed here {why}: {ENGINES_OWN}"
    return ", the likeliest, as greedy decoding does" if sampling.greedy else f", which had a chance of {percent(left)} there"


def _instead(side: dict[str, Any], other: dict[str, Any], sampling: Sampling) -> str:
    """About the other's token, whose id means the same here."""
    if other["token"] in (None, side["token"]):
        return ""
    before, after = _chances(side, other["token"])
    if sampling.greedy:
        return f"; {quoted(other['text'])} had {percent(before)} to the model"
    if after == 0:
        return f"; {quoted(other['text'])} was cut by its settings ({percent(before)} to the model)"
    return f"; {quoted(other['text'])} had {percent(after)}"


def likely(
    columns: Sequence[str], turns: Sequence[Turn], found: "Sequence[Sequence[Likelihood | None]]", *, one_tokenizer: bool
) -> dict[str, Any]:
    """{heads, table, words}: a line for each reply and reader. Means over tokens of different tokenizers are not set beside each other."""
    heads = [head for head in HEADS if one_tokenizer or head not in BY_TOKEN]
    table, words = [], []
    for reply, column in enumerate(columns):
        size = len(turns[reply].reply_text.encode("utf-8", "surrogatepass"))
        for reader, other in enumerate(columns):
            cells = {"Reply": column, "Read by": other} | _numbers(found[reply][reader], size)
            table.append([cells.get(head, "–") for head in heads])
        if (own := found[reply][reply]) and (theirs := found[reply][1 - reply]):
            words += _sentences(columns, reply, own, theirs, size, turns, one_tokenizer)
    note = "" if one_tokenizer else "The two models cut text into different tokens, so they are compared by bits per byte of the text."
    return {"heads": [{"label": head, "help": HEADS[head]} for head in heads], "table": table, "words": [*words, *([note] if note else [])]}


def _numbers(one: "Likelihood | None", size: int) -> dict[str, str]:
    if one is None:
        return {}
    return {
        "Tokens": str(one.tokens),
        "Log-probability": signed(one.logprob),
        "With settings": signed(one.logprob_settled),
        "Tokens cut": str(one.cut),
        "Perplexity": f"{one.perplexity:.2f}",
        "Bits per byte": bits(one, size),
    }


def signed(number: float) -> str:
    """-0.5 → '−0.500', -inf → '−∞'."""
    return "−∞" if number == -math.inf else f"{number:.3f}".replace("-0.000", "0.000").replace("-", "−")


def bits(one: "Likelihood", size: int) -> str:
    """Of surprise for each byte of the text."""
    return f"{one.nats / math.log(2) / size:.3f}" if size else "–"


def _sentences(
    columns: Sequence[str], reply: int, own: "Likelihood", theirs: "Likelihood", size: int, turns: Sequence[Turn], one_tokenizer: bool
) -> list[str]:
    """How the other column sees a reply; and where its own settings, recomputed, would not have let it come."""
    column, other = columns[reply], columns[1 - reply]
    seen = _seen(other, own, theirs, size, one_tokenizer)
    found = [f"The reply of {column} has {seen}; with {other}’s settings {_could(theirs, turns[1 - reply].sampling)}."]
    if own.cut:
        found.append(f"Recomputed here, {column}’s own settings cut {own.cut} of its {own.tokens} tokens: {ENGINES_OWN}.")
    return found


def _seen(other: str, own: "Likelihood", theirs: "Likelihood", size: int, one_tokenizer: bool) -> str:
    mine, others = (f"{one.perplexity:.2f}" if one_tokenizer else bits(one, size) for one in (own, theirs))
    measure = "a perplexity of {}" if one_tokenizer else "{} bits per byte"
    if own.nats == theirs.nats:  # one model after one prompt
        return f"{measure.format(mine)} to both"
    return f"{measure.format(others)} to the model of {other} after its prompt ({mine} to its own)"


def _could(theirs: "Likelihood", sampling: Sampling) -> str:
    if not theirs.cut:
        return "all of it could have come"
    why = "greedy decoding takes others there" if sampling.greedy else "they are cut by a filter"
    return f"{theirs.cut} of its {theirs.tokens} tokens could not have come: {why}"


def notes(columns: Sequence[str], found: Sequence[str]) -> list[str]:
    """By which weights the numbers were made, once where it is the same."""
    if found[0] == found[1]:
        return [f"The numbers of both: {found[0]}."] if found[0] else []
    return [f"The numbers of {column}: {note}." for column, note in zip(columns, found, strict=True) if note]


def quoted(text: str) -> str:
    """A token's text so that white space is seen, as X-ray writes it."""
    return f"“{text.replace(chr(10), '⏎').replace(chr(9), '⇥').replace(' ', '·') or '∅'}”"
