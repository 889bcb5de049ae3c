"""What a model is for: it writes, gives labels, makes numbers of texts, or is of no use here. By config.json or GGUF header, no torch."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chatapp.errors import ChatError
from chatapp.models.files.folder import opened
from chatapp.models.hub import here
from chatapp.models.shape import ENCODERS, shape_of
from chatapp.models.sources import Source

Purpose = Literal["chat", "classifier", "encoder", "other"]

GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""Endings of the architecture names of models that write text."""

CLASSIFIES = "ForSequenceClassification"

HALVES = frozenset(
    ["bart", "blenderbot", "led", "longt5", "m2m_100", "marian", "mbart", "mt5", "pegasus", "prophetnet", "t5", "umt5", "whisper"]
)
"""Families of which one half reads and another writes. config.json says so of any family; the Hub's summary of one does not."""

SENTENCE_FILES = ("modules.json", "config_sentence_transformers.json")
SENTENCE_TASKS = ("sentence-similarity", "feature-extraction")
"""Files, and tasks of the Hub, that say that an encoder makes one row of numbers of a whole sentence."""

GGUF_ENCODERS = frozenset(
    ["bert", "eurobert", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "nomic-bert", "nomic-bert-moe", "t5encoder"]
)
"""Architectures of llama.cpp that write no text."""

UNREAD_GGUF = "Any text looks into encoders in safetensors, and this is a GGUF file."
GGUF_COUNTS = 24
"""Bytes of magic, version and counts, before the first value."""

GGUF_HEAD = struct.pack("<Q", 20) + b"general.architecture" + struct.pack("<I", 8)
"""How the first value begins: its name, and that it is a text."""

MOST_LABELS, MOST_LETTERS = 6, 40
"""Labels that are named, and letters of each."""

CURES = {
    "classifier": "Classify with it on the page Classify.",
    "encoder": "Look at a text through it on the page Any text.",
    "other": "Choose a text-generation model.",
}


@dataclass(frozen=True)
class Use:
    """`words` say what it does, '' for one that writes text; `unread` why the page Any text cannot look into it, '' where it can."""

    purpose: Purpose = "chat"
    words: str = ""
    unread: str = ""


CHAT = Use()


def use_of(place: Path) -> Use:
    """Of a model on this machine. One of which nothing can be said counts as one that writes."""
    if place.is_file():
        return of_gguf(gguf_family(place))
    folder = opened(place)
    return described(folder.maybe("config.json"), sentences=any(map(folder.has, SENTENCE_FILES)))


def of_gguf(family: str) -> Use:
    """Of a GGUF file of this architecture."""
    if family not in GGUF_ENCODERS:
        return CHAT
    return Use("encoder", f"It makes numbers of a text, and writes nothing: its architecture is {family}.", UNREAD_GGUF)


def gguf_family(file: Path) -> str:
    """The architecture that a GGUF file names; '' where it does not name it first, as its writers do. A hundred bytes are read."""
    try:
        with file.open("rb") as opened_file:
            head = opened_file.read(128)
    except OSError:
        return ""
    at = len(GGUF_HEAD) + GGUF_COUNTS
    if len(head) < at + 8 or head[:4] != b"GGUF" or head[GGUF_COUNTS:at] != GGUF_HEAD:
        return ""
    (length,) = struct.unpack_from("<Q", head, at)
    return head[at + 8 : at + 8 + length].decode("ascii", "replace")


def described(config: Mapping[str, Any], *, sentences: bool = False) -> Use:
    """Of config.json, or of the Hub's summary of one. `sentences`: it was made to compare sentences."""
    match purpose := purpose_of(config):
        case "chat":
            return CHAT
        case "classifier":
            words = labelled(config)
        case "encoder":
            words = encodes(config, sentences=sentences)
        case "other":
            words = f"It is a {', '.join(architectures(config)) or family_of(config)}, which writes no text by itself."
    return Use(purpose, words, "" if reads_whole(config) else unread(config))


def purpose_of(config: Mapping[str, Any]) -> Purpose:
    """What names no architecture and no family that only reads counts as one that writes: loading it says more."""
    named = architectures(config)
    if any(name.endswith(CLASSIFIES) for name in named) and not scales(config):
        return "classifier"
    if config.get("is_encoder_decoder") is True or family_of(config) in HALVES:
        return "other"
    if any(name.endswith(GENERATES) for name in named):
        return "chat"
    if reads_whole(config):
        return "encoder"
    return "other" if named else "chat"


def reads_whole(config: Mapping[str, Any]) -> bool:
    """Is it of a family that reads a whole text at once, each token seeing those behind it too?"""
    return family_of(config) in ENCODERS and config.get("is_decoder") is not True


def unread(config: Mapping[str, Any]) -> str:
    """Why Any text cannot look into a model that writes nothing."""
    return f"Any text looks into models that write, and into encoders of {len(ENCODERS)} families; {family_of(config)} is none of them."


def labelled(config: Mapping[str, Any]) -> str:
    """What a classifier gives a text: its labels by their names, as far as these are told."""
    if not (labels := labels_of(config)):
        return "It gives texts labels, and writes nothing."
    named = [label if len(label) <= MOST_LETTERS else f"{label[:MOST_LETTERS]}…" for label in labels[:MOST_LABELS]]
    more = ", …" if len(labels) > MOST_LABELS else ""
    several = "any" if config.get("problem_type") == "multi_label_classification" else "one"
    return f"It gives a text {several} of {len(labels)} labels: {', '.join(named)}{more}."


def encodes(config: Mapping[str, Any], *, sentences: bool) -> str:
    """What an encoder makes of a text."""
    if any(name.endswith(CLASSIFIES) for name in architectures(config)):
        return "It gives a text, or a pair of them, one number on a scale: there are no labels to classify with."
    numbers = f"{shape_of(config).hidden:,} numbers" if shape_of(config).hidden else "numbers"
    if sentences:
        return f"It makes {numbers} of a sentence, alike where the meaning is alike, and writes nothing."
    return f"It makes {numbers} of each token of a text, and writes nothing."


def scales(config: Mapping[str, Any]) -> bool:
    """Does its head give one number and no label, as those do that rank?"""
    return config.get("problem_type") == "regression" or len(labels_of(config)) == 1


def labels_of(config: Mapping[str, Any]) -> list[str]:
    named = config.get("id2label")
    return [str(label) for label in named.values()] if isinstance(named, Mapping) else []


def architectures(config: Mapping[str, Any]) -> list[str]:
    """The names of classes that it gives."""
    named = config.get("architectures")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def family_of(config: Mapping[str, Any]) -> str:
    family = config.get("model_type")
    return family if isinstance(family, str) else ""


def refuse_silent(source: Source) -> None:
    """Raises ChatError for a model on this machine that writes no text, before anything of it is loaded."""
    place = here(source)
    if place is not None:
        refuse(source.name, use_of(place))


def refuse(name: str, use: Use) -> None:
    """Raises ChatError for one that writes no text, with what can be done instead."""
    if use.purpose != "chat":
        cure = use.unread if use.purpose == "encoder" and use.unread else CURES[use.purpose]
        raise ChatError(f"{name} is no chat model. {use.words} {cure}", status=422)
