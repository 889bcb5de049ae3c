"""What the page Any text is told: the models to choose, for the person at this machine and for strangers; a text cut by two of them."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.pages.text_actions import TextActions
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.xray.inspector import Inspector
from chatapp.xray.text.service import TextService
from tests.encoders import make_encoder

ANN = "visitor:ann"


@pytest.fixture
def actions(tiny_llama: Path, tiny_gpt2: Path, make_direct, tmp_path: Path) -> Iterator[TextActions]:
    """One model in memory, another in the data folder, where there is the embedded one too."""
    from tests.directs import endless

    shutil.copytree(tiny_gpt2, tmp_path / "models" / "mine")
    settings = Settings(model=str(tiny_llama), data_dir=tmp_path)
    models = ModelManager.of(make_direct(endless(tiny_llama)), settings)
    inspector = Inspector(models)
    yield TextActions(models, settings, TextService(inspector))
    inspector.close()


async def test_the_models_are_listed_loaded_ones_first_each_once(actions: TextActions, tiny_llama: Path) -> None:
    said = await actions.listed(ANN, {})
    assert [model["loaded"] for model in said["models"]] == [True, *[False] * (len(said["models"]) - 1)]
    labels = [model["label"] for model in said["models"]]
    assert labels.count(tiny_llama.name) == 1 and "mine" in labels
    assert said["longest"] == 2000 and said["refused"] == ""


async def test_a_text_is_cut_by_a_loaded_model_and_one_that_is_not(actions: TextActions) -> None:
    loaded, mine = await named(actions)
    said = await actions.tokens(ANN, {"text": "hello world", "models": [loaded, mine]})
    assert [model["tokens"] for model in said["models"]] == [["he", "llo", "Ġworld"]] * 2


@pytest.mark.parametrize(("models", "said"), [([], "0 models were named"), (["a", "b", "c"], "3 models were named")])
async def test_no_model_and_three_are_refused(actions: TextActions, models: list[str], said: str) -> None:
    with pytest.raises(ChatError, match=f"{said}; a text is shown through 1 or 2"):
        await actions.tokens(ANN, {"text": "hello", "models": models})


async def test_one_that_is_not_here_is_refused_without_asking_the_hub(actions: TextActions) -> None:
    with pytest.raises(ChatError, match="org/none is not on this machine"):
        await actions.tokens(ANN, {"text": "hello", "models": ["org/none"]})


@pytest.mark.parametrize("settings", [{"public": True}, {}])
async def test_a_stranger_sees_loaded_models_only(actions: TextActions, settings: dict) -> None:
    loaded, mine = await named(actions)
    actions.settings = Settings(data_dir=actions.settings.data_dir, **settings)

    async def asked() -> None:
        handed_on.set(not settings)
        said = await actions.listed(ANN, {})
        assert [model["name"] for model in said["models"]] == [loaded] and "own machine" in said["refused"]
        assert (await actions.tokens(ANN, {"text": "hello", "models": [loaded]}))["models"][0]["ids"]
        for name in (mine, "smollm2", "/etc", "org/none"):
            with pytest.raises(ChatError, match=r"is not loaded here\. Loaded are"):
                await actions.tokens(ANN, {"text": "hello", "models": [name]})

    await asyncio.create_task(asked())


async def named(actions: TextActions) -> tuple[str, str]:
    """The loaded model, and the one in the data folder."""
    models = (await actions.listed(ANN, {}))["models"]
    return models[0]["name"], next(model["name"] for model in models if model["label"] == "mine")


async def test_an_encoder_that_was_loaded_for_a_text_is_listed_as_loaded(actions: TextActions, tmp_path: Path) -> None:
    make_encoder(tmp_path / "models" / "reader")
    (row,) = [model for model in (await actions.listed(ANN, {}))["models"] if model["label"] == "reader"]
    assert row["encoder"] and not row["loaded"]
    asked = {"view": "depth", "text": "one two three", "models": [row["name"]], "load": True}
    lines = [line async for line in actions.look(ANN, asked)]
    assert lines[-1] == {"done": True} and lines[-2]["data"]["words"]
    assert [model["loaded"] for model in (await actions.listed(ANN, {}))["models"] if model["label"] == "reader"] == [True]


async def test_the_page_is_offered_what_is_not_loaded_before_the_refusal(actions: TextActions) -> None:
    _, mine = await named(actions)
    lines: list[dict] = []
    with pytest.raises(ChatError, match="mine is not loaded"):
        async for line in actions.look(ANN, {"view": "depth", "text": "one two three", "models": [mine]}):
            lines.append(line)
    assert lines == [{"offer": mine}]
