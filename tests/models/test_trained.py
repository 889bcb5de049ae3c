"""Models that were trained here: found once they are whole, and called by their run."""

import json
import shutil
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.catalog import folders, own
from chatapp.models.deletion import delete, plan
from chatapp.models.remembered import remember
from chatapp.models.sources import resolve
from chatapp.models.trained import FOLDER, TUNED, called
from tests.lab.train.made import write_whole_run


def test_a_run_that_ended_is_on_this_machine_by_its_name(tiny_gpt2: Path, tmp_path: Path) -> None:
    for letter, state in (("a", "done"), ("b", "stopped")):
        write_whole_run(tmp_path / FOLDER / (letter * 32), tiny_gpt2, name="My speeches, 2", state=state)
    (found,) = folders(tmp_path)
    assert found.place.name == "a" * 32 and "My-speeches-2" in vars(found).values() and not found.problem
    assert resolve(str(found.place), data_dir=tmp_path).name == "My-speeches-2"
    assert called(found.place / "snapshots" / "step-000008") == "My-speeches-2-step-000008"


def test_other_folders_are_called_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(["no run"]))
    assert called(tmp_path) == tmp_path.name and called(tmp_path / "x" / "step-000008") == "step-000008"


def test_what_was_fine_tuned_and_merged_is_one_of_the_apps_own_and_an_adapter_is_none(tiny_gpt2: Path, tmp_path: Path) -> None:
    merged = Path(shutil.copytree(tiny_gpt2, tmp_path / TUNED / "mine-merged"))
    (tmp_path / TUNED / "mine").mkdir()
    (tmp_path / TUNED / "mine" / "adapter_config.json").write_text("{}")
    shutil.copytree(tiny_gpt2, tmp_path / "models" / "kept")
    assert [(model.label, model.problem) for model in own(tmp_path)] == [("kept", ""), ("mine-merged", "")]
    delete(plan("mine-merged", tmp_path, tmp_path / "cache"))
    assert not merged.exists()


def test_deleting_the_model_of_a_run_is_deleting_the_run_and_a_snapshot_stays_with_it(tiny_gpt2: Path, tmp_path: Path) -> None:
    run = write_whole_run(tmp_path / FOLDER / ("a" * 32), tiny_gpt2, name="mine")
    remember(run / "snapshots" / "step-000008", "sha256:1", tmp_path)
    with pytest.raises(ChatError, match="mine-step-000008 is a snapshot, one of a run's: delete the run"):
        plan("mine-step-000008", tmp_path, tmp_path / "cache")
    planned = plan("mine", tmp_path, tmp_path / "cache")
    assert planned.words.startswith("Deleting mine, the run with its snapshots and curves, frees ")
    delete(planned)
    assert not run.exists()
