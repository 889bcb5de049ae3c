"""A model's tokenizer from a folder. What its settings say that no tokenizer can is refused here, before a message meets it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp import strict_json
from chatapp.errors import ChatError
from chatapp.models.failures import Reading

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def read_tokenizer(folder: Path, name: str) -> "PreTrainedTokenizerBase":
    """Of whatever kind the folder names."""
    from transformers import AutoTokenizer

    return _read(AutoTokenizer, folder, name)


def read_plain_tokenizer(folder: Path, name: str) -> "PreTrainedTokenizerBase":
    """As convert_tokenizer wrote it. AutoTokenizer would import torch to look at the configuration of a model: seconds of the start."""
    from transformers import PreTrainedTokenizerFast

    return _read(PreTrainedTokenizerFast, folder, name)


def _read(kind: type, folder: Path, name: str) -> "PreTrainedTokenizerBase":
    with Reading(f"The tokenizer of {name} cannot be loaded: ", " Fetch the model again."):
        tokenizer = kind.from_pretrained(folder, trust_remote_code=False)
    if not isinstance(tokenizer.model_max_length, int | float):
        raise _wrong(name, "model_max_length", tokenizer.model_max_length, "a number")
    tokenizer.chat_template = _template(tokenizer.chat_template, name)
    return tokenizer


def _template(found: Any, name: str) -> str | dict[str, str] | None:
    """The text, without half characters, or several by name."""
    if isinstance(found, dict):
        return {key: _template(value, name) for key, value in found.items()}
    if found is not None and not isinstance(found, str):
        raise _wrong(name, "chat_template", found, "a text")
    return found and strict_json.text(found)


def _wrong(name: str, field: str, found: Any, noun: str) -> ChatError:
    return ChatError(f"The tokenizer of {name} cannot be loaded: its {field} is {str(found)[:40]!r} and not {noun}. Fetch the model again.")
