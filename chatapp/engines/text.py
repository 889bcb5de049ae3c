"""From token ids to text as they arrive: whole characters only, stop strings never shown. Shared by all engines; no torch here."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tokenizers.decoders import ByteLevel

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

BROKEN = "\ufffd"
"""What a decoder writes for bytes that are no character, or not yet one."""

UNFINISHED = 3
"""A UTF-8 character has at most 4 bytes, so at most 3 ids wait for the rest of one."""

PATIENCE = 16
"""Ids that may wait for a character. Beyond it the bytes are taken as they are, so that garbage cannot make a step slow."""

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<turn|>")
"""Tokens that end a turn in well-known chat templates."""


_KNOWN: "WeakKeyDictionary[PreTrainedTokenizerBase, dict[int, str]]" = WeakKeyDictionary()


class Detokenizer:
    """Text of ids as they come, a constant number of them decoded per id.

    Joined, the pieces equal `tokenizer.decode(ids, skip_special_tokens=True)`, but for an unfinished character at the very end, which
    is never given out. `prior` are ids before the first one: a character begun there is finished here.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", prior: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._skipped = special_ids(tokenizer)
        self._size = len(tokenizer)
        # `_ids` is a short window: `_read` ids whose text is out (they give the decoder its context), then those still waiting.
        # `_sent` is the part of the window's text that is out.
        self._ids: list[int] = []
        self._read, self._sent = 0, ""
        self._known = known_texts(tokenizer)
        tail = [i for i in prior[-UNFINISHED - 1 :] if i not in self._skipped]
        if self._decode(tail).endswith(BROKEN):
            self._begin_inside(tail)

    def push(self, token_id: int) -> str:
        """The text that this id completes; '' while a character is unfinished and for special tokens."""
        if token_id in self._skipped or token_id >= self._size:
            return ""
        if len(self._ids) == self._read and self._known is not None and (text := self._alone(token_id)):
            self._ids, self._read, self._sent = [token_id], 1, text
            return text
        self._ids.append(token_id)
        text = self._decode(self._ids)
        ready = text.rstrip(BROKEN)
        if ready == text and text.startswith(self._sent):
            return self._finish(text)
        if len(self._ids) - self._read > PATIENCE:
            return self._give_up(text)
        # A byte-fallback decoder takes back a finished character while the next one is unfinished: then nothing is new.
        new = ready[len(self._sent) :] if ready.startswith(self._sent) else ""
        self._sent += new
        return new

    def _alone(self, token_id: int) -> str:
        """The text of an id that holds whole characters; '' for others."""
        if (text := self._known.get(token_id)) is None:
            text = self._decode([token_id])
            text = self._known[token_id] = "" if BROKEN in text else text
        return text

    def _finish(self, text: str) -> str:
        """The window ends with a whole character: what was waiting becomes the context of what follows."""
        new = text[len(self._sent) :]
        if new:
            self._ids = self._ids[self._read :]
            self._read, self._sent = len(self._ids), self._decode(self._ids)
        return new

    def _give_up(self, text: str) -> str:
        """Bytes that become no character: shown as they decode, but for the last few, which may still begin one."""
        if not text.startswith(self._sent):
            text, self._sent = self._decode(self._ids[self._read :]), ""
        ready = text[: len(text) - min(UNFINISHED, len(text) - len(text.rstrip(BROKEN)))]
        new = ready[len(self._sent) :]
        self._begin_inside(self._ids[-UNFINISHED - 1 :])
        return new

    def _begin_inside(self, ids: list[int]) -> None:
        """Wait for the rest of a character that the last of `ids` begin."""
        cuts = [self._decode(ids[: len(ids) - n]) for n in range(1, UNFINISHED + 1)]
        candidates = [self._decode(ids).rstrip(BROKEN), *(c for c in cuts if not c.endswith(BROKEN))]
        self._ids, self._read, self._sent = list(ids), 0, max(candidates, key=len)

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)


class StopStrings:
    """Text as it comes, up to the first stop string: what may be the start of one is held back until that is decided.

    `stopped` turns True when a stop string is complete; neither it nor anything after it is given out.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self.stopped = False
        self._stop = tuple(stop)
        self._held = ""

    def feed(self, text: str) -> str:
        """The text that may be shown now."""
        if self.stopped or not text:
            return ""
        if not self._stop:
            return text
        self._held += text
        found = [at for at in (self._held.find(s) for s in self._stop) if at >= 0]
        if found:
            shown, self._held, self.stopped = self._held[: min(found)], "", True
            return shown
        keep = max(_overlap(self._held, s) for s in self._stop)
        cut = len(self._held) - keep
        shown, self._held = self._held[:cut], self._held[cut:]
        return shown

    def flush(self) -> str:
        """The held-back start of a stop string that never came."""
        shown, self._held = self._held, ""
        return shown


class TextStream:
    """Detokenizer plus stop strings."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", stop: Sequence[str] = (), prior: Sequence[int] = ()) -> None:
        self._characters = Detokenizer(tokenizer, prior)
        self._text = StopStrings(stop)

    @property
    def stopped(self) -> bool:
        """Is a stop string complete?"""
        return self._text.stopped

    def push(self, token_id: int) -> str:
        """The text that may be shown after this id, often one word, possibly ''."""
        return self._text.feed(self._characters.push(token_id))

    def flush(self) -> str:
        """As StopStrings.flush. An unfinished last character stays out: Continue will finish it."""
        return self._text.flush()


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a start of `stop`, but not all of it."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0


def known_texts(tokenizer: "PreTrainedTokenizerBase") -> dict[int, str] | None:
    """What Detokenizers have learnt of single ids; None where the text of a token depends on its neighbours.

    In byte-level BPE it does not, and looking it up spares two calls of the decoder for each token, beside the model on its cores.
    """
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if not isinstance(decoder, ByteLevel) or tokenizer.clean_up_tokenization_spaces:
        return None
    return _KNOWN.setdefault(tokenizer, {})


def special_ids(tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Ids that decode to nothing under skip_special_tokens."""
    return frozenset(i for i, token in tokenizer.added_tokens_decoder.items() if token.special)


def end_ids(tokenizer: "PreTrainedTokenizerBase", generation_config: "GenerationConfig | None" = None) -> frozenset[int]:
    """Ids that end a reply: the model's own list, the tokenizer's, and the end-of-turn tokens its chat template writes.

    What a file names beside them that is in no vocabulary, a number or not, ends nothing.
    """
    named = [*_as_list(getattr(generation_config, "eos_token_id", None)), *_as_list(tokenizer.eos_token_id)]
    found = {i for i in named if isinstance(i, int) and 0 <= i < len(tokenizer)}
    template = tokenizer.chat_template if isinstance(tokenizer.chat_template, str) else ""
    special = {token.content: i for i, token in tokenizer.added_tokens_decoder.items()}
    # In a template with channels <|end|> closes one part of a reply, not the reply.
    names = [n for n in TURN_ENDS if n in template and not (n == "<|end|>" and "<|channel|>" in template)]
    return frozenset(found | {special[n] for n in names if n in special})


def _as_list(value: int | Iterable[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)
