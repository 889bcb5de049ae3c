"""python app.py code: a recorded reply, of a chat or a comparison, a column or a grid as a program of transformers alone, or a notebook."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.settings import Settings, add_flags, from_namespace, reject_unknown_environment

if TYPE_CHECKING:
    from chatapp.lab.code.cells import Cell
    from chatapp.turn import Turn


def run(argv: Sequence[str]) -> int:
    """Raises ChatError for what cannot be done; argparse ends the program for wrong usage."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    settings = from_namespace(arguments)
    refuse_what_does_not_fit(arguments)
    from chatapp.lab.code.cells import notebook, script  # here, as all commands are imported when the app starts

    if arguments.grid:
        cells = _of_grid(Path(arguments.grid), settings)
    elif arguments.results:
        cells = _of_results(arguments, settings)
    else:
        cells = _of_reply(_turn(arguments, settings), settings)
    print(notebook(cells) if arguments.notebook else script(cells), end="")
    return 0


def parser() -> argparse.ArgumentParser:
    """Its own flags, then the server's."""
    made = argparse.ArgumentParser(
        prog="python app.py code",
        description="Print the program that makes a recorded reply again, with transformers alone; without a name, the latest reply.",
    )
    made.add_argument("turn", nargs="?", metavar="TURN", help="the id of a reply: it stands in the address of its X-ray (?xray=…)")
    made.add_argument("--conversation", metavar="ID", help="the latest reply of this conversation")
    made.add_argument("--results", metavar="RESULTS.jsonl", help="of a comparison: a reply by --prompt and --column, or a whole column")
    made.add_argument("--column", metavar="NAME", help="the column, of a sweep with its value, as results and page name it")
    made.add_argument("--prompt", type=int, metavar="N", help="the prompt, counted from 1; left out: every reply of the column")
    made.add_argument("--replica", type=int, metavar="N", help="of several replies to one prompt, counted from 1 (default: the first)")
    made.add_argument("--grid", metavar="GRID.yaml", help="a whole grid instead, with num_return_sequences")
    made.add_argument("--notebook", action="store_true", help="print a notebook (.ipynb) instead of a script")
    return add_flags(made)


def refuse_what_does_not_fit(arguments: argparse.Namespace) -> None:
    """Raises ChatError for flags that belong to different things."""
    wanted = [arguments.turn, arguments.conversation, arguments.grid, arguments.results]
    if sum(map(bool, wanted)) > 1:
        raise ChatError("Name a reply, a conversation, a grid or the results of a comparison: one of them.")
    if arguments.results and not arguments.column:
        raise ChatError("Which column of the results? Name it with --column, and one of its replies with --prompt and --replica.")
    if not arguments.results and (arguments.column or arguments.prompt is not None or arguments.replica is not None):
        raise ChatError("--column, --prompt and --replica name a reply of a comparison: give its file with --results.")
    if arguments.replica is not None and arguments.prompt is None:
        raise ChatError("--replica names one of several replies to a prompt: name that with --prompt.")


def _turn(arguments: argparse.Namespace, settings: Settings) -> "Turn":
    """From the database of the data folder, or of --database-url."""
    if not settings.database_url.get_secret_value() and not (settings.data_dir / "chat.db").is_file():
        raise ChatError(f"There are no chats in {settings.data_dir}. Name the app's folder with --data-dir.")
    from chatapp.store import Store, at_hand

    store = Store.open(settings)
    try:
        if arguments.turn:
            return store.turn(at_hand.owner_of(store.database, arguments.turn), arguments.turn)
        return store.turn(*at_hand.latest(store.database, arguments.conversation))
    finally:
        store.close()


def _of_reply(turn: "Turn", settings: Settings) -> "list[Cell]":
    from chatapp.lab.code.origin import origin
    from chatapp.lab.code.reply import of_turn

    if turn.running:
        raise ChatError("This reply is still being written. Ask again when it is done.")
    return of_turn(turn, origin(turn.model, turn.revision, turn.dtype, settings.data_dir))


def _of_results(arguments: argparse.Namespace, settings: Settings) -> "list[Cell]":
    """A reply of a comparison, or all those of a column."""
    from chatapp.lab.code.columns import of_column
    from chatapp.lab.code.origin import origin
    from chatapp.lab.named import column_named, row_named
    from chatapp.lab.results import read
    from chatapp.lab.rows import failed, turn_of

    grid, rows = read(Path(arguments.results))
    if arguments.prompt is not None:
        return _of_reply(turn_of(row_named(grid, rows, arguments.prompt, arguments.column, arguments.replica or 1), ""), settings)
    variant = column_named(grid, arguments.column)
    wrote = next((row["turn"] for row in rows if row["column"] == variant.label and not failed(row)), {})
    place = [wrote.get(name, "") for name in ("model", "revision", "dtype")]
    return of_column(variant, rows, origin(*place, settings.data_dir))


def _of_grid(path: Path, settings: Settings) -> "list[Cell]":
    from chatapp.lab.code.columns import of_grid
    from chatapp.lab.code.origin import origin
    from chatapp.lab.grid_file import parse
    from chatapp.lab.lists import beside

    grid = parse(beside(Path())(str(path)), beside(path.parent))
    return of_grid(grid, lambda name: origin(name or settings.model, "", "float32", settings.data_dir))
