"""python app.py code: a recorded reply, or a grid, as a program that needs transformers alone; as a script or as a notebook."""

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
    if arguments.grid and (arguments.turn or arguments.conversation):
        raise ChatError("Name a reply, a conversation or a grid: one of them.")
    from chatapp.lab.code.cells import notebook, script  # here, as all commands are imported when the app starts

    cells = _of_grid(Path(arguments.grid), settings) if arguments.grid else _of_reply(_turn(arguments, settings), settings)
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
    made.add_argument("--grid", metavar="GRID.yaml", help="a whole grid instead, with num_return_sequences")
    made.add_argument("--notebook", action="store_true", help="print a notebook (.ipynb) instead of a script")
    return add_flags(made)


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


def _of_grid(path: Path, settings: Settings) -> "list[Cell]":
    from chatapp.lab.code.columns import of_grid
    from chatapp.lab.code.origin import origin
    from chatapp.lab.grid_file import parse
    from chatapp.lab.lists import beside

    grid = parse(beside(Path())(str(path)), beside(path.parent))
    return of_grid(grid, lambda name: origin(name or settings.model, "", "float32", settings.data_dir))
