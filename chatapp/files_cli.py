"""The command line of a model's files: what models files, models architecture and models load-check print."""

import argparse
from os.path import expanduser
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.models import catalog
from chatapp.models.files import diff
from chatapp.models.files.explained import number, size
from chatapp.models.files.listing import explain
from chatapp.models.sources import resolve
from chatapp.settings import Settings

Answer = dict[str, Any]
WIDTH = 110
"""Characters of a line."""


def files_arguments(parser: argparse.ArgumentParser) -> None:
    model_argument(parser)
    parser.add_argument("--diff", metavar="OTHER", default="", help="compare its configuration and chat template with another's")


def files(settings: Settings, arguments: argparse.Namespace) -> Answer:
    """Every file explained, or what differs from another model."""
    place = place_of(arguments.model, settings.data_dir)
    if arguments.diff:
        return {"one": arguments.model, "other": arguments.diff} | diff.compare(place, place_of(arguments.diff, settings.data_dir))
    return explain(place).plain()


def place_of(name: str, data_dir: Path) -> Path:
    """A path that exists, else the place of a model on this machine. Raises ChatError for anything else; the Hub is not asked."""
    path = Path(expanduser(name))
    if path.exists():
        return path
    known = catalog.here(data_dir)
    found = next((model.place for model in known if name in (model.name, model.label)), None)
    if found is None:
        names = ", ".join(model.name for model in known) or "none"
        raise ChatError(f"There is no folder or file {name}, and no model of that name on this machine ({names}).", status=404)
    return found


def in_words(answer: Answer) -> str:
    """For a person at a terminal."""
    if "one" in answer:
        return difference(answer)
    blocks = [_file(file) for file in answer["files"]]
    absent = [f"  {file['name']}: {file['explanation']}" for file in answer["absent"]]
    lines = [*blocks, _tensors(answer["tensors"])]
    if absent:
        lines.append("Not here:\n" + "\n".join(absent))
    return "\n\n".join([*lines, answer["note"]]).strip()


def _file(file: Answer) -> str:
    rows = [f"{file['name']}  ·  {file['kind']}  ·  {size(file['bytes'])}", f"  {file['explanation']}"]
    if problem := file.get("problem"):
        rows.append(f"  ! {problem}")
    for line in file.get("lines", []):
        value = line["value"] if len(line["value"]) <= 40 else f"{line['value'][:40]}…"
        rows.append(f"    {line['key']} = {value}" + (f"  ({line['words']})" if line["words"] else ""))
    shown = file.get("more", {}).get("sentence", {})
    if "tokens" in shown:
        rows.append(f"    “{shown['text']}”\n    → {' | '.join(shown['tokens'])}")
    return "\n".join(rows)


def _tensors(table: Answer) -> str:
    if not table["count"]:
        return "No tensors: there are no weights to read here."
    kinds = ", ".join(f"{number(count)} {dtype}" for dtype, count in table["dtypes"].items())
    rows = [f"{table['count']:,} tensors, {number(table['parameters'])} parameters in {size(table['bytes'])}: {kinds}"]
    for group in table["groups"][:40]:
        times = f" {group['first']}…{group['last']}, each" if group["times"] > 1 else "" if group["first"] is None else f" {group['first']}"
        rows.append(f"    {group['name']}{times}: {number(group['parameters'])} parameters, {size(group['bytes'])}")
    return "\n".join(rows)


def model_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a folder, a .gguf file, or a model that models list names")


def architecture(settings: Settings, arguments: argparse.Namespace) -> Answer:
    """The module tree, built without weights."""
    from chatapp.xray.unloaded import read

    return read(place_of(arguments.model, settings.data_dir))


def architecture_in_words(answer: Answer) -> str:
    parameters = f"{number(answer['summary']['parameters'])} parameters"
    parts = [f"    {row['name']}: {row['words']}" if row["name"] else f"    {row['words']}" for row in answer["block"]]
    return "\n".join([answer["printed"], parameters, *parts, answer["note"]]).strip()


def difference(answer: Answer) -> str:
    """Of two models, as a table and a diff."""
    rows = [f"{answer['one']}  →  {answer['other']}", *answer["problems"], answer["note"]]
    rows += [f"    {row['key']}: {row['one'] or 'none'} → {row['other'] or 'none'}" for row in answer["sizes"]]
    rows += [f"    {row['key']}: {row['one'] or 'not named'} → {row['other'] or 'not named'}" for row in answer["keys"]]
    if answer["template"]:
        rows += ["Chat template:", *(f"  {row['sign']} {row['text']}" for row in answer["template"])]
    same = not (answer["sizes"] or answer["keys"] or answer["template"] or answer["problems"])
    return "\n".join(row for row in [*rows, "They are alike." if same else ""] if row)


def load_check(settings: Settings, arguments: argparse.Namespace) -> Answer:
    """Will it load, on what, in how much memory?"""
    from chatapp.resident.load_check import check

    return check(resolve(arguments.model, data_dir=settings.data_dir), settings).plain()


def check_in_words(answer: Answer) -> str:
    first = f"{answer['name']} loads here." if answer["loads"] else f"{answer['name']} does not load here: {answer['refused']}"
    return "\n".join([first, *(f"    {name}: {words}" for name, words in answer["facts"])])
