"""A whole folder explained: every file that is there, those that one may miss, and the tensors of all together."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chatapp import strict_json
from chatapp.errors import ChatError
from chatapp.models.files import config, others, settings_files, templates, tensors, tokenizer_json, vocabularies, weights_files
from chatapp.models.files.absent import absent
from chatapp.models.files.explained import Explained, short
from chatapp.models.files.folder import MOST_FILES, Entry, Folder, opened
from chatapp.models.files.sentence import SENTENCE
from chatapp.models.files.tensors import Tensor


@dataclass
class Explanation:
    """`files` that are there, `absent` ones, `tensors` of all files; `note` where the folder holds more than is listed."""

    folder: str
    files: list[Explained] = field(default_factory=list)
    absent: list[Explained] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    note: str = ""

    def plain(self) -> dict[str, Any]:
        """For JSON. Half characters, which no answer can carry, are replaced wherever a file had them."""
        told = {
            "folder": self.folder,
            "files": [told.plain() for told in self.files],
            "absent": [told.plain() for told in self.absent],
            "tensors": tensors.table(self.tensors),
            "note": self.note,
        }
        return json.loads(strict_json.text(json.dumps(told, ensure_ascii=False)))


Teller = Callable[[Entry, "Reading"], Explained]


@dataclass
class Reading:
    """A folder being explained: `tensors` grow with each file of weights. `run`: show sentences and templates, in child processes."""

    folder: Folder
    run: bool = True
    tensors: list[Tensor] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        return SENTENCE if self.run else ""


def explain(place: Path, *, run: bool = True) -> Explanation:
    """Every file of a model's folder, or a lone GGUF. Raises ChatError where nothing is; all else is said of the file it concerns.

    `run=False` starts no process: no sentence is cut, no template rendered.
    """
    folder = opened(place)
    entries = folder.entries()
    if run and any(entry.name.endswith(TEMPLATED) for entry in entries):
        templates.start()
    reading = Reading(folder, run)
    order = sorted(entries[:MOST_FILES], key=lambda entry: not entry.name.endswith((".safetensors", ".gguf")))
    told = {entry.name: explained(entry, reading) for entry in order}
    files = [told[entry.name] for entry in entries[:MOST_FILES]]
    note = f"The folder holds more than {MOST_FILES:,} files; the first are listed." if len(entries) > MOST_FILES else ""
    return Explanation(str(place), files, absent(folder, {entry.name for entry in entries}), reading.tensors, note)


TEMPLATED = (".jinja", "tokenizer_config.json", ".gguf", "chat_template.json")


def explained(entry: Entry, reading: Reading) -> Explained:
    """One file. What is wrong with it is said in `problem`; its name is made printable."""
    tell, kind = next(((tell, kind) for pattern, tell, kind in TELLERS if re.fullmatch(pattern, entry.name)), (_other, "unknown"))
    if entry.why_not:
        told = Explained(entry.name, entry.bytes, "not opened", "A name in the folder.", entry.why_not)
    else:
        try:
            told = tell(entry, reading)
        except ChatError as error:
            told = Explained(entry.name, entry.bytes, kind, PURPOSES.get(kind, "See its kind."), str(error))
        except OSError as error:
            told = Explained(entry.name, entry.bytes, kind, PURPOSES.get(kind, "See its kind."), f"It cannot be read: {error.strerror}.")
    return replace(told, name=short(strict_json.text(entry.name)))


def _config(entry: Entry, reading: Reading) -> Explained:
    return config.explain(entry, reading.folder, reading.tensors if entry.name == "config.json" else [])


def _settings(entry: Entry, reading: Reading) -> Explained:
    told = settings_files.explain(entry, reading.folder)
    inside = templates.of_folder(reading.folder) if entry.name == "tokenizer_config.json" else {}
    if not inside or reading.folder.has("chat_template.jinja"):
        return told
    name, template = ("default", inside["default"]) if "default" in inside else next(iter(inside.items()))
    shown = templates.explain(entry, template, templates.special_tokens(reading.folder), render=reading.run)
    named = f" The template {name!r} of {len(inside)} is shown." if len(inside) > 1 else ""
    words = f"{told.explanation} Here it holds the chat template.{named}"
    return replace(told, explanation=words, problem=shown.problem, lines=told.lines + shown.lines, more=shown.more)


def _template(entry: Entry, reading: Reading) -> Explained:
    text = reading.folder.text(entry.name)
    return templates.explain(entry, text, templates.special_tokens(reading.folder), render=reading.run)


def _template_json(entry: Entry, reading: Reading) -> Explained:
    """chat_template.json of some models of images: the same in an object."""
    text = reading.folder.json(entry.name).get("chat_template")
    if not isinstance(text, str):
        raise ChatError("It holds no chat_template that is a text.")
    return templates.explain(entry, text, templates.special_tokens(reading.folder), render=reading.run)


def _safetensors(entry: Entry, reading: Reading) -> Explained:
    told, found = weights_files.safetensors(entry, reading.folder)
    if "/" not in entry.name:
        reading.tensors += found
    return told


def _gguf(entry: Entry, reading: Reading) -> Explained:
    told, found = weights_files.of_gguf(entry, reading.folder)
    reading.tensors += found
    template = next((line for line in told.lines if line.key == "tokenizer.chat_template"), None)
    if template is None:
        return told
    text, tokens = weights_files.gguf_template(reading.folder.path(entry.name))
    shown = templates.explain(entry, text, tokens, render=reading.run)
    return replace(told, problem=shown.problem, lines=told.lines + shown.lines, more=shown.more)


def _other(entry: Entry, reading: Reading) -> Explained:
    return others.explain(entry, reading.folder)


TELLERS: tuple[tuple[str, Teller, str], ...] = (
    (r"(.*/)?config\.json", _config, "configuration"),
    (r"generation_config\.json|tokenizer_config\.json|special_tokens_map\.json", _settings, "settings"),
    (r"added_tokens\.json", lambda e, r: settings_files.explain_added(e, r.folder), "added tokens"),
    (r"tokenizer\.json", lambda e, r: tokenizer_json.explain(e, r.folder, r.sentence), "tokenizer"),
    (r"vocab\.json|encoder\.json", lambda e, r: vocabularies.explain_vocab(e, r.folder, r.sentence), "vocabulary"),
    (r"merges\.txt|vocab\.bpe", lambda e, r: vocabularies.explain_merges(e, r.folder), "merges"),
    (r"vocab\.txt", lambda e, r: vocabularies.explain_vocab_txt(e, r.folder, r.sentence), "vocabulary"),
    (r"[^/]*\.model(\.v\w+)?", lambda e, r: vocabularies.explain_sentencepiece(e, r.folder, r.sentence), "SentencePiece model"),
    (r"[^/]*\.tiktoken", lambda e, r: vocabularies.explain_tiktoken(e, r.folder), "vocabulary"),
    (r"(.*/)?[^/]*\.jinja", _template, "chat template"),
    (r"chat_template\.json", _template_json, "chat template"),
    (r".*\.safetensors", _safetensors, "weights"),
    (r".*\.(safetensors|bin)\.index\.json", lambda e, r: weights_files.index(e, r.folder), "index of the weights"),
    (r".*\.gguf", _gguf, "GGUF"),
    (r"(.*/)?(pytorch_model|adapter_model|model|consolidated)[^/]*\.(bin|pth|pt|ckpt|pkl)", lambda e, r: weights_files.pickle(e), "pickle"),
    (r"README\.md", lambda e, r: others.card(e, r.folder), "model card"),
)
PURPOSES = {
    "configuration": config.EXPLANATION,
    "settings": "Settings around the model, in JSON.",
    "added tokens": settings_files.ADDED,
    "tokenizer": tokenizer_json.EXPLANATION,
    "vocabulary": "The pieces that the model knows by a number.",
    "merges": "The merges of BPE: pairs of pieces in the order in which they are joined.",
    "SentencePiece model": "The tokenizer as SentencePiece wrote it.",
    "chat template": templates.EXPLANATION,
    "weights": weights_files.SAFETENSORS,
    "index of the weights": weights_files.INDEX,
    "GGUF": weights_files.GGUF,
    "model card": others.CARD,
    "unknown": others.UNKNOWN,
}
