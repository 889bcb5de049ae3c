"""python app.py finetune: a chat model learns pairs, or one's own conversations, by a LoRA adapter; measured before and after."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.models.trained import TUNED
from chatapp.settings import EMBEDDED_MODEL, Settings, default_data_dir, from_namespace, reject_unknown_environment
from chatapp.tasks import Cancelled
from chatapp.train_cli import minutes

if TYPE_CHECKING:
    from chatapp.lab.finetune.card import Report
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
    if not arguments.pairs and not arguments.chats:
        raise ChatError("There is nothing to learn: name files of pairs (.jsonl, .csv), or conversations by --chats TITLE_OR_ID.")
    from chatapp.lab.finetune.pairs import read
    from chatapp.models.saving import refuse

    out = Path(arguments.out).expanduser() if arguments.out else None
    for place in (out, merged_of(out) if arguments.merge else None):
        if place is not None:
            refuse(place, 0)
    chats = [chat for name in arguments.pairs for chat in read(Path(name).expanduser())]
    chats += own(arguments.chats, settings) if arguments.chats else []
    return finetuned(named or EMBEDDED_MODEL, settings, chats, arguments, out)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python app.py finetune",
        description="Teach a chat model your pairs by a LoRA adapter. The loss counts replies only. Ctrl+C keeps what was learned.",
    )
    made.add_argument("pairs", nargs="*", metavar="PAIRS", help=".jsonl (messages, or prompt and reply) or .csv (columns prompt, reply)")
    made.add_argument("--chats", nargs="+", default=[], metavar="TITLE_OR_ID", help="conversations of the app, too")
    made.add_argument("--model", default="", metavar="ID_OR_FOLDER", help="a model on this machine; without it the embedded one")
    made.add_argument("--out", metavar="DIR", help="the adapter's folder; without it one in the data folder")
    made.add_argument("--epochs", type=whole(1, 1000), default=3, metavar="N", help="times that every chat is learned; 3")
    made.add_argument("--rank", type=whole(1, 512), default=8, metavar="R", help="of the adapter: more can hold more; 8")
    made.add_argument("--learning-rate", type=rate, default=5e-4, metavar="X", help="at its highest; 0.0005")
    made.add_argument("--max-minutes", type=minutes, default=float("inf"), metavar="M", help="end after so many minutes of steps")
    made.add_argument("--merge", action="store_true", help="write a whole model, too, to DIR-merged: app.py --model DIR-merged")
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


def merged_of(out: Path | None) -> Path | None:
    """Where the whole model goes: beside the adapter, as transformers would take a folder with both for the adapter."""
    return out and out.with_name(f"{out.name}-merged")


def finetuned(name: str, settings: Settings, chats: "list[Chat]", arguments: argparse.Namespace, out: Path | None) -> int:
    """In this very process, behind whatever else runs here."""
    from chatapp.lab.classify.training import free_name
    from chatapp.lab.finetune.learning import Lesson
    from chatapp.lab.finetune.training import finetune, read
    from chatapp.xray.text.which import located

    found = located(settings.model_copy(update={"model": name, "revision": ""}))
    told = Told()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    out = out or free_name(settings.data_dir / TUNED, f"{found.name.rpartition('/')[2]}-lora")
    lesson = Lesson(arguments.epochs, arguments.rank, arguments.learning_rate, arguments.max_minutes)
    merged = merged_of(out) if arguments.merge else None
    try:
        student = read(found, settings, told)
        say(f"{len(chats):,} {'chat' if len(chats) == 1 else 'chats'} for {found.name}, to {out}")
        report = finetune(student, chats, lesson, out, told, told.asked, merged)
    except Cancelled:
        say("Stopped before the first step: nothing was learned, and nothing is kept.")
        return STOPPED
    print(in_words(report, merged))
    return 0 if report.after else STOPPED


def in_words(report: "Report", merged: Path | None) -> str:
    """What came of it, and what to do with it."""
    from chatapp.lab.finetune import card

    words = card.in_words(report)
    if not report.after:
        return f"{words}\nIt was stopped: what was learned by then is kept, but not measured{' or merged' if merged else ''}."
    if merged and not merged.is_dir():
        return f"{words}\nIt was stopped before the whole model was written."
    return f"{words}\nThe whole model is in {merged}: python app.py --model {merged}" if merged else words


def say(words: str) -> None:
    """Progress: standard output is for the result."""
    print(words, file=sys.stderr, flush=True)


class Told:
    """A Progress that says what is new. After a signal it ends the work where nothing can be kept, and steps end by `asked`; a second
    signal ends the process."""

    def __init__(self) -> None:
        self.stopping, self.words = False, ""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop(self, number: int, frame: Any) -> None:
        if self.stopping:
            os._exit(128 + number)
        self.stopping = True
        say("Stopping, and keeping what was learned by then. Again to end at once.")

    def asked(self) -> bool:
        """Shall the steps end?"""
        return self.stopping

    def __call__(self, words: str, share: float | None) -> None:
        stepping = words.startswith("Step ")
        if self.stopping and not stepping:
            raise Cancelled
        if words == self.words:
            return
        self.words = words
        if sys.stderr.isatty():
            print(f"\r\033[K{words}", end="" if stepping and not self.stopping else "\n", file=sys.stderr, flush=True)
        else:
            say(words)
