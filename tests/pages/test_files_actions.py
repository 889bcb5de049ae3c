"""A model's files on the page: what each question answers, and that strangers see the models that serve them and no other."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.pages.files_actions import FilesActions
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.conftest import Scripted

ANN = "visitor:ann"


@pytest.fixture
def actions(scripted: Scripted, tiny_llama: Path, tmp_path: Path) -> FilesActions:
    """Beside the embedded model, one that lies in the data folder."""
    shutil.copytree(tiny_llama, tmp_path / "models" / "mine")
    return FilesActions(ModelManager.of(scripted), Settings(data_dir=tmp_path))


def place(actions: FilesActions) -> str:
    return str((actions.settings.data_dir / "models" / "mine").resolve())


async def test_files_architecture_difference_and_a_sentence(actions: FilesActions) -> None:
    mine = place(actions)
    found = await actions.files(ANN, {"name": mine})
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file["name"] for file in found["files"]}
    assert found["tensors"]["groups"] and "list" not in found["tensors"]
    json.dumps(found, allow_nan=False)
    assert (await actions.architecture(ANN, {"name": mine}))["kind"] == "LlamaForCausalLM"
    assert (await actions.diff(ANN, {"name": mine, "other": "smollm2"}))["sizes"]
    assert (await actions.cut(ANN, {"name": mine, "text": "Hi"}))["text"] == "Hi"
    assert "".join((await actions.cut(ANN, {"name": "smollm2", "text": "Hello world"}))["tokens"]) == "HelloĠworld"
    with pytest.raises(ChatError, match="1 to 2,000 characters; this one has 0"):
        await actions.cut(ANN, {"name": mine, "text": ""})


async def test_the_person_at_this_machine_may_name_any_folder(actions: FilesActions, tiny_gpt2: Path) -> None:
    assert await actions.place(str(tiny_gpt2)) == tiny_gpt2
    for name in ("nothing", str(tiny_gpt2 / "none"), "../../etc"):
        with pytest.raises(ChatError, match="no model"):
            await actions.place(name)


@pytest.mark.parametrize(("settings", "proxy"), [({"public": True}, False), ({}, True)])
async def test_a_stranger_sees_what_serves_them_and_no_other(actions: FilesActions, settings: dict, proxy: bool, smol_gguf: Path) -> None:
    from chatapp.models.sources import resolve

    actions.settings = Settings(data_dir=actions.settings.data_dir, **settings)

    async def asked() -> None:
        handed_on.set(proxy)
        for name in (place(actions), "smollm2", "/etc", str(smol_gguf)):
            with pytest.raises(ChatError, match="no model") as caught:
                await actions.files(ANN, {"name": name})
            assert caught.value.status == 404
        source = resolve("smollm2", data_dir=actions.settings.data_dir)
        slot = actions.models.slots()[0]
        served = slot.info.__class__(**vars(slot.info) | {"model": source.name, "revision": source.revision})
        slot.engine.info = served
        found = await actions.files(ANN, {"name": "smollm2"})
        assert found["files"] and str(smol_gguf.parent) not in json.dumps(found)
        with pytest.raises(ChatError, match="no model"):
            await actions.diff(ANN, {"name": "smollm2", "other": place(actions)})

    await asyncio.create_task(asked())
