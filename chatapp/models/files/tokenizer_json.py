"""tokenizer.json explained: which kind of tokenizer it is, its vocabulary and merges, what happens before and after, and a sentence cut."""

from typing import Any

from chatapp.models.files import tokenizer_kinds as kinds
from chatapp.models.files.explained import Explained, Line, short
from chatapp.models.files.folder import MOST_TOKENIZER, Entry, Folder
from chatapp.models.files.printing import pretty
from chatapp.models.files.sentence import cut

EXPLANATION = "The whole tokenizer in one file: how text becomes token ids and ids become text."


def explain(entry: Entry, folder: Folder, sentence: str) -> Explained:
    """Raises ChatError for what is no JSON object. `sentence`: what is cut to show it; '' for nothing."""
    parsed = folder.json(entry.name, most=MOST_TOKENIZER)
    kind = kinds.kind_of(parsed)
    more: dict[str, Any] = {"tokenizer": kind}
    problem = "" if kind else "Its model is of a type that this app does not know."
    if sentence:
        shown = cut(folder.path(entry.name), "json", sentence)
        more |= {"sentence": shown}
        problem = problem or shown.get("problem", "")
    explanation = f"{EXPLANATION} {kinds.KINDS[kind]}" if kind else EXPLANATION
    return Explained(entry.name, entry.bytes, "tokenizer", explanation, problem, tuple(_lines(parsed, kind)), pretty(parsed), more)


def vocabulary_size(parsed: dict[str, Any]) -> int:
    """Entries of the learned vocabulary; added tokens beyond it are not counted."""
    model = parsed.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    return len(vocabulary) if isinstance(vocabulary, dict | list) else 0


def _lines(parsed: dict[str, Any], kind: str) -> list[Line]:
    model = parsed.get("model") if isinstance(parsed.get("model"), dict) else {}
    added = parsed.get("added_tokens") if isinstance(parsed.get("added_tokens"), list) else []
    merges = model.get("merges") if isinstance(model.get("merges"), list) else []
    lines = [
        Line("model.type", short(model.get("type")), f"{kind[:1].upper()}{kind[1:]}." if kind else "Unknown here."),
        Line("model.vocab", f"{vocabulary_size(parsed):,} entries", f"Pieces with their ids, such as {_sample(model.get('vocab'))}."),
    ]
    if merges:
        first = ", ".join(_merge(merge) for merge in merges[:4])
        lines.append(Line("model.merges", f"{len(merges):,} merges", f"Pairs in the order in which they are joined: first {first}."))
    if model.get("unk_token") or model.get("unk_id") is not None:
        value = short(model.get("unk_token") or model.get("unk_id"))
        lines.append(Line("model.unk_token", value, "Stands for what the vocabulary cannot write."))
    for name in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        lines.append(Line(name, " → ".join(step for step, _ in kinds.steps(parsed.get(name))) or "none", kinds.in_words(parsed.get(name))))
    special = [short(a.get("content"), 30) for a in added[:500] if isinstance(a, dict) and a.get("special")]
    named = f", {len(special):,} of them special: {', '.join(special[:8])}" if special else ""
    lines.append(Line("added_tokens", f"{len(added):,} tokens", f"Tokens that are found in a text before anything is cut{named}."))
    for name in ("truncation", "padding"):
        if parsed.get(name):
            lines.append(Line(name, short(parsed[name]), "Set when it was saved; it would cut or fill every text. The app does neither."))
    return lines


def _sample(vocabulary: Any) -> str:
    """A few entries from the middle, where they are pieces of words."""
    if isinstance(vocabulary, dict):
        entries = list(vocabulary)
    else:
        entries = [item[0] for item in vocabulary if isinstance(item, list) and item] if isinstance(vocabulary, list) else []
    middle = entries[len(entries) // 2 :][:5]
    return ", ".join(repr(short(entry, 20)) for entry in middle) or "none"


def _merge(merge: Any) -> str:
    """'a b' in older files, ['a', 'b'] in newer ones."""
    parts = merge if isinstance(merge, list) else str(merge).split(" ")
    return " + ".join(short(part, 20) for part in parts[:2])
