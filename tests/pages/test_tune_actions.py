"""What the page Train asks about fine-tuning: what can be chosen and why not, what is learned, and before and after in Compare."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gguf import GGUFWriter

from chatapp.errors import ChatError
from chatapp.lab import grid_file
from chatapp.lab.finetune import asked
from chatapp.lab.lists import no_files
from chatapp.lab.train import history
from chatapp.lab.train.runs import all_runs
from chatapp.pages.tune_actions import LESSON, TuneActions
from chatapp.pages.tune_protocol import TunePlan
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.turn import Turn, new_id
from tests.conftest import Scripted
from tests.lab.finetune.taught import CHATS, tuning

ANN = "visitor:ann"
RUN = "a" * 32


@pytest.fixture
def actions(scripted: Scripted, tmp_path: Path) -> Iterator[TuneActions]:
    """Nobody trains, and ann has a chat of two replies, of which one was cut."""
    settings = Settings(data_dir=tmp_path, device="cpu")
    models = ModelManager.of(scripted, settings)
    runs, store = all_runs(models.tasks, settings), Store(f"sqlite:///{tmp_path / 'chat.db'}")
    for user, reason in (("How?", "end"), ("And?", "length")):
        turn = Turn(ANN, "one", user, parent_id=store.leaf(ANN, "one") if user == "And?" else None)
        store.begin(turn)
        turn.reply_text, turn.finish_reason = "So.", reason
        turn.timings = turn.timings.__class__(started=1.0)
        store.finish(turn)
    yield TuneActions(models, settings, runs, store)
    store.close()
    models.close()


def folder(place: Path, **config: object) -> Path:
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps(config))
    (place / "model.safetensors").write_bytes(b"")
    return place


async def test_models_that_cannot_learn_say_why_and_conversations_count_whole_replies(actions: TuneActions, tmp_path: Path) -> None:
    folder(tmp_path / "models/reads", model_type="bert", architectures=["BertModel"])
    folder(tmp_path / "models/labels", model_type="llama", architectures=["LlamaForSequenceClassification"])
    folder(tmp_path / "models/packed", model_type="llama", architectures=["LlamaForCausalLM"], quantization_config={"quant_method": "gptq"})
    folder(tmp_path / "models/writes", model_type="llama", architectures=["LlamaForCausalLM"])
    folder(tmp_path / "models/new", model_type="brandnew", architectures=["BrandNewForCausalLM"])
    (tmp_path / "models/broken.gguf").write_bytes(b"nothing")
    writer = GGUFWriter(tmp_path / "models/other.gguf", "brandnew")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    said = await actions.home(ANN, {})
    why = {model["label"]: model["refused"] for model in said["models"]}
    assert why["writes"] == "" and why["reads"].endswith("writes nothing. So it can learn no replies.")
    assert why["new"] == "The installed transformers does not know brandnew." and "is no GGUF file" in why["broken"]
    assert why["other"].startswith("transformers cannot read brandnew from a GGUF file, so it cannot learn.")
    assert why["labels"].startswith("It gives") and "quantized (gptq)" in why["packed"]
    assert [(chat["id"], chat["replies"]) for chat in said["chats"]] == [("one", 1)]
    assert (await actions.home("visitor:bob", {}))["chats"] == [] and said["seen"] == ""
    assert (await actions.home("user:ann", {}))["seen"].startswith("Runs are everybody's who logs in here")
    assert said["first"] in [model["name"] for model in said["models"] if not model["refused"]]


async def test_files_and_conversations_are_counted_or_refused(actions: TuneActions, tmp_path: Path) -> None:
    (path := tmp_path / "pairs.csv").write_text("prompt,reply\nHi,Hello\nBye,See you\n")
    said = await actions.read(ANN, {"files": [str(path)], "chats": ["one"]})
    assert said == {"words": "2 pairs and 1 conversation"}
    (path := tmp_path / "empty.csv").write_text("prompt,reply\n")
    with pytest.raises(ChatError, match=r"empty.csv holds no pair"):
        await actions.read(ANN, {"files": [str(path)]})
    with pytest.raises(ChatError, match="1 of the chosen conversations are gone"):
        await actions.read("visitor:bob", {"chats": ["one"]})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"chats": []}, "nothing to learn: name a file of pairs, or choose conversations"),
        ({"model": ""}, "Choose a model"),
        ({"model": "./nowhere"}, "was not found"),
        ({"lesson": {"epochs": 3, "rank": 1_000_000, "learning_rate": 0.1}}, "Rank: 1000000 is no whole number from 1 to 512"),
    ],
)
async def test_nothing_begins_of_what_is_wrong(actions: TuneActions, tiny_llama: Path, given: dict, words: str) -> None:
    lesson = {"epochs": 1, "rank": 1, "learning_rate": 0.1}
    with pytest.raises(ChatError, match=words):
        await actions.begin(ANN, {"model": str(tiny_llama), "chats": ["one"], "lesson": lesson} | given)
    assert actions.runs.listed() == []


async def test_a_run_that_nobody_named_is_called_as_no_other_is(actions: TuneActions, tmp_path: Path, tiny_llama: Path) -> None:
    (path := tmp_path / "pairs.csv").write_text("prompt,reply\nHi,Hello\nBye,See you\n")
    asked_for = {"model": str(tiny_llama), "files": [str(path)], "chats": [], "lesson": LESSON}

    def called(**more: str) -> str:
        wanted = actions._wanted(ANN, TunePlan.read(asked_for | more))
        history.begun(tmp_path / history.FOLDER / new_id(), history.TUNING, wanted.name, wanted.files())
        return wanted.name

    first = called()
    assert first.endswith(", 2 pairs")
    assert [called() for _ in range(2)] == [f"{first} (2)", f"{first} (3)"]
    assert [called(name="Mine"), called(name="Mine")] == ["Mine", "Mine"]


async def test_before_and_after_is_a_grid_that_compare_takes(actions: TuneActions, tiny_llama: Path, tmp_path: Path) -> None:
    wanted = tuning(tiny_llama, tmp_path)
    place = tmp_path / history.FOLDER / RUN
    history.begun(place, history.TUNING, wanted.name, wanted.files())
    (place / asked.HELD_OUT).write_text(asked.lines_of(CHATS[:2]))
    with pytest.raises(ChatError, match="Merge it first"):
        await actions.beside(ANN, {"id": RUN})
    (place / "merged").mkdir()
    said = await actions.beside(ANN, {"id": RUN})
    grid = grid_file.read(said["grid"], no_files)
    assert [(variant.label, variant.model) for variant in grid.variants()] == [
        ("before", str(tiny_llama)),
        ("after", str(place / "merged")),
    ]
    assert [question.text for question in grid.questions()] == ["hello world 0", "hello world 1"]
    assert said["title"] == "My pairs: before and after"


async def test_strangers_read_one_sentence(actions: TuneActions) -> None:
    handed_on.set(True)
    for action, body in ((actions.home, {}), (actions.read, {}), (actions.begin, {"model": "x"}), (actions.beside, {"id": RUN})):
        with pytest.raises(ChatError, match="own machine only"):
            await action(ANN, body)
    for stream, body in ((actions.plan, {"model": "x"}), (actions.merge, {"id": RUN})):
        with pytest.raises(ChatError, match="own machine only"):
            [line async for line in stream(ANN, body)]
