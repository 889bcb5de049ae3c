"""What the page Classify is told: for the person at this machine and for strangers, who have what is in memory alone."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.classify import minilm
from chatapp.lab.classify.begun import Trainings
from chatapp.lab.classify.service import ClassifyService
from chatapp.pages.classify_actions import ClassifyActions
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.xray.inspector import Inspector
from tests.encoders import make_classifier, make_encoder

ANN = "visitor:ann"
TEXT = "hello world"


@pytest.fixture
def actions(make_direct, tiny_llama: Path, tmp_path: Path) -> Iterator[ClassifyActions]:
    """A classifier in the data folder, beside an encoder."""
    from tests.directs import endless

    make_classifier(tmp_path / "models" / "judge")
    make_encoder(tmp_path / "models" / "encoder")
    settings = Settings(data_dir=tmp_path)
    models = ModelManager.of(make_direct(endless(tiny_llama)), settings)
    inspector = Inspector(models)
    yield ClassifyActions(settings, ClassifyService(inspector, settings), Trainings(models.tasks, settings))
    inspector.close()


async def answers(actions: ClassifyActions, stream: str, **asked: object) -> list[dict]:
    return [line async for line in getattr(actions, stream)(ANN, asked)]


async def test_a_text_is_shown_step_by_step_then_by_word(actions: ClassifyActions) -> None:
    said = await actions.listed(ANN, {})
    assert [row["label"] for row in said["models"]] == ["judge"] and said["refused"] == "" and said["longest"] == 20_000
    lines = await answers(actions, "look", text=TEXT)
    first, last = (line["data"] for line in lines if "data" in line)
    assert first == {name: value for name, value in last.items() if name not in ("words", "why_not")}
    assert [TEXT[word["start"] : word["end"]] for word in last["words"]] == ["hello", "world"] and lines[-1] == {"done": True}
    assert any(line.get("words") == "Loading judge" for line in lines)
    assert not any(line.get("words") == "Loading judge" for line in await answers(actions, "look", text=TEXT))


async def test_a_table_is_measured_and_comes_back_as_a_file(actions: ClassifyActions) -> None:
    rows = "\n".join(f"hello {n},{'positive' if n % 2 else 'negative'}" for n in range(250))
    lines = await answers(actions, "table", name="in.csv", text=f"text,label\n{rows}\n")
    (found,) = (line["data"] for line in lines if "data" in line)
    assert found["count"] == 250 and len(found["rows"]) == 200 and len(found["csv"].splitlines()) == 251
    wrong = found["count"] - found["measured"]["right"]
    assert [row["truth"] == row["label"] for row in found["rows"]] == [False] * wrong + [True] * (200 - wrong) and 0 < wrong < 200
    assert any(line.get("words") == "240 of 250 texts" for line in lines)


async def test_wrong_input_is_a_sentence(actions: ClassifyActions) -> None:
    for stream, asked, words in (
        ("look", {"text": " "}, "this one has 0"),
        ("look", {"text": TEXT, "model": "org/none"}, "org/none is not on this machine"),
        ("look", {"text": TEXT, "model": str(actions.settings.data_dir / "models/encoder")}, "has no head to classify with"),
        ("table", {"name": "in.csv", "text": "text\nhello\n", "label_column": "gold"}, "in.csv has no column 'gold' for the labels"),
        ("table", {"name": "in.doc", "text": "text\nhello\n"}, "in.doc must end in .txt, .csv or .jsonl"),
    ):
        with pytest.raises(ChatError, match=words):
            await answers(actions, stream, **asked)


async def test_a_stranger_has_what_is_in_memory_alone(actions: ClassifyActions) -> None:
    here = actions.settings
    actions.settings = Settings(data_dir=here.data_dir, public=True)
    said = await actions.listed(ANN, {})
    assert said["models"] == [] and "own machine" in said["refused"]
    with pytest.raises(ChatError, match=r"is not loaded here\. Loaded are: none"):
        await answers(actions, "look", text=TEXT, model=str(here.data_dir / "models/judge"))
    actions.settings = here
    await answers(actions, "look", text=TEXT)
    actions.settings = Settings(data_dir=here.data_dir, public=True)
    assert [row["name"] for row in (await actions.listed(ANN, {}))["models"]] == ["judge"]
    assert (await answers(actions, "look", text=TEXT, model="judge"))[-1] == {"done": True}


async def test_of_three_classifiers_the_one_asked_longest_ago_is_freed(actions: ClassifyActions) -> None:
    for name in ("a", "b"):
        await asyncio.to_thread(make_classifier, actions.settings.data_dir / "models" / name)
    for name in ("judge", "a", "judge", "b"):
        await answers(actions, "look", text=TEXT, model=name)
    assert [place.name for place in actions.service.held()] == ["judge", "b"]


async def test_a_chat_model_in_memory_classifies_for_everybody_by_any_labels(actions: ClassifyActions) -> None:
    (chat,) = (await actions.listed(ANN, {}))["chats"]
    actions.settings = Settings(data_dir=actions.settings.data_dir, public=True)
    lines = await answers(actions, "look", text=TEXT, model=chat["name"], labels=["fine", "how"])
    last = [line["data"] for line in lines if "data" in line][-1]
    assert [row["label"] for row in last["rows"]] == ["fine", "how"] and len(last["words"]) == 2 and len(last["beside"]) == 2
    table = await answers(actions, "table", name="in.csv", text="text,label\nhello,fine\n", model=chat["name"], labels=["fine", "how"])
    (found,) = (line["data"] for line in table if "data" in line)
    assert found["measured"]["count"] == 1
    for asked, words in (
        ({"labels": ["one"]}, "2 to 20 different"),
        ({"labels": ["a", "b"], "model": "org/none"}, "org/none is not loaded"),
    ):
        with pytest.raises(ChatError, match=words):
            await answers(actions, "look", text=TEXT, **asked)


async def test_what_to_install_is_said_before_a_training_is_begun(actions: ClassifyActions, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await actions.listed(ANN, {}))["missing"] == ""
    monkeypatch.setattr(minilm, "PACKAGE", "there-is-no-such-encoder")
    assert "make extras" in (await actions.listed(ANN, {}))["missing"]
    with pytest.raises(ChatError, match="make extras"):
        await actions.train(ANN, {})
    assert actions.trainings.tasks.of(ANN) == [] and not (actions.settings.data_dir / "corpora").exists()
