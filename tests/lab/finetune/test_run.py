"""A fine-tuning as a run: queued and stopped like a training, killed and gone on with, merged later, and a model of its own then."""

import os
import signal
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from chatapp.errors import ChatError
from chatapp.lab.finetune import adapter, kept, merging
from chatapp.lab.finetune.asked import Tuning, lesson_of, read
from chatapp.lab.finetune.plan import planned
from chatapp.lab.finetune.run import tune
from chatapp.lab.train import history
from chatapp.lab.train.runs import Runs
from chatapp.models import catalog
from chatapp.tasks import Tasks
from tests.lab.finetune.taught import CHATS, quiet, stopped_after, tuning
from tests.lab.train.test_runs import OWNER, rests, running, step_of, until
from tests.lab.train.tiny_runs import tiny


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path / "training", Tasks(), threads=1)
    yield made
    made.shutdown()


def begun(folder: Path, wanted: Tuning) -> Path:
    history.begun(folder, history.TUNING, wanted.name, wanted.files())
    return folder


def test_what_was_stopped_and_gone_on_with_is_what_an_undisturbed_one_learns(tiny_gpt2: Path, tmp_path: Path) -> None:
    """GPT-2 drops numbers out while it learns, so that the random ones must go on, too."""
    torch.manual_seed(1)
    whole, cut = (begun(tmp_path / name, tuning(tiny_gpt2, tmp_path)) for name in ("whole", "cut"))
    assert tune(whole, quiet)["state"] == "done"
    assert tune(cut, stopped_after(cut, 4))["state"] == "stopped" and history.about(cut)["result"]["after"] is None
    torch.manual_seed(2)
    found = tune(cut, quiet)
    assert found["state"] == "done" and not (cut / kept.CHECKPOINT).exists()
    one, other = (load_file(folder / adapter.NAME) for folder in (whole, cut))
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-4
    assert found["result"]["after"] == pytest.approx(history.about(whole)["result"]["after"], abs=1e-4)
    assert [event["step"] for event in history.of_kind(cut, "loss")] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("damage", [b"", b"half of one", b"garbage", b"PK\x03\x04 half", b"\x80\x02]."], ids=repr)
def test_a_damaged_checkpoint_is_said_and_it_begins_anew(tiny_llama: Path, tmp_path: Path, damage: bytes) -> None:
    folder = begun(tmp_path / "run", tuning(tiny_llama, tmp_path, epochs=1))
    (folder / kept.CHECKPOINT).write_bytes(damage)
    assert tune(folder, quiet)["state"] == "done"
    assert any("cannot be read" in event["words"] for event in history.of_kind(folder, "note"))


def test_what_is_asked_for_is_read_back_as_it_was(tiny_llama: Path, tmp_path: Path) -> None:
    wanted = tuning(tiny_llama, tmp_path)
    found = read(begun(tmp_path / "run", wanted))
    assert (found.lesson, found.chats, found.model, found.settings.data_dir) == (wanted.lesson, wanted.chats, str(tiny_llama), tmp_path)
    (tmp_path / "run" / "lesson.json").write_text("[]")
    with pytest.raises(ChatError, match="was begun with cannot be read"):
        read(tmp_path / "run")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rank": "many"}, "Rank: 'many' is no whole number from 1 to 512."),
        ({"epochs": 1e9}, "Epochs: 1000000000.0 is no whole number from 1 to 1,000."),
        ({"learning_rate": "nan"}, "The learning rate: 'nan' is no number above 0 and up to 1."),
        ({"max_minutes": -1}, "Minutes: -1 is no number above 0 and up to 100,000."),
    ],
)
def test_a_wrong_number_is_a_sentence(values: dict, words: str) -> None:
    with pytest.raises(ChatError) as raised:
        lesson_of({"rank": 8, "epochs": 3, "learning_rate": 0.1} | values)
    assert str(raised.value) == words


def test_in_the_queue_it_waits_for_its_turn_and_stop_keeps_what_was_learned(runs: Runs, tiny_llama: Path, tmp_path: Path) -> None:
    first = runs.begin(OWNER, tiny(tmp_path))
    id = runs.begin(OWNER, tuning(tiny_llama, tmp_path, epochs=1000))
    place = runs.place(id)
    assert runs.about(id)["state"] == "queued" and running(runs)[0].title == "Fine-tune: My pairs"
    until(lambda: step_of(place) > 2)
    assert runs.about(first)["state"] == "done"
    runs.stop(id)
    until(lambda: rests(runs, id))
    stopped = runs.about(id)
    assert stopped["state"] == "stopped" and 2 < stopped["result"]["step"] < 3000 and (place / adapter.NAME).is_file()


@pytest.mark.slow
def test_killed_it_says_so_and_goes_on(runs: Runs, tiny_llama: Path, tmp_path: Path) -> None:
    id = runs.begin(OWNER, tuning(tiny_llama, tmp_path, epochs=1000))
    until((runs.place(id) / kept.CHECKPOINT).is_file)
    os.kill(runs._child.pid, signal.SIGKILL)
    until(lambda: rests(runs, id))
    assert runs.about(id)["state"] == "stopped" and "ended by signal 9" in runs.about(id)["error"]
    last = step_of(runs.place(id))
    assert last > 0
    runs.resume(OWNER, id)
    until(lambda: step_of(runs.place(id)) > last)
    steps = [event["step"] for event in history.of_kind(runs.place(id), "loss")]
    assert steps == list(range(1, len(steps) + 1))


def test_merged_later_it_is_a_model_of_its_name(runs: Runs, tiny_llama: Path, tmp_path: Path) -> None:
    folder = begun(runs.folder / ("a" * 32), tuning(tiny_llama, tmp_path))
    with pytest.raises(ChatError, match="There is no adapter in"):
        merging.merged(folder, read(folder).settings, quiet)
    tune(folder, quiet)
    assert catalog.folders(tmp_path) == []
    learning = history.hold(folder)
    with pytest.raises(ChatError, match="Another process works in"):
        merging.merged(folder, read(folder).settings, quiet)
    history.release(learning)
    task = merging.begin(runs.tasks, OWNER, folder)
    merging.work(task, folder)
    assert (task.state, task.error, task.title) == ("done", "", "Merge: My pairs")
    (model,) = catalog.folders(tmp_path)
    assert (model.label, model.place) == ("My-pairs-merged", folder / "merged")
    ids = torch.tensor([[5, 6, 7]])
    base = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    whole = AutoModelForCausalLM.from_pretrained(model.place, dtype=torch.float32)
    assert (whole(ids).logits - adapter.read(base, folder).eval()(ids).logits).abs().max() < 1e-4
    runs.delete(folder.name)
    assert catalog.folders(tmp_path) == []


def test_a_folder_where_nothing_can_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(ChatError, match="cannot be written: Is a directory"):
        history.hold(tmp_path)


async def test_a_plan_counts_and_shows_what_is_learned(tiny_llama: Path, tmp_path: Path) -> None:
    async with aclosing(planned(tuning(tiny_llama, tmp_path), tmp_path)) as lines:
        *_, found = [line async for line in lines]
    assert found["rows"]["train"] == len(CHATS) - 1 and found["rows"]["validation"] == 1 and found["steps"] == 6
    assert 0 < found["rows"]["learned"] < found["rows"]["tokens"] and found["memory"] > 0 and found["free_disk"] > found["disk"] > 0
    learned = "".join(token["text"] for token in found["look"] if token["learned"])
    assert learned.startswith("I am fine, thank you") and "hello" not in learned and "1 chat held out" in found["notes"][0]
