"""models list and models delete: what is on this machine."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from os.path import expanduser
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.files_cli import place_of
from chatapp.models import catalog, deletion
from chatapp.models.hub import no_progress
from chatapp.models.memory import gigabytes
from chatapp.models.purpose import use_of
from chatapp.models.saving import save_place
from chatapp.settings import Settings

Answer = dict[str, Any]

AGAIN = {"chat": "--model", "classifier": "classify 'a text' --model", "encoder": "text 'a text' --model", "other": "models files"}
"""How a saved model is used, by what it is for."""


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """`list` takes none of its own."""


def list_here(settings: Settings, arguments: argparse.Namespace) -> Answer:
    found = catalog.here(settings.data_dir)
    return {"models": [plain(asdict(model)) for model in found], "bytes": sum(model.bytes for model in found)}


def listed(answer: Answer) -> str:
    rows = [(model["name"], gigabytes(model["bytes"]), model["problem"] or in_short(model)) for model in answer["models"]]
    return table(rows) or "No model is on this machine."


def in_short(model: Answer) -> str:
    """Where it is from, and what it is for where that is no chat."""
    return model["kind"] if model["use"]["purpose"] == "chat" else f"{model['kind']}, {model['use']['purpose']}: {model['use']['words']}"


def delete_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the model, as models list names it")
    parser.add_argument("--yes", action="store_true", help="delete it; without, only what that would free is said")


def delete_here(settings: Settings, arguments: argparse.Namespace) -> Answer:
    planned = deletion.plan(arguments.name, settings.data_dir)
    if arguments.yes:
        deletion.delete(planned)
    elif not arguments.json:
        raise ChatError(f"{planned.words} Nothing was deleted: add --yes to do it.")
    return {
        "name": planned.model.name,
        "frees": planned.frees,
        "places": [str(place) for place in planned.places],
        "deleted": arguments.yes,
    }


def deleted(answer: Answer) -> str:
    return f"{answer['name']} was deleted; {gigabytes(answer['frees'])} are free again."


def save_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a folder, a .gguf file, or a model that models list names")
    parser.add_argument("folder", type=Path, help="where to save it: a new folder, or an empty one")


def save_here(settings: Settings, arguments: argparse.Namespace) -> Answer:
    """A chat model or encoder on this machine, as its own class saves it; a GGUF as it is."""
    place, target = place_of(arguments.model, settings.data_dir), Path(expanduser(arguments.folder)).absolute()
    return {"name": arguments.model, "place": str(target), "bytes": save_place(place, arguments.model, target, no_progress)}


def saved(answer: Answer) -> str:
    again = AGAIN[use_of(Path(answer["place"])).purpose]
    return f"{answer['name']} is at {answer['place']}, {gigabytes(answer['bytes'])}. Use it: python app.py {again} {answer['place']}"


def plain(value: Any) -> Any:
    """For JSON: paths are texts."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be; the last one is not filled."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)
