"""The remote engine: a model that another server runs. It has no ids and no weights; what was sent and said is recorded as it was."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chatapp.engines.base import Capabilities, versions
from chatapp.engines.remote import request, told
from chatapp.engines.remote.client import Refused, line_to, stream
from chatapp.engines.remote.estimate import BYTES, Estimate, Room, guess
from chatapp.engines.remote.reply import Reply
from chatapp.engines.remote.told import Told
from chatapp.errors import ChatError
from chatapp.models.info import ModelInfo
from chatapp.models.servers import Server
from chatapp.sampling import Sampling
from chatapp.turn import Event, Heard, Prefilled, Sent, Token

if TYPE_CHECKING:
    from chatapp.settings import Settings
    from chatapp.tasks import Progress

UNKNOWN_CONTEXT = 4096
"""Tokens, where neither the server nor --context says: what Ollama and LM Studio give a model unless they are told otherwise. Both cut
longer prompts without a word, so less is safer than more."""

SILENCE = 300.0
"""Seconds between two pieces of a reply, after its first, in which a server that works says something."""

ENDLESS, LONGEST_TOKEN = 2000, 64
"""Bytes, and bytes for each token that was asked for, after which a reply has no end: some servers do not know max_tokens."""

LEAVING = 5.0
"""Seconds for the last numbers, after the server said why the reply ended."""

WORDS_ALONE = "Another server writes the reply: it gives words, not token ids."
FAR_WEIGHTS = "Another server has the weights."
OFF = {"token_ids": WORDS_ALONE, "logprobs": WORDS_ALONE, "prefix_reuse": FAR_WEIGHTS}


class RemoteEngine:
    """See Engine; its prompts have no ids, so `answer` takes the place of `generate`. Opening it asks the server what it has."""

    tokens = tokenizer = None

    def __init__(self, server: Server, settings: "Settings", progress: "Progress") -> None:
        progress(f"Asking {server.place}", None)
        self._line = line_to(server, settings)
        self._told = told.ask(self._line)
        context = context_of(self._told, settings.context)
        self._estimate = Estimate()
        self._room = Room(context, self._estimate)
        self._refused: dict[str, str] = {}
        self._waits: set[tuple[asyncio.AbstractEventLoop, asyncio.Timeout]] = set()
        self._closed = False
        self.render, self.budget = self._room.render, self._room.budget
        self.capabilities = Capabilities(context, tuple(request.NAMES), settings.concurrency, off=OFF)
        self.info = info_of(server, self._told, context, settings.context)

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        """There are no ids to go on from."""
        raise ChatError(f"{self.info.model} is asked in words, not by token ids. Regenerate the reply.", status=409)
        yield  # what makes it a generator

    async def answer(self, prompt: str, sampling: Sampling) -> AsyncGenerator[Event]:
        """The events of a reply to a prompt that `render` made: Sent before it is asked, Heard with the server's own word.

        Closing it closes the connection. Raises ChatError; what came before that stays.
        """
        messages = json.loads(prompt)["messages"]
        guessed = guess(messages)
        sampling = replace(sampling, max_tokens=self._room.left(self._estimate.of(guessed), sampling.max_tokens))
        begun = messages[-1]["content"] if request.begun(messages) and self._told.kind not in request.GOES_ON else ""
        reply, done, first, written = Reply(self.info.device, sampling.stop, begun), False, True, 0
        async with aclosing(self._pieces(messages, sampling)) as pieces:
            while (piece := await self._next(pieces, reply, first)) is not None and not reply.stopped:
                if isinstance(piece, Sent):
                    yield piece
                    continue
                done = not piece
                for event in reply.take(piece):
                    written += len(event.text.encode()) if isinstance(event, Token) else 0
                    if first and isinstance(event, Token):
                        first = False
                        yield Prefilled(0)
                    yield self._clean(event)
                self._refuse_endless(written, sampling.max_tokens)
        self._learn(reply, prompt=guessed, completion=written / BYTES)
        for event in reply.end(done):
            yield self._clean(event)

    def _refuse_endless(self, written: int, asked: int) -> None:
        if written > ENDLESS + LONGEST_TOKEN * asked:
            raise ChatError(
                f"{self.info.device} was asked for at most {asked:,} tokens, has written {written:,} bytes, and goes on: the connection "
                "was closed. What was written so far stays.",
                status=503,
            )

    def close(self) -> None:
        """End every reply that is being read; callable from any thread."""
        self._closed = True
        for loop, scope in list(self._waits):
            with suppress(RuntimeError):  # a loop that has ended reads nothing
                loop.call_soon_threadsafe(self._expire, loop, scope)

    def _clean(self, event: Event) -> Event:
        """Should the server's word repeat the key, it is recorded without."""
        return Heard(self._line.clean(event.text)) if isinstance(event, Heard) else event

    async def _pieces(self, messages: Sequence[dict[str, str]], sampling: Sampling) -> AsyncGenerator[Sent | dict[str, Any]]:
        """Sent, then what the server says. Fields that it refuses by name are left out, now and from now on."""
        while True:
            body = request.body(self._told.model, messages, sampling, self._told.kind, self._refused)
            yield Sent(request.as_text(body))
            try:
                async with aclosing(stream(self._line, body)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except Refused as refusal:
                named = request.named_in(refusal.said, body) if refusal.code in (400, 422) else set()
                if not named:
                    raise
                self._leave_out(named, refusal.words)

    def _leave_out(self, named: set[str], words: str) -> None:
        self._refused |= dict.fromkeys(named, words)
        off = request.off(self._refused)
        steps = tuple(name for name in request.NAMES if name not in off)
        self.capabilities = Capabilities(self._room.context, steps, self.capabilities.concurrency, off=OFF | off)

    async def _next(self, pieces: AsyncGenerator[Any], reply: Reply, first: bool) -> Any:
        """The next piece, None at the end; `close` ends the wait, and so does silence once the reply has begun."""
        loop, patience = asyncio.get_running_loop(), LEAVING if reply.reason else None if first else SILENCE
        try:
            async with asyncio.timeout(0 if self._closed else patience) as scope:
                self._waits.add((loop, scope))
                return await anext(pieces, None)
        except TimeoutError as error:
            if reply.reason:
                return None
            why = "The model was unloaded" if self._closed else f"{self.info.device} was silent for {SILENCE:.0f} s"
            raise ChatError(f"{why} in the middle of the reply. What was written so far stays.", status=503) from error
        finally:
            self._waits.discard((loop, scope))

    def _expire(self, loop: asyncio.AbstractEventLoop, scope: asyncio.Timeout) -> None:
        if (loop, scope) in self._waits:
            scope.reschedule(loop.time())

    def _learn(self, reply: Reply, **guessed: float) -> None:
        """From what the server counted of the prompt and of its reply."""
        usage = reply.said.get("usage")
        for name, estimate in guessed.items() if isinstance(usage, dict) else ():
            if counted := told.number(usage.get(f"{name}_tokens")):
                self._estimate.learn(estimate, counted)


def context_of(model: Told, wanted: int) -> int:
    """--context, within what the server says; else that; else UNKNOWN_CONTEXT."""
    if wanted:
        return min(wanted, model.context) if model.context and not model.trained else wanted
    return model.context or UNKNOWN_CONTEXT


def info_of(server: Server, model: Told, context: int, wanted: int) -> ModelInfo:
    """Its revision stays empty: by which weights a server answers is not known, today's need not be tomorrow's."""
    name = Server(server.origin, server.base, server.host, model.model).id
    format = str(model.meta.get("ftype") or "")[:40]
    room = f"A context of {context:,} tokens, {context_words(model, wanted)}; how many a prompt has is estimated."
    return ModelInfo(
        name,
        "",
        model.parameters,
        context,
        server.place,
        format,
        f"{server.place} has the weights. {room}",
        engine="remote",
        versions=versions("httpx2"),
    )


def context_words(model: Told, wanted: int) -> str:
    """Where the number comes from."""
    if wanted:
        return "as --context says"
    if not model.context:
        return "a guess, as the server does not say: --context says it"
    return "what the model was trained for, as the server says" if model.trained else "as the server says"
