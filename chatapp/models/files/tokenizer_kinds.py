"""Which kind of tokenizer a vocabulary belongs to, and what each step before and after it does, in plain words."""

from typing import Any

from chatapp.models.files.explained import short

KINDS = {
    "byte-level BPE": "Byte-level BPE (as in GPT-2): text is bytes; the pair that was most frequent in training is joined first, again and "
    "again, as the list of merges says. Every text can be written.",
    "BPE with byte fallback": "BPE with byte fallback (as in Llama 2): characters are joined pair by pair in the order of the merges; a "
    "character that the vocabulary lacks becomes its bytes.",
    "BPE": "BPE: characters are joined pair by pair in the order of the merges. What the alphabet lacks becomes the unknown token.",
    "Unigram": "Unigram (as in T5, XLM-R): each piece has a score, and of all ways to cut a word the one with the best sum is taken.",
    "WordPiece": "WordPiece (as in BERT): each word is cut from its beginning into the longest pieces known; ## marks those that go on. A "
    "word that cannot be cut so becomes the unknown token.",
    "WordLevel": "Words: each whole word is an entry; any other becomes the unknown token.",
}
STEPS = {
    "ByteLevel": "writes text as bytes, each with a visible stand-in (Ġ is a space)",
    "Metaspace": "puts ▁ in place of spaces, so that they belong to the words",
    "BertPreTokenizer": "cuts at spaces and around each punctuation mark",
    "Whitespace": "cuts between words and punctuation",
    "WhitespaceSplit": "cuts at spaces",
    "Punctuation": "cuts around punctuation",
    "Digits": "cuts numbers into digits, so that arithmetic sees each",
    "Split": "cuts where a pattern says",
    "CharDelimiterSplit": "cuts at one character",
    "UnicodeScripts": "cuts where the script changes",
    "NFC": "writes each accented letter as one character",
    "NFD": "takes letters and accents apart",
    "NFKC": "also makes look-alikes one (ﬁ → fi, ² → 2): what was typed cannot be had back exactly",
    "NFKD": "takes letters and accents apart, and makes look-alikes one",
    "Lowercase": "makes capital letters small: they cannot be had back",
    "StripAccents": "takes accents off: they cannot be had back",
    "Strip": "takes spaces off the ends",
    "Replace": "puts one text in place of another",
    "Prepend": "puts something in front",
    "BertNormalizer": "cleans control characters, may make letters small and take accents off",
    "Precompiled": "SentencePiece's own table of replacements, mostly NFKC",
    "Nmt": "cleans odd spaces and control characters",
    "TemplateProcessing": "puts special tokens around the text",
    "BertProcessing": "puts [CLS] in front and [SEP] behind",
    "RobertaProcessing": "puts <s> in front and </s> behind",
    "WordPiece": "joins pieces at ##",
    "ByteFallback": "makes byte tokens text again",
    "Fuse": "joins all pieces",
    "BPEDecoder": "joins pieces at the mark of a word's end",
    "CTC": "takes repeated letters together (speech)",
}


def kind_of(parsed: dict[str, Any]) -> str:
    """Of a parsed tokenizer.json; '' for a model type that is unknown here."""
    model = parsed.get("model")
    if not isinstance(model, dict):
        return ""
    kind = model.get("type") or _guessed(model)
    if kind != "BPE":
        return kind if isinstance(kind, str) and kind in KINDS else ""
    if "ByteLevel" in {name for place in ("pre_tokenizer", "decoder") for name, _ in steps(parsed.get(place))}:
        return "byte-level BPE"
    return "BPE with byte fallback" if model.get("byte_fallback") is True else "BPE"


def _guessed(model: dict[str, Any]) -> str:
    """Older files do not name the type; the library tells it by what is there."""
    if "merges" in model:
        return "BPE"
    if isinstance(model.get("vocab"), list):
        return "Unigram"
    return "WordPiece" if "continuing_subword_prefix" in model else "WordLevel"


def steps(part: Any, depth: int = 4) -> list[tuple[str, dict[str, Any]]]:
    """(type, its settings) of a normalizer, pre-tokenizer, post-processor or decoder; a Sequence is its parts."""
    if not isinstance(part, dict) or depth == 0:
        return []
    if part.get("type") != "Sequence":
        return [(short(part.get("type"), 40), part)]
    inner = next((v for v in part.values() if isinstance(v, list)), [])
    return [step for item in inner[:20] for step in steps(item, depth - 1)]


def in_words(part: Any) -> str:
    """A part of tokenizer.json, step by step."""
    told = []
    for name, values in steps(part):
        detail = _pattern(values) if name in ("Split", "Replace", "Prepend") else ""
        told.append(f"{name} {STEPS.get(name, 'is a step that this app does not know')}{detail}")
    return "; then ".join(told) + "." if told else "Nothing is done here."


def _pattern(values: dict[str, Any]) -> str:
    pattern = values.get("pattern")
    found = next(iter(pattern.values()), "") if isinstance(pattern, dict) else values.get("prepend", "")
    content = f" by {short(values['content'], 20)!r}" if "content" in values else ""
    return f" ({short(found, 80)}{content})" if found else ""
