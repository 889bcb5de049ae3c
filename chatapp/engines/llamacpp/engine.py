"""The engine for a GGUF file on a CPU: llama.cpp's server in a child process; token ids go in and token ids come back."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.engines.base import Capabilities, refuse_unreadable, versions
from chatapp.engines.cores import usable_cores
from chatapp.engines.llamacpp.better_kind import WHY
from chatapp.engines.llamacpp.client import Gone, events
from chatapp.engines.llamacpp.marked_copy import remaking, streamable
from chatapp.engines.llamacpp.native import advice, native_version
from chatapp.engines.llamacpp.server import Address, NativeServer
from chatapp.engines.llamacpp.sharing import Sharing
from chatapp.engines.text import TextStream, end_ids
from chatapp.engines.tokens import ChatTokenizer
from chatapp.errors import ChatError
from chatapp.models.cpu import cpu_flags
from chatapp.models.gguf import GgufFile, read_gguf
from chatapp.models.memory import PROMPTS, affordable_context, cache_bytes, free_bytes, process_bytes
from chatapp.sampling import Sampling
from chatapp.turn import Event, Finish, Prefilled, Token

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from chatapp.models.info import ModelInfo
    from chatapp.settings import Settings
    from chatapp.tasks import Progress

BATCH = 256
"""Prompt tokens read at a time: Stop is seen, and other people's tokens come, between two batches."""

SHARED_PART = 4
"""Of the memory for prompts a quarter is for those that replies share."""

SPARE = 2
"""The server ends a reply this many tokens before its context is full."""

GUESSING_CONCURRENCY = 4
"""Slots up to which the server guesses ahead. On two cores text that repeats its prompt came 1.5 times as fast for one person and 1.2 times
for four; other text 0.99 and 0.96."""

SMALLEST_CONTEXT = 512
RANDOM_SEED = 2**32 - 1
"""The seed that means 'draw one' to llama.cpp."""

SAMPLERS = {
    "repetition_penalty": "penalties",
    "top_k": "top_k",
    "temperature": "temperature",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typ_p",
}
"""Each setting's sampler, in transformers' order of logits processors, which is not llama.cpp's; top-k stands before the temperature, as it
finds the same tokens at any."""

OFF = {"top_n_sigma": -1.0, "xtc_probability": 0.0, "dry_multiplier": 0.0, "mirostat": 0, "dynatemp_range": 0.0}
FIELDS = {"repetition_penalty": "repeat_penalty"}
"""Of a request, where they are not called as the setting is."""

OFF |= {"presence_penalty": 0.0, "frequency_penalty": 0.0, "min_keep": 0, "ignore_eos": False, "n_keep": 0}

NO_LOGPROBS = (
    "llama.cpp would compute them apart from the draw, which slows a reply down by 2 % (4 % with 8 people), and not at all for tokens that "
    "it guessed ahead. X-ray computes them from the recorded ids."
)


@dataclass(frozen=True)
class Room:
    """How memory is divided: tokens of context for each person, bytes for prompts of conversations that have no slot, and for shared
    prompts."""

    context: int
    prompt_cache: int
    shared: int = 0


class LlamaCppEngine:
    """`concurrency` replies at once, each in a slot of its own with the whole context. Loads on creation; raises ChatError when it cannot.

    `tokenizer` reads it; that is done while llama.cpp starts, in its own process.
    A number format `better` than the file's own (better_kind.py) is served where a copy in it was made; improvement() makes it.
    """

    def __init__(
        self,
        gguf: Path,
        tokenizer: Callable[[], "PreTrainedTokenizerBase"],
        info: "ModelInfo",
        settings: "Settings",
        progress: "Progress",
        better: str = "",
    ) -> None:
        file = read_gguf(gguf)
        self._file, self._better, self._data_dir = file, better, settings.data_dir
        free = free_bytes("cpu")
        divide(file, settings.concurrency, settings.context, free)  # refuses before anything is copied
        with ExitStack() as undo:
            self._copy = streamable(file, settings.data_dir, progress, better)
            undo.callback(self._copy.close)
            served = replace(file, path=self._copy.path)
            room = divide(served, settings.concurrency, settings.context, free)
            progress(f"Starting llama.cpp with {gguf.name}", None)
            self._sharing = Sharing(settings.concurrency, file.kv_bytes_per_token, room.shared)
            undo.callback(self._sharing.close)
            self.server = NativeServer(server_options(self._copy.path, room, settings) | {"files": self._sharing.files}, gguf.name)
            undo.callback(self.server.close)
            self.server.begin()
            self.tokenizer = _checked(tokenizer(), file)
            progress(f"Starting llama.cpp with {gguf.name}", None)
            self.server.address()
            undo.pop_all()
        self._ends = end_ids(self.tokenizer)
        self.capabilities = Capabilities(room.context, tuple(SAMPLERS), settings.concurrency, off={"logprobs": NO_LOGPROBS})
        self.tokens = ChatTokenizer(self.tokenizer, self._ends, self.capabilities.context)
        self.render, self.budget = self.tokens.render, self.tokens.budget
        self.info = replace(
            _as_served(info, self._copy.kind),
            engine="llamacpp",
            context=room.context,
            advice=advice(self.server.units, cpu_flags()),
            vocabulary=len(file.tokens),
            versions=native_version() | versions("transformers", "tokenizers"),
        )

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        """See Engine.generate. Without probabilities: see NO_LOGPROBS."""
        if not 0 < len(prompt_ids) < self.info.context:
            raise ChatError(f"The prompt has {len(prompt_ids)} tokens; this model takes 1 to {self.info.context - 1}.")
        refuse_unreadable(prompt_ids, self.info)
        reply = _Reply(TextStream(self.tokenizer, sampling.stop, prior=prompt_ids), self._ends)
        body = _body(prompt_ids, sampling, self.info.context)
        async with aclosing(self._sharing.answers(body, self._alive, self._answers)) as answers:
            async for answer in answers:
                for event in reply.take(answer):
                    yield event
                if reply.finished:
                    return

    def improvement(self) -> Iterator[float] | None:
        """Makes the copy in the better format, as remaking() does; None where that is served, or there is none."""
        return None if self._copy.kind == self._better else remaking(self._file, self._data_dir, self._better)

    def taken(self) -> int:
        """Bytes that the child process takes."""
        return process_bytes(pid) if (pid := self.server.pid) else 0

    def close(self) -> None:
        """End the child process and free the model. Running replies fail at once."""
        self.server.close()
        self._sharing.close()
        self._copy.close()

    def sharing(self, prompt_ids: Sequence[int]) -> AbstractContextManager[None]:
        """While it is held, replies to this prompt share one reading of it, on whichever slots they are written."""
        return self._sharing.of(prompt_ids)

    async def _answers(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The server's events, from a server that is alive when the request is made. Raises ChatError when it dies on the way."""
        begun = False
        for _ in range(2):
            address = await self._alive()
            try:
                async with aclosing(events(address, "/completion", body)) as answers:
                    async for answer in answers:
                        begun = True
                        yield answer
                    return
            except Gone:
                # A process that was dying when we asked has done nothing yet: ask the next one. A second time is no accident.
                await asyncio.to_thread(self.server.await_exit)
                if begun:
                    break
        raise ChatError("The model's process stopped in the middle of the reply. It starts again with the next message.", status=503)

    async def _alive(self) -> Address:
        return self.server.running or await asyncio.to_thread(self.server.address)


class _Reply:
    """The server's events of one reply, turned into ours."""

    def __init__(self, text: TextStream, ends: frozenset[int]) -> None:
        self.finished = False
        self._text = text
        self._ends = ends
        self._begun = False

    def take(self, answer: dict[str, Any]) -> Iterator[Event]:
        if error := answer.get("error"):
            raise ChatError(f"The model's server stopped the reply: {error.get('message', error)}.", status=503)
        if progress := answer.get("prompt_progress"):  # such an event also names a token, which is none
            if progress["processed"] >= progress["total"] and not self._begun:
                self._begun = True
                yield Prefilled(progress["cache"])
        elif answer["stop"]:
            yield self._finish("end" if answer["stop_type"] == "eos" else "length")
        else:
            yield from self._token(answer)

    def _token(self, answer: dict[str, Any]) -> Iterator[Event]:
        token = answer["tokens"][0]
        if token in self._ends:
            yield Token(token, "")
            yield self._finish("end")
            return
        yield Token(token, self._text.push(token))
        if self._text.stopped:
            yield self._finish("stop")

    def _finish(self, reason: str) -> Finish:
        self.finished = True
        return Finish(reason, self._text.flush())


def divide(file: GgufFile, concurrency: int, wanted: int, free: int) -> Room:
    """Share `free` bytes: of what the weights leave half goes to the slots' KV caches, up to a quarter to caches (models/memory.py).

    `wanted` 0 takes what the model was trained for, as far as memory goes. Raises ChatError with the numbers when that is too little.
    """
    left = max(0, free - file.weight_bytes)
    least = min(wanted or SMALLEST_CONTEXT, file.context - SPARE) + SPARE
    context = affordable_context(file.context, wanted and wanted + SPARE, file.kv_bytes_per_token, left, concurrency, least)
    prompts = cache_bytes(PROMPTS, left)
    return Room(context - SPARE, prompts - prompts // SHARED_PART, prompts // SHARED_PART)


def _as_served(info: "ModelInfo", kind: str) -> "ModelInfo":
    """`kind`: the number format of a remade copy, '' for the file's own."""
    return replace(info, dtype=f"{kind}, made from the shipped {info.dtype}", dtype_reason=WHY, shipped=info.dtype) if kind else info


def server_options(model: Path, room: Room, settings: "Settings") -> dict[str, Any]:
    """What the child process is told, see child.py."""
    return {
        "model": str(model),
        "slots": settings.concurrency,
        "context": room.context + SPARE,
        "batch": BATCH,
        "threads": settings.threads or usable_cores(),
        "draft": settings.draft if settings.concurrency <= GUESSING_CONCURRENCY else 0,
        "cache_mib": room.prompt_cache >> 20,
        "files": [],
    }


def _body(ids: Sequence[int], sampling: Sampling, context: int) -> dict[str, Any]:
    """One request, every sampler set: the server's own defaults are not ours."""
    return OFF | {
        "prompt": list(ids),
        "n_predict": sampling.max_tokens,
        "samplers": list(SAMPLERS.values()),
        **{FIELDS.get(name, name): value for name, value in sampling.steps().items() if name in SAMPLERS},
        "repeat_last_n": context if sampling.repetition_penalty != 1 else 0,
        "seed": secrets.randbelow(RANDOM_SEED) if sampling.seed is None else sampling.seed % RANDOM_SEED,
        "stream": True,
        "cache_prompt": True,
        "return_tokens": True,
        "return_progress": True,
        "response_fields": ["stop", "stop_type"],  # of the last event, which else repeats the whole prompt
    }


def _checked(tokenizer: "PreTrainedTokenizerBase", file: GgufFile) -> "PreTrainedTokenizerBase":
    """Ids mean the same on both sides, or every reply would be nonsense. Padding entries may differ: 1 in 100."""
    if len(file.types) != len(file.tokens):
        counts = f"{len(file.types)} kinds for {len(file.tokens)} tokens"
        raise ChatError(f"{file.path.name} does not say of what kind its tokens are ({counts}). Try it with --engine direct.")
    theirs = file.tokens[: len(tokenizer)]
    ours = tokenizer.convert_ids_to_tokens(range(len(theirs)))
    different = sum(a != b.decode(errors="replace") for a, b in zip(ours, theirs, strict=True))
    if not theirs or different * 100 > len(theirs):
        raise ChatError(
            f"The tokenizer does not belong to {file.path.name}: {different} of {len(theirs)} tokens differ. "
            "Take the model and the tokenizer from the same repository."
        )
    return tokenizer
