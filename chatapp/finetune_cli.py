"""python app.py finetune: a chat model learns pairs, or one's own conversations, by a LoRA adapter; measured before and after."""

import argparse
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.lab.finetune.asked import EPOCHS, RANK
from chatapp.settings import EMBEDDED_MODEL, Settings, default_data_dir, from_namespace, reject_unknown_environment
from chatapp.train_cli import Told, minutes, say, stopper
from chatapp.turn import new_id

if TYPE_CHECKING:
    from chatapp.lab.finetune.pairs import Chat

STOPPED = 3
"""Exit status where it was stopped; what was learned by then is kept."""

NICENESS = 10
"""Whoever chats beside it comes first."""


def run(argv: Sequence[str]) -> int:
    """0 for one that came to its end or to the end of its minutes. Raises ChatError for what cannot be done."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    named, arguments.model = arguments.model, ""
    settings = from_namespace(arguments)
    if arguments.adapter:
        return merged(Path(arguments.adapter).expanduser(), settings, arguments)
    out = Path(arguments.out).expanduser() if arguments.out else None
    if arguments.resume:
        if arguments.pairs or arguments.chats:
            raise ChatError("--resume goes on with the chats that the run was begun with: name none, or leave --resume out to begin one.")
        return tuned(resumed(out, settings))
    if not arguments.pairs and not arguments.chats:
        raise ChatError("There is nothing to learn: name files of pairs (.jsonl, .csv), or conversations by --chats TITLE_OR_ID.")
    from chatapp.lab.finetune.pairs import read
    from chatapp.models.saving import refuse
    from chatapp.models.trained import RUN

    if out is not None and not (out / RUN).exists():  # of a run more is said
        refuse(out, 0)
    chats = [chat for name in arguments.pairs for chat in read(Path(name).expanduser())]
    chats += own(arguments.chats, settings) if arguments.chats else []
    return tuned(begun(named or EMBEDDED_MODEL, settings, chats, arguments, out))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python app.py finetune",
        description="Teach a chat model your pairs by a LoRA adapter. The loss counts replies only. Ctrl+C keeps what was learned.",
    )
    made.add_argument("pairs", nargs="*", metavar="PAIRS", help=".jsonl (messages, or prompt and reply) or .csv (columns prompt, reply)")
    made.add_argument("--chats", nargs="+", default=[], metavar="TITLE_OR_ID", help="conversations of the app, too")
    made.add_argument("--model", default="", metavar="ID_OR_FOLDER", help="a model on this machine; without it the embedded one")
    made.add_argument("--out", metavar="DIR", help="the adapter's folder; without it one in the data folder, which the page Train shows")
    made.add_argument("--epochs", type=whole(*EPOCHS), default=3, metavar="N", help="times that every chat is learned; 3")
    made.add_argument("--rank", type=whole(*RANK), default=8, metavar="R", help="of the adapter: more can hold more; 8")
    made.add_argument("--learning-rate", type=rate, default=5e-4, metavar="X", help="at its highest; 0.0005")
    made.add_argument("--max-minutes", type=minutes, default=float("inf"), metavar="M", help="end after so many minutes of steps")
    made.add_argument("--merge", action="store_true", help="write a whole model, too, to DIR/merged: app.py --model DIR/merged")
    made.add_argument("--adapter", metavar="DIR", help="with --merge: the whole model of an adapter that was learned before")
    made.add_argument("--resume", action="store_true", help="go on with what was stopped in --out, or last of all in the data folder")
    made.add_argument("--device", default=argparse.SUPPRESS, help="auto, cpu, cuda, cuda:N or mps")
    made.add_argument("--data-dir", default=argparse.SUPPRESS, help=f"folder for chats, models and adapters; {default_data_dir()}")
    return made


def whole(least: int, most: int) -> Any:
    """For argparse, which says which flag it was."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most:,}")
        return int(text)

    return read


def rate(text: str) -> float:
    """Above 1 nothing was ever learned."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no learning rate above 0 and up to 1")
    return value


def own(names: Sequence[str], settings: Settings) -> "list[Chat]":
    """From the database of the data folder, or of --database-url's environment."""
    if not settings.database_url.get_secret_value() and not (settings.data_dir / "chat.db").is_file():
        raise ChatError(f"There are no chats in {settings.data_dir}. Name the app's folder with --data-dir.")
    from chatapp.lab.finetune.own_chats import chosen
    from chatapp.store import Store

    store = Store.open(settings)
    try:
        return chosen(store, names)
    finally:
        store.close()


def begun(name: str, settings: Settings, chats: "list[Chat]", arguments: argparse.Namespace, out: Path | None) -> Path:
    """The folder of a new run, which asks for all of it. Raises ChatError for a model that is not here, and too few chats."""
    from chatapp.lab.finetune.asked import Lesson, Tuning, refuse_few
    from chatapp.lab.train import history
    from chatapp.xray.text.which import located

    refuse_few(chats)
    found = located(settings.model_copy(update={"model": name, "revision": ""}))
    lesson = Lesson(arguments.epochs, arguments.rank, arguments.learning_rate, arguments.max_minutes)
    wanted = Tuning(name, f"{found.name.rpartition('/')[2]}-lora", tuple(chats), lesson, settings, arguments.merge)
    folder = out or settings.data_dir / history.FOLDER / new_id()
    history.begun(folder, history.TUNING, wanted.name, wanted.files())
    say(f"{len(chats):,} {'chat' if len(chats) == 1 else 'chats'} for {found.name}, to {folder}")
    return folder


def resumed(out: Path | None, settings: Settings) -> Path:
    """The folder of a run that came to no end. Raises ChatError where there is none."""
    from chatapp.lab.train import history

    home = settings.data_dir / history.FOLDER
    known = [home / run["id"] for run in history.listed(home)] if out is None else [out] if (out / history.RUN).is_file() else []
    mine = [place for place in known if history.written(place).get("kind") == history.TUNING]
    unended = [place for place in mine if history.about(place)["state"] in ("stopped", "failed", "queued")]
    if not unended:
        raise ChatError(f"There is no fine-tuning in {out or home} that was stopped. Without --resume one is begun.")
    return unended[0]


def tuned(folder: Path) -> int:
    """In this very process, behind whatever else runs here."""
    from chatapp.lab.finetune.run import tune
    from chatapp.lab.train import history

    if hasattr(os, "nice"):
        os.nice(NICENESS)
    before = {number: signal.signal(number, stopper(folder / history.STOP)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        found = tune(folder, Told())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print(in_words(found, folder))
    return 0 if found["state"] == "done" else STOPPED


def in_words(found: Mapping[str, Any], folder: Path) -> str:
    """What came of it, and what to do with it."""
    from chatapp.models.trained import MERGED

    again = f"Go on with: python app.py finetune --resume --out {folder}"
    if not (result := found.get("result")):
        return f"Stopped before the first step: nothing was learned. {again}"
    if found["state"] != "done":
        return f"{result['words']}\nIt was stopped: what was learned by then is kept, but not measured or merged. {again}"
    if (folder / MERGED).is_dir():
        return f"{result['words']}\nThe whole model is in {folder / MERGED}: python app.py --model {folder / MERGED}"
    return f"{result['words']}\nA whole model of it: python app.py finetune --merge --adapter {folder}"


def merged(folder: Path, settings: Settings, arguments: argparse.Namespace) -> int:
    """Write the whole model of an adapter."""
    from chatapp.lab.finetune import merging

    if not arguments.merge or arguments.pairs or arguments.chats:
        raise ChatError("--adapter DIR takes --merge, and nothing to learn: it writes the whole model of an adapter that is there.")
    found = merging.merged(folder, settings, Told())
    print(f"The whole model is in {found}: python app.py --model {found}")
    return 0
