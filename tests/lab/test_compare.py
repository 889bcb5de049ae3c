"""Runs of a grid: every cell once, common random numbers, failures that end one cell only, stopping, pausing, taking up again."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from chatapp.errors import ChatError
from chatapp.lab.rows import turn_of
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.tasks import Cancelled
from chatapp.turn import Event
from tests.chats import Residence, beside, until
from tests.conftest import Scripted
from tests.directs import endless
from tests.lab.runs import ME, append, comparison, lines, repeatable, rows_of
from tests.remotes import remote

GRID = """
prompts: [One, Two]
columns: [{name: cold, temperature: 0, max_tokens: 8}, {name: warm, max_tokens: 8}, {name: hot, temperature: 1.5, max_tokens: 8}]
replicas: 3
assert: [{contains: world}]
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


async def test_every_reply_is_made_once_and_written_down(scripted: Scripted, out: Path) -> None:
    run = comparison(GRID, out, ModelManager.of(scripted))
    rows = await rows_of(run)
    assert len(rows) == len(scripted.fed) == len(lines(out)) == 2 * (1 + 3 + 3)
    assert {(row["column"], row["replica"]): row["count"] for row in rows if row["column"] == "cold"} == {("cold", 0): 3}
    row = next(row for row in rows if row["column"] == "warm")
    assert (row["reply"], row["ids"], row["finish_reason"], row["tokens"]) == ("Hello world", [1000, 1001, 1002], "end", 3)
    assert row["logprob"] == -0.5 and row["passed"] and row["assertions"][0]["assert"] == {"contains": "world"}
    assert (run.task.state, run.share, run.live, run.failures) == ("done", 1.0, {}, 0)
    assert run.task.step.words == "14 of 14 replies"


async def test_columns_share_their_random_numbers(scripted: Scripted, out: Path) -> None:
    rows = await rows_of(comparison(GRID, out, ModelManager.of(scripted)))
    seeds = {(row["prompt_index"], row["column"], row["replica"]): row["turn"]["seed"] for row in rows}
    for prompt in (0, 1):
        assert [seeds[prompt, "warm", n] for n in range(3)] == [seeds[prompt, "hot", n] for n in range(3)]
    assert len(set(seeds.values())) == 7 and seeds[0, "cold", 0] is None


async def test_a_worker_stays_with_a_prompt_until_none_is_left_that_nobody_began(tiny_llama: Path, out: Path) -> None:
    engine = Scripted(AutoTokenizer.from_pretrained(tiny_llama), concurrency=2, delay=0.001)
    text = "{prompts: [One, Two, Three, Four], columns: [{name: a}, {name: b}, {name: c}]}"
    await rows_of(comparison(text, out, ModelManager.of(engine)))
    first_half = engine.fed[:6]
    assert len(set(first_half)) == 2, "two workers, so the first six replies are those of two prompts"


async def test_a_prompt_is_read_once(make_direct, tiny_llama: Path, out: Path) -> None:
    engine = make_direct(endless(tiny_llama))
    text = (
        f"{{prompts: ['{'long story ' * 60}'], columns: [{{name: a, max_tokens: 2}}, {{name: b, top_k: 3, max_tokens: 2}}], replicas: 2}}"
    )
    rows = await rows_of(comparison(text, out, ModelManager.of(engine)))
    cached = [row["timings"]["cached_prompt_tokens"] for row in rows]
    assert rows[0]["prompt_tokens"] > 256 and cached[0] == 0 and all(n >= 256 for n in cached[1:])


TWO = "{name: a}, {name: b}"


class Sharer(Scripted):
    """An engine that is told of prompts that several workers have: all of them, and how many are held now.

    No reply is written before `prompts` different ones were asked: a worker that is done early would rightly help another.
    """

    def __init__(self, *given, prompts: int, **more) -> None:
        super().__init__(*given, **more)
        self.shared, self.held, self.prompts, self.hold = [], 0, prompts, asyncio.Event()

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        if len({*self.fed, tuple(prompt_ids)}) == self.prompts:
            self.hold.set()
        async with aclosing(super().generate(prompt_ids, sampling)) as events:
            async for event in events:
                yield event

    @contextmanager
    def sharing(self, ids: tuple[int, ...]) -> Iterator[None]:
        self.shared.append(ids)
        self.held += 1
        yield
        self.held -= 1


@pytest.mark.parametrize(
    ("prompts", "columns", "shared"),
    [
        ("One", "{name: a}, {name: b}", 1),
        ("One, Two", "{name: a}, {name: b}", 2),
        ("One, Two, Three", "{name: a}, {name: b}", 0),
        ("One", "{name: a}", 0),
    ],
)
async def test_an_engine_is_told_of_prompts_that_several_workers_have_until_they_are_made(
    tiny_llama: Path, out: Path, prompts: str, columns: str, shared: int
) -> None:
    concurrency, asked = 2 if prompts == "One" else 3, len(prompts.split(","))
    engine = Sharer(AutoTokenizer.from_pretrained(tiny_llama), prompts=asked, concurrency=concurrency, delay=0.001)
    text = f"{{prompts: [{prompts}], columns: [{columns}]}}"
    await rows_of(comparison(text, out, ModelManager.of(engine)))
    assert len(engine.shared) == shared and set(engine.shared) <= set(engine.fed) and engine.held == 0
    await rows_of(comparison(text, out, ModelManager.of(engine), fresh=True), at_most=1)
    assert engine.held == 0, "also where the run is closed"


async def test_a_failure_is_one_cells_and_is_tried_again(scripted: Scripted, out: Path) -> None:
    scripted.fail_after, scripted.failure = 1, ChatError("The engine died.")
    run = comparison("{prompts: [One, Two], columns: [{name: a}]}", out, ModelManager.of(scripted))
    rows = await rows_of(run)
    assert [(row["finish_reason"], row["error"]) for row in rows] == [("error", "The engine died.")] * 2
    assert (run.failures, run.task.state) == (2, "done") and rows[0]["passed"] is None
    scripted.fail_after = None
    again = await rows_of(comparison("{prompts: [One, Two], columns: [{name: a}]}", out, ModelManager.of(scripted)))
    assert [row["finish_reason"] for row in again] == ["end", "end"] and len(lines(out)) == 2


async def test_a_model_that_is_not_there_says_so_in_its_cells_and_the_others_finish(scripted: Scripted, out: Path) -> None:
    text = "{prompts: [One], columns: [{name: a}, {name: b, model: nowhere}], replicas: 2}"
    rows = await rows_of(run := comparison(text, out, ModelManager.of(scripted)))
    assert {(row["column"], row["finish_reason"]) for row in rows} == {("a", "end"), ("b", "error")} and run.failures == 2
    assert all("There is no model 'nowhere' here" in row["error"] for row in rows if row["column"] == "b")
    assert rows[-1]["turn"]["model"] == "nowhere" and turn_of(rows[-1], ME).error == rows[-1]["error"]


async def test_a_model_that_fails_to_load_says_why(out: Path) -> None:
    models = Residence(None, "loading")
    run = comparison("{prompts: [One], columns: [{name: a}]}", out, models)
    work = asyncio.create_task(rows_of(run))
    for _ in range(20):  # until it waits for the model
        await asyncio.sleep(0)
    models.become("failed", "It does not fit: 9 GB are needed, 2 GB are free.")
    [row] = await work
    assert "9 GB are needed" in row["error"]


async def test_two_models_answer_side_by_side(scripted: Scripted, tiny_llama: Path, out: Path) -> None:
    other = Scripted(AutoTokenizer.from_pretrained(tiny_llama), ["Other"])
    models = ModelManager.of(scripted)
    beside(models, other, "other")
    scripted.hold, other.hold = asyncio.Event(), asyncio.Event()
    run = comparison("{prompts: [One], columns: [{name: a}, {sweep: {model: ['', other]}}]}", out, models)
    work = asyncio.create_task(rows_of(run))
    await until(lambda: len(run.live) == 2)
    scripted.hold.set(), other.hold.set()
    rows = {row["column"]: row for row in await work}
    assert rows["column 2 [model=other]"]["reply"] == "Other" and rows["column 2 [model=other]"]["turn"]["model"] == "other"
    assert rows["a"]["reply"] == rows["column 2 [model=]"]["reply"] == "Hello world"


async def test_what_is_written_can_be_seen_and_stopped(scripted: Scripted, out: Path) -> None:
    scripted.hold = asyncio.Event()
    run = comparison(GRID, out, ModelManager.of(scripted))
    work = asyncio.create_task(rows_of(run))
    await until(lambda: bool(run.live))
    [(key, turn)] = run.live.items()
    assert key == (0, "cold", 0) and turn.running
    run.stop_column("cold")
    scripted.hold.set()
    rows = await work
    assert {row["column"] for row in rows} == {"warm", "hot"} and len(rows) == 12 and run.task.state == "done"


async def test_a_pause_begins_nothing_until_it_ends(scripted: Scripted, out: Path) -> None:
    scripted.hold = asyncio.Event()
    run = comparison(GRID, out, ModelManager.of(scripted))
    work = asyncio.create_task(rows_of(run))
    await until(lambda: bool(run.live))
    run.pause()
    scripted.hold.set()
    await until(lambda: len(run.rows) == 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert run.task.step.words == "1 of 14 replies (paused)"
    assert len(scripted.fed) == 1 and run.paused and run.seconds_left is not None
    run.go_on()
    assert len(await work) == 14


async def test_a_cancelled_task_stops_every_reply(scripted: Scripted, out: Path) -> None:
    scripted.hold = asyncio.Event()
    models = ModelManager.of(scripted)
    run = comparison(GRID, out, models)
    work = asyncio.create_task(rows_of(run))
    await until(lambda: bool(run.live))
    run.task.cancelling = True
    with pytest.raises(Cancelled):
        await work
    assert run.task.state == "cancelled" and not run.live and not models.busy and lines(out) == []


async def test_a_run_that_was_cut_is_taken_up_and_has_the_same_rows(make_direct, tiny_llama: Path, tmp_path: Path, out: Path) -> None:
    models = ModelManager.of(make_direct(endless(tiny_llama)))
    text = GRID.replace("max_tokens: 8", "max_tokens: 4")
    whole = await rows_of(comparison(text, tmp_path / "whole.jsonl", models))
    assert len({row["reply"] for row in whole}) > 8, "random replies differ"
    await rows_of(comparison(text, out, models), at_most=5)
    append(out, '{"prompt_index": 0, "column": "wa')  # what a kill leaves
    before = lines(out)[:-1]
    rest = await rows_of(run := comparison(text, out, models))
    assert 5 <= len(before) < 14 and len(rest) == 14 - len(before)
    assert lines(out)[: len(before)] == before, "finished rows are kept as they were"

    def sorted_rows(rows):
        return sorted(map(repeatable, rows), key=lambda row: (row["prompt_index"], row["column"], row["replica"]))

    assert sorted_rows(run.rows.values()) == sorted_rows(whole)
    assert await rows_of(comparison(text, out, models)) == [], "nothing is left to do"


async def test_another_model_does_not_go_on_with_a_column(scripted: Scripted, tiny_llama: Path, out: Path) -> None:
    await rows_of(comparison(GRID, out, ModelManager.of(scripted)), at_most=2)
    other = Scripted(AutoTokenizer.from_pretrained(tiny_llama))
    models = ModelManager.of(scripted)
    beside(models, other, "other")
    models._slots[:] = models._slots[1:]
    run = comparison(GRID, out, models)
    with pytest.raises(
        ChatError, match=r"Column 'cold' was begun by scripted .*; now there is other commit of other scripted\. Begin anew"
    ):
        await rows_of(run)
    assert run.task.state == "failed" and other.fed == []


async def test_what_nobody_thought_of_fails_the_task_with_a_sentence(
    scripted: Scripted, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = comparison(GRID, out, ModelManager.of(scripted))
    run.results._file.close()
    with pytest.raises(ValueError, match="closed file"):
        await rows_of(run)
    assert run.task.state == "failed" and "Something broke while comparing (ValueError)" in run.task.error and caplog.records


async def test_settings_that_an_engine_does_not_have_are_noted(scripted: Scripted, out: Path) -> None:
    object.__setattr__(scripted.capabilities, "off", {"min_p": "It has none.", "seed": "It cannot repeat."})
    run = comparison(
        "{prompts: [One], columns: [{name: a, min_p: 0.1}, {name: g, temperature: 0, min_p: 0.1}]}", out, ModelManager.of(scripted)
    )
    await rows_of(run)
    assert run.notes == [
        "a: Min-p does nothing. It has none.",
        "a: its random numbers are its own, and another run has others. It cannot repeat.",
    ]


@pytest.mark.parametrize("later", range(4))
async def test_a_cancellation_that_comes_with_a_row_is_not_lost(scripted: Scripted, out: Path, later: int) -> None:
    run, work = comparison(GRID, out, ModelManager.of(scripted)), asyncio.create_task(asyncio.sleep(3600))
    waiting = asyncio.create_task(run._next(work))
    for _ in range(3):
        await asyncio.sleep(0)
    run._ready.put_nowait({})
    for _ in range(later):
        await asyncio.sleep(0)
    if waiting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await waiting
    work.cancel()
    run.results.close()


async def test_a_column_of_another_server_stands_beside_one_of_this_machine(scripted: Scripted, out: Path) -> None:
    with remote() as fake:
        text = f"{{prompts: [One, Two], columns: [{{name: here}}, {{name: far, model: '{fake.url}', top_k: 7}}]}}"
        models = ModelManager.of(scripted)
        rows = await rows_of(comparison(text, out, models, may_load=True))
        refused = await rows_of(comparison(text.replace("/v1", "/v2"), out.with_name("two.jsonl"), models))
        models.close()
    far = [row for row in rows if row["column"] == "far"]
    assert [row["reply"] for row in far] == ["Hello world"] * 2 and {row["tokens"] for row in far} == {3}
    assert {row["prompt_tokens"] for row in far} == {40} and {asked["top_k"] for asked in fake.asked} == {7}
    assert turn_of(far[0], ME).told["said"]["finish_reason"] == "stop"
    assert all("There is no model" in row["error"] for row in refused if row["column"] == "far"), "a stranger makes nobody ask an address"
    assert not [path for path in fake.paths if path.startswith("/v2")]
