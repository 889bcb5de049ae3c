"""python app.py text: any text through one model or two, by the functions of the page: its tokens, and attention by layer."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chatapp.settings import EMBEDDED_MODEL, Settings, default_data_dir, from_namespace, reject_unknown_environment
from chatapp.xray.text import compared

if TYPE_CHECKING:
    from chatapp.xray.text.which import Found

Answer = dict[str, Any]
WIDTH = 12
"""Characters of a column of the table."""


def run(argv: Sequence[str]) -> int:
    """Raises ChatError for what cannot be done; argparse ends the program for wrong usage."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    settings, names = from_namespace(arguments), arguments.models or [EMBEDDED_MODEL]
    from chatapp.xray.text.which import located, refuse_count  # here, as all commands are imported when the app starts

    refuse_count(names)
    answer = look([located(settings.model_copy(update={"model": name, "revision": ""})) for name in names], arguments.text, settings)
    print(json.dumps(answer, indent=2, ensure_ascii=False) if arguments.json else in_words(answer))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python app.py text", description="A text through one model or two: tokens, attention by layer.")
    made.add_argument("text")
    made.add_argument("--model", dest="models", action="append", help="on this machine; given twice, both stand side by side", metavar="A")
    made.add_argument("--json", action="store_true", help="print JSON, in the form that docs/models.md describes")
    made.add_argument("--data-dir", default=argparse.SUPPRESS, help=f"folder for chats and converted models; {default_data_dir()}")
    return made


def look(models: Sequence["Found"], text: str, settings: Settings) -> Answer:
    """{text, plain, models, words}: of each its tokens and its layers. The models are loaded one after the other."""
    from chatapp.models.hub import no_progress
    from chatapp.xray.text import cut
    from chatapp.xray.text.models import read_alone
    from chatapp.xray.text.reading import read
    from chatapp.xray.text.views import measured

    tokens = cut.tokens(models, text, settings.data_dir)
    progress = told if sys.stderr.isatty() else no_progress
    layers = [measured(read(read_alone(found, settings, progress), text)) for found in models]
    both = [without_drawing(shown) | measures for shown, measures in zip(tokens["models"], layers, strict=True)]
    return tokens | {"models": both, "words": compared.words(layers)}


def without_drawing(shown: Answer) -> Answer:
    """Where each token stands in the text is for the page."""
    return {name: value for name, value in shown.items() if name not in ("rows", "cells", "words")}


def told(words: str, share: float | None) -> None:
    print(f"\r\033[K{words}", end="" if share is None or share < 1 else "\n", file=sys.stderr, flush=True)


def in_words(answer: Answer) -> str:
    """For a person at a terminal."""
    blocks = [_tokens(model) for model in answer["models"]]
    plain = "\n".join(f"  by {one['kind']}: {one['count']} pieces, {one['distinct']} different" for one in answer["plain"])
    tables = [_table(model) for model in answer["models"]]
    return "\n\n".join([*blocks, f"Plain cuts beside\n{plain}", *tables, "\n".join(answer["words"])])


def _tokens(model: Answer) -> str:
    head = f"{model['name']}  ·  {model.get('kind') or 'unknown kind of tokenizer'}  ·  {model['length']} tokens as it reads them"
    return f"{head}\n  {model['problem']}" if "problem" in model else f"{head}\n  {' | '.join(model['tokens'])}"


def _table(model: Answer) -> str:
    names = list(model["layers"][0])
    rows = ["".join(word.rjust(WIDTH) for word in ("layer", *names))]
    for number, layer in enumerate(model["layers"]):
        values = [f"{layer[name]:.2f} bits" if name == "entropy" else compared.percent(layer[name]) for name in names]
        rows.append("".join(word.rjust(WIDTH) for word in (str(number), *values)))
    return "\n".join([f"{model['name']}: share of attention on …", *rows])
