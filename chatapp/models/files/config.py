"""config.json explained: every key, those of shape and memory with their numbers, and what the files of the weights say beside."""

from collections.abc import Iterator
from typing import Any

from chatapp.models.files.config_keys import KEYS
from chatapp.models.files.consequences import BY_ROLE, BY_VALUE
from chatapp.models.files.explained import Explained, Line, number, short
from chatapp.models.files.folder import Entry, Folder
from chatapp.models.files.printing import pretty
from chatapp.models.files.tensors import Tensor, embedding, layers
from chatapp.models.shape import Shape, role_of, shape_of

EXPLANATION = "What the model is: its family, its sizes, its special tokens. Without it the weights are only numbers."
NESTED = ("text_config", "vision_config", "audio_config")
UNKNOWN = "A key that this app does not know. It may be the model's own, or newer than this app."


def explain(entry: Entry, folder: Folder, tensors: list[Tensor]) -> Explained:
    """Raises ChatError for what is no JSON object."""
    config = folder.json(entry.name)
    shape = shape_of(config)
    lines = tuple(_lines(config, shape))
    problem = " ".join(_lies(config, shape, tensors))
    more = {"unknown": [line.key for line in lines if not line.known]}
    return Explained(entry.name, entry.bytes, "configuration", EXPLANATION, problem, lines, pretty(config), more)


def words_of(key: str, value: object, shape: Shape) -> str:
    """What a key means with this value; '' for one that nobody here knows."""
    role = role_of(key)
    if role and not (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return "Not named here, so the family's usual one holds." if value is None else "A size that is none: loading will refuse it."
    if role:
        return BY_ROLE[role](shape)
    if key in BY_VALUE:
        return BY_VALUE[key](shape, value)
    if key == "architectures" or key not in KEYS:
        return _architectures(value) if key == "architectures" else ""
    return KEYS[key]


def _lines(config: dict[str, Any], shape: Shape) -> Iterator[Line]:
    for key, value in list(config.items())[:500]:
        words = words_of(key, value, shape)
        yield Line(short(key, 80), short(value), words or UNKNOWN, known=bool(words))
        if key in NESTED and isinstance(value, dict):
            own = shape_of(value)
            for inner, item in list(value.items())[:200]:
                told = words_of(inner, item, own)
                yield Line(f"{key}.{short(inner, 80)}", short(item), told or UNKNOWN, known=bool(told))


def _architectures(value: object) -> str:
    """By the ending of the first name."""
    name = str(value[0]) if isinstance(value, list) and value else ""
    endings = {
        "ForCausalLM": "writes text, token by token: a chat model or a base model",
        "LMHeadModel": "writes text, token by token",
        "ForConditionalGeneration": "writes text about what it was given (text, images or sound)",
        "ForSequenceClassification": "names a class for a text",
        "ForTokenClassification": "names a class for each token",
        "ForMaskedLM": "fills gaps in a text; it cannot chat",
        "ForQuestionAnswering": "marks the answer in a text",
        "Model": "gives vectors, and has no head that writes or classifies",
    }
    does = next((words for ending, words in endings.items() if name.endswith(ending)), "")
    return f"{KEYS['architectures']} This one {does}." if does else KEYS["architectures"]


def _lies(config: dict[str, Any], shape: Shape, tensors: list[Tensor]) -> Iterator[str]:
    """Where config.json and the headers of the weights disagree; nothing where there are no weights to compare with."""
    if "auto_map" in config:
        yield "It asks for Python code from its repository (auto_map), which this app never runs; without it the model may not load."
    table = embedding(tensors)
    if table and shape.vocabulary and shape.hidden and table.shape != (shape.vocabulary, shape.hidden):
        said, held = f"{number(shape.vocabulary)} × {number(shape.hidden)}", " × ".join(number(n) for n in table.shape)
        yield f"It gives {said} for vocabulary × width, and the embedding table in the files is {held}."
    there = layers(tensors)
    if there and shape.layers and there != shape.layers:
        yield f"It names {number(shape.layers)} blocks, and the files hold {there:,}."
