"""How quick the store is when it is full: fills a database of its own, then times what the page does. The last line is JSON."""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from chatapp.bench.send import sends
from chatapp.models.sources import resolve
from chatapp.settings import Settings
from chatapp.store import Conversation, Store, erase
from chatapp.turn import Span, Timings, Turn, new_id

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OWNER = "bench"
WORDS, REPLY_WORDS, CONTEXT = 20_000, 80, 512
"""Vocabulary, mean words of a reply, tokens of the longest prompt kept."""

LONG_REPLY = 4000


def main(settings: Settings) -> int:
    """`python -m chatapp.bench --store`: PostgreSQL when --database-url names an empty database, else SQLite in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        result = run(settings.database_url.get_secret_value() or f"sqlite:///{folder}/chat.db", tokenizer_of(settings))
    show(result)
    return 0


def tokenizer_of(settings: Settings) -> "PreTrainedTokenizerBase":
    """The model's: a send renders a prompt."""
    from transformers import AutoTokenizer

    from chatapp.bench.__main__ import folder_of

    return AutoTokenizer.from_pretrained(
        folder_of(resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir), settings)
    )


def run(
    url: str, tokenizer: "PreTrainedTokenizerBase", conversations: int = 10_000, turns: int = 20, *, repeats: int = 20
) -> dict[str, Any]:
    """Fill and measure. Times in milliseconds; searches count every call of every query."""
    store = Store(url)
    writer, started = Writer(random.Random(7)), time.perf_counter()
    for start in range(0, conversations, 200):
        store.conversations.add(OWNER, list(writer.conversations(start, min(start + 200, conversations), turns)))
    filled = time.perf_counter() - started
    store.database.tidy()
    ids = random.Random(1).choices(store.conversations.ids(OWNER), k=repeats)
    steps: dict[str, list[float]] = {
        "list": timed(lambda n: store.conversations.listed(OWNER), repeats),
        "open": timed(lambda n: store.outline(OWNER, ids[n]), repeats),
        "search": [ms for query in writer.queries() for ms in timed(lambda n, q=query: store.conversations.listed(OWNER, q), repeats)],
        **reply(store, writer, ids),
        **asyncio.run(sends(store, tokenizer, repeats)),
    }
    worst = {
        query: percentiles(timed(lambda n, q=query: store.conversations.listed(OWNER, q), repeats))["p95"] for query in writer.queries()
    }
    name = "sqlite" if store.database.sqlite else "postgresql"
    if not store.database.sqlite:
        erase.everything(store.database, OWNER)  # SQLite's file goes away with its folder
    store.close()
    ms = {step: percentiles(times) for step, times in steps.items()}
    return {"database": name, "conversations": conversations, "turns": turns, "fill_s": round(filled, 1), "ms": ms, "search_p95_ms": worst}


def reply(store: Store, writer: "Writer", ids: list[str]) -> dict[str, list[float]]:
    """A reply of LONG_REPLY tokens below a long prompt: begin, flushes at its full length, finish."""
    turns = [writer.turn(id, store.conversations.whole(OWNER, id).path()[-1], tokens=LONG_REPLY) for id in ids]
    return {
        "begin": timed(lambda n: store.begin(replace(turns[n], reply_text="", reply_ids=[], logprobs=[], finish_reason="")), len(turns)),
        "progress": timed(lambda n: store.progress(replace(turns[n], finish_reason="")), len(turns)),
        "finish": timed(lambda n: store.finish(turns[n]), len(turns)),
    }


def timed(step: Callable[[int], object], repeats: int) -> list[float]:
    """Milliseconds of each call."""
    times = []
    for n in range(repeats):
        started = time.perf_counter()
        step(n)
        times.append((time.perf_counter() - started) * 1000)
    return times


def percentiles(times: list[float]) -> dict[str, float]:
    return {"p50": round(median(times), 2), "p95": round(quantiles(times, n=20)[-1], 2)}


class Writer:
    """Makes conversations of words whose frequencies fall as in real text (Zipf), with some Chinese."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(rng.choices(letters, k=rng.randint(2, 9))) for _ in range(WORDS - 1)] + ["机器学习"]
        self.weights = [1 / (rank + 3) for rank in range(WORDS)]

    def text(self, words: int) -> str:
        return " ".join(self.rng.choices(self.words, self.weights, k=words))

    def queries(self) -> list[str]:
        """From every text down to none; beginnings of words, as while typing."""
        w = self.words
        single = [w[0], w[1][:2], w[30][:3], w[300], w[15_000], "学习", "nosuchword"]
        return [*single, f"{w[0]} {w[1]}", f"{w[2]} {w[15_000]}", f"{w[0]} {w[10]} {w[100]}", f'"{w[3]}* AND (']

    def turn(self, conversation_id: str, parent: Turn | None, tokens: int = 0) -> Turn:
        question, answer = self.text(12), self.text(tokens or self.rng.randint(20, 2 * REPLY_WORDS))
        size = min(CONTEXT, (len(parent.prompt_ids) + len(parent.reply_ids) if parent else 0) + 20)
        before = parent.prompt_text + parent.reply_text if parent else ""
        ids = [self.rng.randrange(49152) for _ in range(answer.count(" ") + 1)]
        spans = tuple(Span(n, n + 9, "content", "user", n) for n in range(min(size // 50, 40)))
        return Turn(
            OWNER, conversation_id, question, parent_id=parent.id if parent else None,
            prompt_text=(before + question)[-5 * size :], prompt_ids=tuple(range(size)), spans=spans, finish_reason="end",
            reply_text=answer, reply_ids=ids, logprobs=[-0.25] * len(ids), timings=Timings(1.0, 0.0, 0.1, 2.0), model="bench",
        )  # fmt: skip

    def conversations(self, start: int, end: int, turns: int) -> Iterator[Conversation]:
        for n in range(start, end):
            id, chain = new_id(), list[Turn]()
            for _ in range(turns):
                chain.append(self.turn(id, chain[-1] if chain else None))
            yield Conversation(id, chain[0].user[:60], float(n), float(n), leaf=chain[-1].id, turns=chain)


def show(result: dict[str, Any]) -> None:
    """A table for people, then one line of JSON."""
    print(f"{result['database']}: {result['conversations']} conversations x {result['turns']} turns, filled in {result['fill_s']} s")
    print(f"{'step':10} {'p50 ms':>8} {'p95 ms':>8}")
    for step, ms in result["ms"].items():
        print(f"{step:10} {ms['p50']:8.2f} {ms['p95']:8.2f}")
    print(json.dumps(result, ensure_ascii=False))
