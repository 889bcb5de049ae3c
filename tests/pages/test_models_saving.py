"""A loaded model is saved from the page, as a task of whoever asked for it."""

import asyncio
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.classify.head import read
from chatapp.models.catalog import folders
from chatapp.models.downloads import Downloads
from chatapp.pages.models_actions import ModelsActions
from chatapp.pages.models_saving import Saving, folder_of
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.encoders import make_classifier

ANN = "visitor:ann"


async def saved(models: ModelManager, folder: str, name: str = ""):
    saving = Saving(ModelsActions(models, models.settings, Downloads(models.tasks)))
    said = await saving.save(ANN, {"id": name or models.first.id, "folder": folder})
    await asyncio.gather(*saving._running)
    return next(task for task in models.tasks.of(ANN) if task.id == said["task"])


async def test_it_is_written_as_it_is_held_and_loads_again(tiny_llama: Path, tmp_path: Path) -> None:
    models = ModelManager(Settings(model=str(tiny_llama), data_dir=tmp_path, device="cpu", dtype="float32", threads=1))
    models.start()
    await models.first.wait_ready()
    task = await saved(models, "mine")
    assert (task.state, task.error) == ("done", "") and task.step.words.endswith(str(tmp_path / "models" / "mine"))
    again = await models.load(str(tmp_path / "models" / "mine"))
    assert (await again.wait_ready()).info.parameters == models.first.info.parameters
    with pytest.raises(ChatError, match="is not empty"):
        await saved(models, "mine")
    with pytest.raises(ChatError, match=r"config\.json is a file"):
        await saved(models, str(tmp_path / "models" / "mine" / "config.json" / "x"))
    assert [task.kind for task in models.tasks.of(ANN)].count("save") == 1, "what is refused at once is no task"
    models.close()


async def test_a_stranger_and_a_model_that_is_not_loaded_are_refused(scripted, tmp_path: Path) -> None:
    models = ModelManager.of(scripted, Settings(data_dir=tmp_path, public=True))
    with pytest.raises(ChatError, match="the person at the app's own machine"):
        await saved(models, "mine")
    models = ModelManager(Settings(data_dir=tmp_path))
    with pytest.raises(ChatError, match="is not loaded"):
        await saved(models, "mine")


def test_a_folder_is_a_whole_path_or_a_bare_name(tmp_path: Path) -> None:
    assert folder_of("mine", tmp_path) == tmp_path / "models" / "mine" and folder_of("/a/b", tmp_path) == Path("/a/b")
    for name in ("", "  ", "..", "a/b", "../x", "~nobody.there", "~nobody.there/x"):
        with pytest.raises(ChatError, match=r"Name the folder|no whole path"):
            folder_of(name, tmp_path)


async def test_a_classifier_that_is_here_is_saved_from_its_files_and_reads_as_before(scripted, tmp_path: Path) -> None:
    folder = make_classifier(tmp_path / "models" / "judge")
    models = ModelManager.of(scripted, Settings(data_dir=tmp_path))
    task = await saved(models, "kept", str(folder))
    assert (task.state, task.error, task.title) == ("done", "", f"Save judge to {tmp_path / 'models' / 'kept'}")
    assert read(tmp_path / "models" / "kept", "kept").logits(["hello world"]) == read(folder, "judge").logits(["hello world"])
    with pytest.raises(ChatError, match="is not empty"):
        await saved(models, "judge", str(folder))
    elsewhere = tmp_path / "far" / "away"
    assert (await saved(models, str(elsewhere), str(folder))).state == "done"
    assert [model.use.purpose for model in folders(tmp_path) if model.place == elsewhere] == ["classifier"], "it can be used from there"
