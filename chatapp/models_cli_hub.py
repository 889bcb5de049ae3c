"""models search, models info and models download: what the Hub has. The account is this machine's own (HF_TOKEN, or a saved login)."""

import argparse
import sys
from dataclasses import asdict
from typing import Any

from chatapp.engines.room import room
from chatapp.errors import ChatError
from chatapp.models.described import can, count, facts
from chatapp.models.hub import download
from chatapp.models.hub_card import card
from chatapp.models.memory import gigabytes
from chatapp.models.search import LIBRARIES, SORTS, Found, Query, pasted, search
from chatapp.models.sources import Source, on_hub
from chatapp.models_cli_here import plain, table
from chatapp.settings import Settings
from chatapp.xray.support import supported

Answer = dict[str, Any]


def name_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="org/name[@revision], org/name:file.gguf, or the address of its page")


def search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", default="", help="part of the name")
    parser.add_argument("--task", default="text-generation", help="as the Hub calls it; '' for any; %(default)s")
    parser.add_argument("--library", default="transformers", choices=["", *LIBRARIES], help="%(default)s")
    parser.add_argument("--dataset", default="", help="that it was trained on, as org/name")
    parser.add_argument("--max-parameters", default="", metavar="N", help="such as 500M or 3B")
    parser.add_argument("--sort", default="trending", choices=[*SORTS], help="%(default)s")
    parser.add_argument("--rows", default=20, type=int, help="%(default)s")


def search_hub(settings: Settings, arguments: argparse.Namespace) -> Answer:
    named = ("text", "task", "library", "dataset", "sort", "rows")
    query = Query(**{name: getattr(arguments, name) for name in named}, most=arguments.max_parameters)
    return {"models": [about(found) for found in search(query, room(settings))]}


def about(found: Found) -> Answer:
    """A model's row for JSON."""
    said = asdict(found)
    del said["config"]
    return plain(said)


def found_words(answer: Answer) -> str:
    rows = [
        (
            model["repo"],
            count(model["parameters"]) if model["parameters"] else "?",
            model["fit"]["verdict"],
            model["use"]["purpose"],
            "gated" if model["gate"] else "",
            model["licence"],
            f"{count(model['downloads'])} downloads",
        )
        for model in answer["models"]
    ]
    return table(rows) if rows else "Nothing was found. Try fewer words, another task, or --library ''."


def info(settings: Settings, arguments: argparse.Namespace) -> Answer:
    source = named_on_hub(arguments.name)
    found = card(source.repo, source.revision, room(settings))
    return {
        **about(found.about),
        "commit": found.commit,
        "choices": [asdict(choice) for choice in found.choices],
        "problem": found.problem,
        "closed": found.closed,
        "files": {"count": found.files[0], "bytes": found.files[1]},
        "facts": dict(facts(found.about)),
        "can": dict(can(found.about)),
        "xray": [asdict(one) for one in supported(found)],
        "card": {"metadata": dict(found.front), "text": found.text},
    }


def info_words(answer: Answer) -> str:
    choices = [
        (f"Fetch {one['name']}", f"{gigabytes(one['bytes'])} · {one['fit']['verdict']}: {one['fit']['words']}") for one in answer["choices"]
    ]
    lacking = [f"{one['label']}: {one['words']}" for one in answer["xray"] if not one["works"]]
    rows = [
        ("Model", answer["repo"]),
        *answer["facts"].items(),
        *answer["can"].items(),
        *([("X-ray", "; ".join(dict.fromkeys(lacking)) or "all views will work")] if answer["xray"] else []),
        *choices,
        *[(name, answer[key]) for name, key in (("Problem", "problem"), ("Closed", "closed")) if answer[key]],
    ]
    return table(rows)


def fetch(settings: Settings, arguments: argparse.Namespace) -> Answer:
    source = named_on_hub(arguments.name)
    folder, commit = download(source, told)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return {"name": source.name, "revision": commit, "place": str(folder)}


def fetched_words(answer: Answer) -> str:
    return f"{answer['name']} is at {answer['place']}."


def told(words: str, share: float | None) -> None:
    """On one line of standard error, where somebody looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


def named_on_hub(name: str) -> Source:
    """Raises ChatError for what names no model of the Hub."""
    source = on_hub(pasted(name) or name)
    if source is None:
        raise ChatError(f"{name[:100]!r} is no name of a model on the Hub. One looks like org/name.", status=404)
    return source
