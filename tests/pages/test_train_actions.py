"""What the page Train asks: recipes as file and fields, plans, runs that are watched, changed and looked into; nothing for strangers."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chatapp.errors import ChatError, NotFound
from chatapp.lab import grid_file
from chatapp.lab.lists import no_files
from chatapp.lab.train import history, recipe
from chatapp.lab.train.runs import all_runs
from chatapp.lab.train.snapshots import Snapshots
from chatapp.pages.train_actions import TrainActions
from chatapp.pages.train_beside import Beside, said
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.xray.inspector import Inspector
from tests.conftest import Scripted
from tests.lab.train.made import write_run, write_step

ANN = "visitor:ann"
RUN, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def actions(scripted: Scripted, tiny_gpt2: Path, tmp_path: Path) -> Iterator[TrainActions]:
    """Two runs of the past, and nobody who trains."""
    settings = Settings(data_dir=tmp_path, threads=1)
    write_run(tmp_path / history.FOLDER / RUN, tiny_gpt2, name="The first")
    write_run(tmp_path / history.FOLDER / OTHER, tiny_gpt2, name="The other", state="stopped", steps=8)
    models = ModelManager.of(scripted, settings)
    inspector, runs, store = Inspector(models), all_runs(models.tasks, settings), Store(f"sqlite:///{tmp_path / 'chat.db'}")
    yield TrainActions(models, settings, runs, Snapshots(inspector, settings), Beside(store, runs))
    store.close()
    inspector.close()
    models.close()


async def lines(stream: AsyncIterator[dict]) -> list[dict]:
    return [line async for line in stream]


async def test_the_runs_are_listed_the_latest_first_with_what_came_of_them(actions: TrainActions) -> None:
    said = await actions.home(ANN, {})
    assert [(run["name"], run["words"]) for run in said["runs"]] == [
        ("The other", "stopped · step 8 of 16 · 2.40 bits per byte"),
        ("The first", "done · 16 steps · 1.80 bits per byte"),
    ]
    assert said["presets"] == list(recipe.PRESETS) and "sotu" in said["corpora"] and said["refused"] == ""


async def test_fields_and_file_are_the_same_recipe(actions: TrainActions) -> None:
    from_fields = await actions.recipe(ANN, {"recipe": {"preset": "two-minutes"}})
    from_file = await actions.recipe(ANN, {"text": from_fields["text"]})
    assert from_file == from_fields and from_fields["recipe"]["learning_rate"] == 0.002
    assert "GPT2LMHeadModel(config)" in from_fields["code"]
    with pytest.raises(ChatError, match="Did you mean learning_rate"):
        await actions.recipe(ANN, {"text": "learning_rat: 1"})


async def test_a_run_that_rests_comes_whole_and_ends(actions: TrainActions) -> None:
    first, news, last = await lines(actions.watch(ANN, {"id": RUN}))
    assert first["written"]["recipe"]["name"] == "The first" and last == {"done": True}
    assert news["run"]["state"] == "done" and news["run"]["baselines"]["bigram"] == 1.9
    assert [event["step"] for event in news["events"] if event["kind"] == "snapshot"] == [0, 1, 8, 16]
    (curves,) = await lines(actions.watch(ANN, {"id": OTHER, "curves": True}))
    assert {event["kind"] for event in curves["events"]} == {"loss", "validation"} and curves["done"]


async def test_a_run_that_goes_on_is_followed_each_event_once(actions: TrainActions, tiny_gpt2: Path) -> None:
    place = actions.runs.place(OTHER)
    lock = history.hold(place)  # as a process that trains there
    history.update(place, state="running")
    stream = actions.watch(ANN, {"id": OTHER})
    seen = [await anext(stream), await anext(stream)][1]["events"]
    write_step(place, tiny_gpt2, 16, 1.8)
    history.append(place, "validation", step=8, loss=4.0, bits_per_byte=2.3)  # a step that was taken again after a resume
    more = (await anext(stream))["events"]
    assert {event["step"] for event in seen} == {0, 1, 8}
    assert {(event["kind"], event["step"]) for event in more} == {
        *((kind, 16) for kind in ("loss", "validation", "snapshot")),
        ("validation", 8),
    }
    history.update(place, state="done")
    history.release(lock)
    rest = await lines(stream)
    assert rest[0]["run"]["state"] == "done" and "events" not in rest[0] and rest[-1] == {"done": True}


async def test_a_snapshot_is_looked_into(actions: TrainActions) -> None:
    said = await lines(actions.look(ANN, {"id": RUN, "step": 8, "view": "next", "prompt": "We must"}))
    data = next(line["data"] for line in said if "data" in line)
    assert data["step"] == 8 and len(data["models"][0]["top"]) == 10 and said[-1] == {"done": True}
    with pytest.raises(NotFound, match="The snapshot of step 7"):
        await lines(actions.look(ANN, {"id": RUN, "step": 7, "view": "next", "prompt": "We must"}))
    with pytest.raises(NotFound):
        await lines(actions.look(ANN, {"id": "../" + RUN, "step": 8, "view": "next", "prompt": "We must"}))


async def test_a_step_beside_the_last_is_a_grid_that_compare_takes(actions: TrainActions) -> None:
    said = await actions.beside(ANN, {"id": RUN, "step": 8})
    grid = grid_file.read(said["grid"], no_files)
    assert [variant.label for variant in grid.variants()] == ["step 8", "final"]
    assert [question.text for question in grid.questions()] == list(recipe.PROMPTS) and said["title"] == "The first: step 8 and the last"
    assert grid.variants()[1].model == str(actions.runs.place(RUN))
    stopped = await actions.beside(ANN, {"id": OTHER, "step": 1})
    assert [column["name"] for column in stopped["grid"]["columns"]] == ["step 1", "step 8"]
    with pytest.raises(ChatError, match="Step 8 is the last one so far"):
        await actions.beside(ANN, {"id": OTHER, "step": 8})


async def test_a_snapshot_is_a_model_to_chat_with(actions: TrainActions) -> None:
    said = await actions.chat(ANN, {"id": RUN, "step": 8})
    slot = actions.models.find(said["model"])
    engine = await slot.wait_ready()
    assert slot.id.startswith("The-first-step-000008") and engine.info.parameters > 0
    engine.close()


async def test_a_run_is_renamed_and_deleted(actions: TrainActions) -> None:
    await actions.do(ANN, {"do": "rename", "id": OTHER, "name": "Small"})
    await actions.do(ANN, {"do": "delete", "id": RUN})
    assert [run["name"] for run in (await actions.home(ANN, {}))["runs"]] == ["Small"]
    with pytest.raises(ChatError, match="does not know"):
        await actions.do(ANN, {"do": "sell", "id": OTHER})
    with pytest.raises(NotFound):
        await lines(actions.watch(ANN, {"id": RUN}))


@pytest.mark.parametrize("public", [True, False])
async def test_strangers_read_one_sentence_and_nothing_else(actions: TrainActions, public: bool) -> None:
    if public:
        actions.settings = Settings(data_dir=actions.settings.data_dir, public=True)

    async def asked() -> None:
        handed_on.set(not public)
        said = await actions.home(ANN, {})
        assert "person at the app's own machine only" in said["refused"] and said["runs"] == []
        text = recipe.written(recipe.PRESETS["tutorial"])
        for action, body in {
            actions.recipe: {"recipe": {}},
            actions.corpus: {"text": text},
            actions.begin: {"text": text},
            actions.do: {"do": "delete", "id": RUN},
            actions.chat: {"id": RUN, "step": 8},
            actions.beside: {"id": RUN, "step": 8},
        }.items():
            with pytest.raises(ChatError, match="own machine only"):
                await action(ANN, body)
        for stream, body in {
            actions.plan: {"text": text},
            actions.watch: {"id": RUN},
            actions.look: {"id": RUN, "step": 8, "view": "next", "prompt": "a"},
        }.items():
            with pytest.raises(ChatError, match="own machine only"):
                await lines(stream(ANN, body))

    await asyncio.create_task(asked())


async def test_what_is_no_corpus_is_refused_before_any_process_begins(actions: TrainActions, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "rated.csv").write_text("words,stars\n" + "a good one,5\n" * 300)
    empty, rated = ({"text": f"corpus: {tmp_path / name}"} for name in ("empty.txt", "rated.csv"))
    for refused in (actions.corpus(ANN, empty), actions.begin(ANN, empty), lines(actions.plan(ANN, empty))):
        with pytest.raises(ChatError, match=r"empty\.txt is empty"):
            await refused
    with pytest.raises(ChatError, match="columns are words, stars"):
        await actions.corpus(ANN, rated)
    rated["text"] += "\ncolumn: words"
    assert await actions.corpus(ANN, rated) == {"words": "300 documents, 3,000 bytes of text."}
    for refused in (actions.begin(ANN, batch := {"text": "per_device_train_batch_size: 1000000"}), lines(actions.plan(ANN, batch))):
        with pytest.raises(ChatError, match=r"A batch of 1,000,000 rows of 128 tokens needs about .* GB, and .* free beside the weights"):
            await refused
    assert len((await actions.home(ANN, {}))["runs"]) == 2  # none was begun


def test_the_chat_beside_a_training_is_said_with_what_it_is_compared_to() -> None:
    assert said([12.0], [20.0, 22.0, 18.0]) == (
        "The chat beside it writes 12.0 tokens/s (one reply), without a training 20.0 (the latest 3 replies): it keeps 0.60 of its speed."
    )
    assert "none by this model without a training" in said([12.0, 13.0], [])
    assert said([], [20.0]).startswith("Training yields to the chat.")


async def test_a_run_says_how_the_chat_is_beside_it(actions: TrainActions) -> None:
    lock = history.hold(place := actions.runs.place(OTHER))
    history.update(place, state="running")
    actions.runs.since = 1.0
    stream = actions.watch(ANN, {"id": OTHER})
    assert [await anext(stream), await anext(stream)][1]["chat"].startswith("Training yields to the chat.")
    await stream.aclose()
    history.release(lock)


async def test_a_run_that_ended_is_a_model_called_as_it_is(actions: TrainActions, tiny_gpt2: Path) -> None:
    shutil.copytree(tiny_gpt2, actions.runs.place(RUN), dirs_exist_ok=True)
    assert actions.model(RUN, 16) == actions.runs.place(RUN) and actions.model(RUN, 8).name == "step-000008"
    said = await actions.chat(ANN, {"id": RUN, "step": 16})
    slot = actions.models.find(said["model"])
    engine = await slot.wait_ready()
    assert slot.id.startswith("The-first@")
    engine.close()
