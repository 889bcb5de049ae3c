"""Models that were trained here: found once they are whole, and called by their run."""

import json
from pathlib import Path

from chatapp.models.catalog import folders
from chatapp.models.sources import resolve
from chatapp.models.trained import FOLDER, called
from tests.lab.train.made import write_run


def test_a_run_that_ended_is_on_this_machine_by_its_name(tiny_gpt2: Path, tmp_path: Path) -> None:
    for letter, state in (("a", "done"), ("b", "stopped")):
        place = write_run(tmp_path / FOLDER / (letter * 32), tiny_gpt2, name="My speeches, 2", state=state)
        for file in tiny_gpt2.iterdir():
            (place / file.name).write_bytes(file.read_bytes())
    (found,) = folders(tmp_path)
    assert found.place.name == "a" * 32 and "My-speeches-2" in vars(found).values() and not found.problem
    assert resolve(str(found.place), data_dir=tmp_path).name == "My-speeches-2"
    assert called(found.place / "snapshots" / "step-000008") == "My-speeches-2-step-000008"


def test_other_folders_are_called_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(["no run"]))
    assert called(tmp_path) == tmp_path.name and called(tmp_path / "x" / "step-000008") == "step-000008"
