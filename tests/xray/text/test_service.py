"""Questions about a text: plain data of models in memory, of base models and of encoders; offers and refusals with the numbers."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.forecast import Forecast
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.xray.inspector import Inspector
from chatapp.xray.text import models as text_models
from chatapp.xray.text.service import TextService
from chatapp.xray.text.which import find
from tests.directs import endless
from tests.encoders import make_encoder
from tests.tiny import one_more_step
from tests.xrays import last

LARGE = Forecast(9 * 10**9, 0, 1, 256, 10**9)
TEXT = "The capital of France is Paris."


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture
def service(tiny_llama: Path, tiny_gpt2: Path, make_direct, tmp_path: Path):
    shutil.copytree(tiny_gpt2, tmp_path / "models" / "base")
    settings = Settings(model=str(tiny_llama), data_dir=tmp_path, threads=1)
    inspector = Inspector(ModelManager.of(make_direct(endless(tiny_llama)), settings))
    yield TextService(inspector)
    inspector.close()
    inspector.served.close()


async def asked(service: TextService, view: str, *names: str, text: str = TEXT, load: bool = False, **more) -> dict:
    served = service.inspector.served
    return await last(service.look(view, text, [await find(served, name, local=True) for name in names], more, load=load))


@pytest.mark.parametrize("view", ["attention", "layers", "neighbours", "depth", "bertviz"])
async def test_every_view_is_plain_data_of_a_loaded_model_a_base_model_and_an_encoder(
    service: TextService, view: str, tiny_bert: Path
) -> None:
    first = service.inspector.served.first.id
    (own, base) = (await asked(service, view, first, "base", load=True))["models"]
    (own_again, encoder) = (await asked(service, view, first, str(tiny_bert), load=True))["models"]
    assert own["name"] == own_again["name"] != base["name"] == "base"
    assert encoder["name"] == tiny_bert.name


async def test_an_encoder_sees_both_ways_and_is_asked_for_no_next_token(service: TextService, tiny_bert: Path) -> None:
    name = str(tiny_bert)
    (shown,) = (await asked(service, "attention", name, load=True))["models"]
    assert shown["whole"] and shown["tokens"][0] == "[CLS]" and shown["tokens"][-1] == "[SEP]"
    (layers,) = (await asked(service, "layers", name))["models"]
    assert "writes no next token" in layers["why_not"]
    found = await asked(service, "depth", name, service.inspector.served.first.id)
    assert found["models"][0]["encoder"] and set(found["models"][0]["layers"][0]) == {
        "itself",
        "previous",
        "first",
        "next",
        "last",
        "entropy",
    }
    assert any("is an encoder" in words for words in found["words"])


async def test_a_character_chooses_the_token_that_stands_for_it(service: TextService) -> None:
    first = service.inspector.served.first.id
    (shown,) = (await asked(service, "neighbours", first, at=TEXT.index("Paris") + 1))["models"]
    assert shown["words"][next(n for n, cell in enumerate(shown["cells"]) if shown["chosen"] in cell)].strip() in "Paris"
    assert len(shown["neighbours"]) == 10
    (longest,) = (await asked(service, "neighbours", first))["models"]
    lengths = [row["end"] - row["start"] for row in longest["rows"]]
    assert lengths[longest["chosen"]] == max(lengths)


async def test_layers_go_on_from_a_later_token_up_to_the_last(service: TextService) -> None:
    first = service.inspector.served.first.id
    (shown,) = (await asked(service, "layers", first, first=3, count=2))["models"]
    assert (shown["first"], shown["numbered"], len(shown["reply"]), shown["last"]) == (3, 5, 2, False)
    (end,) = (await asked(service, "layers", first, first=10_000, count=4))["models"]
    assert end["last"] and len(end["reply"]) == 1


async def test_what_is_not_loaded_is_offered_with_its_numbers(service: TextService, tiny_bert: Path) -> None:
    for name, said in (("base", r"base is not loaded\. It takes .*free"), (str(tiny_bert), r"It is an encoder and takes .* that are free")):
        with pytest.raises(ChatError, match=said) as refused:
            await asked(service, "depth", name)
        assert refused.value.offer == name


async def test_two_that_do_not_fit_side_by_side_are_refused_with_the_numbers(service: TextService) -> None:
    models, budget = service.inspector.served, service.inspector.served.house.budget
    budget.needs, budget.free = lambda *_: LARGE, lambda device: 10**9
    models.first.held = LARGE
    said = r"base@.* does not fit: it needs 9\.9 GB .* and 1\.0 GB are free\. In memory are .* \(9\.0 GB, looked into\)"
    for names in ((models.first.id, "base"), ("base", models.first.id)):
        with pytest.raises(ChatError, match=said):
            await asked(service, "depth", *names, load=True)
        assert (models.first.state, models.first.looked) == ("ready", 0), "nothing was unloaded"


async def test_an_idle_model_leaves_for_two_that_are_looked_at_side_by_side(service: TextService, tiny_llama: Path, tmp_path: Path) -> None:
    models, budget = service.inspector.served, service.inspector.served.house.budget
    budget.needs = lambda *_: replace(LARGE, free=0)
    budget.free = lambda device: 10**11 if sum(slot.loaded is not None for slot in budget.slots) < 2 else 0
    idle = await models.load(str(one_more_step(tiny_llama, tmp_path / "idle")))
    await idle.wait_ready()
    idle.used = models.first.used + 100  # the first one would leave before it
    shown = await asked(service, "depth", models.first.id, "base", load=True)
    assert len(shown["models"]) == 2 and (models.first.state, idle.state) == ("ready", "unloaded")


async def test_one_encoder_that_two_ask_for_is_read_once(service: TextService, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, read = [], text_models.read_encoder
    monkeypatch.setattr(text_models, "read_encoder", lambda found: made.append(found) or read(found))
    await asyncio.gather(*(asked(service, "depth", str(tiny_bert), load=True) for _ in range(2)))
    assert len(made) == 1


async def test_an_encoder_that_does_not_fit_is_refused_with_the_numbers(service: TextService, tiny_bert: Path, monkeypatch) -> None:
    monkeypatch.setattr("chatapp.models.encoders.free_memory", lambda: 1000)
    with pytest.raises(ChatError, match=r"does not fit: it needs .* in float32, and 0\.0 MB are free"):
        await asked(service, "depth", str(tiny_bert), load=True)


async def test_a_stranger_has_nothing_loaded(service: TextService, tiny_bert: Path) -> None:
    served = service.inspector.served
    found = [await find(served, name, local=True) for name in ("base", str(tiny_bert))]
    handed_on.set(True)
    for one in found:
        with pytest.raises(ChatError, match="only where the app is not open to everyone"):
            await last(service.look("depth", TEXT, [one], {}, load=True))
    assert served.get(found[0].source.id) is None
    handed_on.set(False)


@pytest.mark.parametrize(
    ("view", "more", "said"),
    [
        ("nothing", {}, "no view of a text named 'nothing'"),
        ("layers", {"first": -1}, "16 positions from -1 on"),
        ("layers", {"count": 65}, "65 positions from 0 on"),
        ("bertviz", {"kind": "neuron"}, "no 'neuron' view"),
        ("attention", {"layers": "9"}, "This model has layers 0 to 1"),
        ("depth", {"text": ""}, "this one has 0"),
        ("depth", {"text": "x" * 2001}, "this one has 2,001"),
        ("depth", {"text": "e"}, "At least 3 tokens .* this text has 1"),
    ],
)
async def test_wrong_questions_are_sentences(service: TextService, view: str, more: dict, said: str) -> None:
    with pytest.raises(ChatError, match=said):
        await asked(service, view, service.inspector.served.first.id, **more)


async def test_a_text_longer_than_a_model_reads_is_refused_with_both_numbers(service: TextService, tiny_bert: Path) -> None:
    with pytest.raises(ChatError, match=r"into \d+ tokens; 1 to 64 are looked at"):
        await asked(service, "depth", str(tiny_bert), text="zebra " * 70, load=True)


async def test_tokens_that_hold_a_part_of_a_character_are_one_cell(service: TextService) -> None:
    (shown,) = (await asked(service, "neighbours", service.inspector.served.first.id, text="The 漢 is"))["models"]
    assert "".join(shown["words"]) == "The 漢 is" and max(len(cell) for cell in shown["cells"]) > 1
