"""The command line's chat: python app.py chat asks, streams the reply, keeps the history, by the functions of the page."""

import argparse
import asyncio
import importlib
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.sampling import SAMPLING_PARAMS, Sampling
from chatapp.settings import add_flags, flag, from_namespace, reject_unknown_environment
from chatapp.turn import Event, Turn, new_id

if TYPE_CHECKING:
    from chatapp.resident.manager import ModelManager
    from chatapp.resident.slot import ModelSlot

OWNER = "the command line"
LEAVE = ("exit", "quit")
YOU, MODEL = "You: ", "Model: "


def run(argv: Sequence[str]) -> int:
    """`chat` and what follows it; the exit status is 1 where a reply failed. Raises ChatError for what cannot be done."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    settings, sampling = from_namespace(arguments), sampling_of(arguments)
    from chatapp.resident.manager import ModelManager  # seconds of imports, after wrong flags are refused

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    models = ModelManager(settings)
    with asyncio.Runner() as runner:
        try:
            slot = runner.run(loaded(models))
            return Repl(slot, runner, sampling, arguments.system).run()
        finally:
            models.close()


def parser() -> argparse.ArgumentParser:
    """Its own flags, how a reply is sampled, then the server's."""
    made = argparse.ArgumentParser(
        prog="python app.py chat",
        description="Talk to a model in the terminal. exit, quit or Ctrl+D ends the chat, Ctrl+C stops a reply. Nothing is kept.",
    )
    made.add_argument("--system", default="", help="what the model is told before the chat")
    for param in SAMPLING_PARAMS:
        known = f"{param.help} {param.minimum:g} to {param.maximum:g}, {param.default:g} where nothing is said."
        made.add_argument(flag(param.name), type=int if param.whole else float, metavar="N", help=known.replace("%", "%%"))
    made.add_argument("--seed", type=int, metavar="N", help="the same seed and settings give the same replies, where the engine can")
    made.add_argument("--stop", action="append", metavar="TEXT", help="end a reply before this text; may be given again")
    return add_flags(made)


def sampling_of(arguments: argparse.Namespace) -> Sampling:
    """Raises ChatError with the limits."""
    names = (*(param.name for param in SAMPLING_PARAMS), "seed", "stop")
    return Sampling.of({name: getattr(arguments, name) for name in names})


async def loaded(models: "ModelManager") -> "ModelSlot":
    """The first model, in memory. Raises ChatError where it cannot be loaded."""
    models.start()
    say(f"Loading {models.first.id} …")
    await models.first.wait_ready()
    return models.first


def say(words: str) -> None:
    """To whoever sits there: standard output is for the chat."""
    print(words, file=sys.stderr, flush=True)


class Repl:
    """Reads, asks, prints, until somebody leaves. `turns` is the chat so far."""

    def __init__(self, slot: "ModelSlot", runner: asyncio.Runner, sampling: Sampling, system: str) -> None:
        self.slot, self.runner, self.sampling, self.system = slot, runner, sampling, system
        self.turns: list[Turn] = []
        self.failed = False

    def run(self) -> int:
        with suppress(ImportError):  # Windows has none
            importlib.import_module("readline")  # `input` then edits lines and remembers them
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say(f"{self.slot.id} is ready. Type exit, quit or Ctrl+D to end, Ctrl+C to stop a reply.")
        while (text := asked()) is not None:
            if text.strip():
                self.answer(text)
        return int(self.failed)

    def answer(self, text: str) -> None:
        """One exchange. A reply that was stopped stays in the chat as far as it came; a question that failed does not."""
        try:
            turn = self.begun(text)
            with suppress(KeyboardInterrupt):
                self.runner.run(self._streamed(turn))
        except ChatError as error:
            self._refused(str(error))
            return
        print(flush=True)
        if turn.finish_reason == "error":
            self._refused(turn.error)
            return
        self._said_of(turn)
        self.turns.append(turn)

    def begun(self, text: str) -> Turn:
        """Raises ChatError for what cannot be sent."""
        from chatapp.chat.build import clean

        return Turn(OWNER, new_id(), clean(text), system=self.system, sampling=self.sampling)

    async def _streamed(self, turn: Turn) -> None:
        """Print the reply as it comes. Cancelled by Ctrl+C, it stops the model."""
        from chatapp.chat.job import Job
        from chatapp.lab.answering import Nowhere

        job = Job(turn, Nowhere(), self.slot.queue.enter(turn.id, turn.conversation_id, OWNER), self._asks)
        running, shown = job.start(), 0
        print(MODEL, end="", flush=True)
        try:
            async for now in job.follow():
                print(now.reply_text[shown:], end="", flush=True)
                shown = len(now.reply_text)
        finally:
            job.stop()  # which does nothing to one that has ended
            await asyncio.wait({running})
            job.ticket.leave()

    async def _asks(self, turn: Turn) -> AsyncGenerator[Event]:
        from chatapp.chat.build import build_prompt, replying, stamp

        engine = self.slot.engine
        stamp(turn, await asyncio.to_thread(build_prompt, turn, self.turns, engine), engine)
        return replying(turn, engine)

    def _refused(self, words: str) -> None:
        self.failed = True
        say(words)

    def _said_of(self, turn: Turn) -> None:
        """What one would not see of a reply."""
        if turn.finish_reason == "stopped":
            say("Stopped.")
        if turn.finish_reason == "length":
            say(f"Cut after {turn.tokens or turn.sampling.max_tokens} tokens; --max-tokens allows more, as far as the context does.")
        if turn.dropped_messages:
            say(f"The context is full: the {turn.dropped_messages} oldest messages were left out.")


def asked() -> str | None:
    """What was typed; None where somebody leaves."""
    while True:
        try:
            text = input(YOU)
        except EOFError:
            print()
            return None
        except KeyboardInterrupt:
            say("\nCtrl+D or exit ends the chat.")
            continue
        return None if text.strip().lower() in LEAVE else text
