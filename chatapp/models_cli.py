"""The command line of models: python app.py models ACTION, by the functions of the page. --json prints what programs read."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chatapp import files_cli
from chatapp import models_cli_here as here
from chatapp import models_cli_hub as hub
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
    actions = made.add_subparsers(dest="action", required=True, metavar="ACTION", help=" | ".join(ACTIONS))
    for name, action in ACTIONS.items():
        one = actions.add_parser(name, help=action.help, description=action.help)
        action.arguments(one)
        one.add_argument("--json", action="store_true", help="print JSON, in the form that docs/models.md describes")
        one.add_argument("--data-dir", default=argparse.SUPPRESS, help=f"folder for chats and converted models; {default_data_dir()}")
    return made


ACTIONS = {
    "search": Action("Search the Hub.", hub.search_arguments, hub.search_hub, hub.found_words),
    "info": Action("What a model on the Hub is, can and needs, before it is downloaded.", hub.name_argument, hub.info, hub.info_words),
    "download": Action("Fetch a model from the Hub; only what is missing travels.", hub.name_argument, hub.fetch, hub.fetched_words),
    "list": Action("Models on this machine, and what they take of the disk.", here.no_arguments, here.list_here, here.listed),
    "delete": Action("Delete a model from this machine.", here.delete_arguments, here.delete_here, here.deleted),
    "save": Action("Save a model of this machine to a folder.", here.save_arguments, here.save_here, here.saved),
    "files": Action("Every file of a model explained.", files_cli.files_arguments, files_cli.files, files_cli.in_words),
    "architecture": Action(
        "What a model is made of, built without its weights.",
        files_cli.model_argument,
        files_cli.architecture,
        files_cli.architecture_in_words,
    ),
    "load-check": Action(
        "Will a model load here, on what, in how much memory?", files_cli.model_argument, files_cli.load_check, files_cli.check_in_words
    ),
}
