"""The tokenizer of a run: GPT-2's where it can be had, a folder's, or a byte-level BPE trained on the corpus; and what the choice costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.lab.train.recipe import AUTO, FALLBACK, GPT2

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END = "<|endoftext|>"
"""Between documents; it is padding too, as in the tutorial: pad = eos."""

GPT2_ENTRIES = 50257
REPO = "openai-community/gpt2"

JOIN = "{% for message in messages %}{{ message['content'] }}{% if not loop.last %}{{ '\\n' }}{% endif %}{% endfor %}"
"""The chat template of what is trained here: no roles, for it has seen none; the texts joined by lines."""

LOOKED_AT = 80
TRAINED_ON = 8_000_000
"""Characters that a vocabulary is trained on at most: more change little of it."""


def made(wanted: str | int, documents: Sequence[str]) -> "tuple[PreTrainedTokenizerBase, str, str]":
    """(tokenizer, kind in words, a note or ''). `documents` are those that a BPE is trained on. Raises ChatError."""
    if isinstance(wanted, int):
        return (tokenizer := trained(documents, wanted)), f"BPE of {len(tokenizer):,} trained on the corpus", ""
    if wanted not in (AUTO, GPT2):
        return from_folder(Path(wanted)), f"from {Path(wanted).name}", ""
    try:
        return gpt2(), "GPT-2's", ""
    except ChatError as error:
        if wanted == GPT2:
            raise
        tokenizer, kind, _ = made(FALLBACK, documents)
        return tokenizer, kind, f"{error} So a BPE of {len(tokenizer):,} was trained on the corpus in its place."


def trained(documents: Sequence[str], entries: int) -> "PreTrainedTokenizerBase":
    """Byte-level BPE as GPT-2's. A small corpus may give fewer entries than were asked for."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=entries, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    raw.train_from_iterator(_lines(documents), trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token=END, eos_token=END, unk_token=END, pad_token=END)
    return _finished(tokenizer)


def gpt2() -> "PreTrainedTokenizerBase":
    """From the cache of this machine, else from the Hub. Raises ChatError that says what stands for it."""
    from transformers import AutoTokenizer

    from chatapp.models.hub_access import OURS, Unreachable, reach

    try:
        return _finished(AutoTokenizer.from_pretrained(REPO, local_files_only=True))
    except (OSError, ValueError):
        pass
    try:
        reach(OURS)
        return _finished(AutoTokenizer.from_pretrained(REPO))
    except (Unreachable, OSError, ValueError) as error:
        said = str(error).splitlines()[0] if not isinstance(error, Unreachable) else "the Hub cannot be reached."
        raise ChatError(
            f"GPT-2's tokenizer is not on this machine, and {said} Take tokenizer: {{train: {FALLBACK}}}, or a folder that holds it.",
            status=422,
        ) from error


def from_folder(folder: Path) -> "PreTrainedTokenizerBase":
    """A folder with tokenizer.json, or with vocab.json and merges.txt as GPT-2's. Raises ChatError."""
    from transformers import AutoTokenizer, GPT2TokenizerFast

    try:
        bare = (folder / "vocab.json").is_file() and not (folder / "tokenizer.json").is_file()
        found = (GPT2TokenizerFast if bare else AutoTokenizer).from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ChatError(f"{folder} holds no tokenizer that can be read: {why[:200]} Give gpt2, or {{train: 2000}}.", status=422) from error
    if found.eos_token_id is None:
        raise ChatError(f"The tokenizer in {folder} has no token that ends a text (eos_token). Give gpt2, or {{train: 2000}}.", status=422)
    return _finished(found)


def ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """Of each text, as plain text: what looks like a control token is none."""
    return tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, return_attention_mask=False)["input_ids"]


def look(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[dict[str, Any]]:
    """The first tokens of a text: id, and the characters it stands for."""
    return [{"id": one, "text": tokenizer.decode([one])} for one in ids(tokenizer, [text[:1000]])[0][:LOOKED_AT]]


def cost(entries: int, width: int, bytes_per_token: float) -> dict[str, Any]:
    """What the choice of a vocabulary costs: parameters of its embedding, which is also the head, beside GPT-2's."""
    return {
        "vocab_size": entries,
        "embedding_parameters": entries * width,
        "gpt2_embedding_parameters": GPT2_ENTRIES * width,
        "bytes_per_token": round(bytes_per_token, 3),
    }


def _finished(tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerBase":
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.chat_template = JOIN
    tokenizer.model_max_length = 10**9  # the model's own limit holds; a warning at each long text would help nobody
    return tokenizer


def _lines(documents: Sequence[str]) -> "Sequence[str]":
    """Evenly from all of it, up to TRAINED_ON characters; by lines, so that no piece is large."""
    lines = [line for text in documents for line in text.splitlines(keepends=True)]
    step = max(1, -(-sum(map(len, lines)) // TRAINED_ON))
    return lines[::step]
