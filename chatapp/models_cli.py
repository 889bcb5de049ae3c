"""The command line of models: python app.py models ACTION, by the functions of the page. --json for programs."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chatapp import files_cli
from chatapp.models import catalog
from chatapp.models.memory import gigabytes
from chatapp.settings import Settings, default_data_dir, from_namespace, reject_unknown_environment

Answer = dict[str, Any]


@dataclass(frozen=True)
class Action:
    """One word after `models`.

    arguments  adds its own to the parser
    run        what --json prints
    words      the same for a person
    """

    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Settings, argparse.Namespace], Answer]
    words: Callable[[Answer], str]


def run(argv: Sequence[str]) -> int:
    """`models` and what follows it. Raises ChatError for what cannot be done; argparse ends the program for wrong usage."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    action = ACTIONS[arguments.action]
    answer = action.run(from_namespace(arguments), arguments)
    print(json.dumps(answer, indent=2, ensure_ascii=False) if arguments.json else action.words(answer))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python app.py models", description="Find, fetch and understand models.")
    actions = made.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, action in ACTIONS.items():
        one = actions.add_parser(name, help=action.help, description=action.help)
        action.arguments(one)
        one.add_argument("--json", action="store_true", help="print JSON, in the form that docs/models.md describes")
        one.add_argument("--data-dir", default=argparse.SUPPRESS, help=f"folder for chats and converted models; {default_data_dir()}")
    return made


def nothing_more(parser: argparse.ArgumentParser) -> None:
    """For an action that takes no argument of its own."""


def list_here(settings: Settings, arguments: argparse.Namespace) -> Answer:
    found = catalog.here(settings.data_dir)
    return {"models": [plain(model) for model in found], "bytes": sum(model.bytes for model in found)}


def plain(model: catalog.LocalModel) -> Answer:
    """For JSON."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(model).items()}


def listed(answer: Answer) -> str:
    rows = [(model["name"], gigabytes(model["bytes"]), model["problem"] or model["kind"]) for model in answer["models"]]
    return table(rows) or "No model is on this machine."


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be; the last one is not filled."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


ACTIONS = {
    "architecture": Action(
        "What a model is made of, built without its weights.",
        files_cli.model_argument,
        files_cli.architecture,
        files_cli.architecture_in_words,
    ),
    "files": Action("Every file of a model explained.", files_cli.files_arguments, files_cli.files, files_cli.in_words),
    "load-check": Action(
        "Will a model load here, on what, in how much memory?", files_cli.model_argument, files_cli.load_check, files_cli.check_in_words
    ),
    "list": Action("Models on this machine, and what they take of the disk.", nothing_more, list_here, listed),
}
