"""A tokenizer of one's own to be switched: the library changes one while it cuts special tokens as text, and others use it meanwhile."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

_guards: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
_guard_lock = threading.Lock()


@contextmanager
def guarded(tokenizer: "Tokenizer") -> "Iterator[Tokenizer]":
    """A copy of it that nobody else uses meanwhile."""
    with _guard_lock:
        if tokenizer not in _guards:
            _guards[tokenizer] = copy.deepcopy(tokenizer)
        yield _guards[tokenizer]


def plain_ids(text: str, tokenizer: "Tokenizer") -> list[int]:
    """A text as a tokenizer cuts it, a special token's name in it as ordinary text; from any thread."""
    with guarded(tokenizer) as own:
        return own(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
