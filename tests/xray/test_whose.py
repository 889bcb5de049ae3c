"""X-ray shows a reply by the weights that wrote it: others of the same name are refused, unknown ones said, foreign ids never looked up."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.models.identity import revision_of
from chatapp.models.remembered import remember
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.turn import Turn
from chatapp.xray.inspector import Inspector
from chatapp.xray.service import XrayService
from chatapp.xray.views import prompt
from tests.chat.test_identity import EMBEDDED_RECORD, stored
from tests.chats import ME, ended
from tests.conftest import Scripted
from tests.directs import endless
from tests.tiny import one_more_step
from tests.xray.test_views import QUESTIONS
from tests.xrays import GREEDY, last, lines, told

READING = [view for view in QUESTIONS if view not in ("card", "prompt")]
"""The views that need the model."""


class Page:
    """What a person sees of X-ray over one engine, by whose reply is looked at."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self.chat = Chat(ModelManager.of(engine, Settings(dtype="float32", threads=1)), store)
        self.service = XrayService(self.chat, self.chat.models)

    async def ask(self, view: str, turn: Turn, **more) -> list[dict]:
        """The answers without steps; what can be done about a refusal stands in it."""
        asked = lines(self.service, ME, view, turn.id, **({} if view == "load" else {"asked": QUESTIONS.get(view, {})}), **more)
        answers = [answer async for answer in asked if "words" not in answer]
        cures = [answer for answer in answers if answer.keys() & {"offer", "anyway"}]
        return [answer | (cures[0] if cures and "error" in answer else {}) for answer in answers if answer not in cures]

    async def close(self) -> None:
        self.service.inspector.close()
        await self.chat.shutdown()


@pytest.fixture
async def pages(tiny_llama: Path, make_direct, tmp_path: Path) -> AsyncIterator[tuple[Page, Page]]:
    """The page over the tiny model, and over the next checkpoint of its run in a folder of the same name."""
    later = one_more_step(tiny_llama, tmp_path / "b" / tiny_llama.name)
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    made = Page(make_direct(endless(tiny_llama)), store), Page(make_direct(endless(later)), store)
    yield made
    for page in made:
        await page.close()


async def test_a_reply_of_another_checkpoint_of_the_same_name_is_refused_by_every_view(pages: tuple[Page, Page]) -> None:
    first, second = pages
    turn = await told(first.chat)
    here = second.chat.models.first.info
    for view in READING:
        (answer,) = await second.ask(view, turn)
        apart = f"made by {turn.model}@{turn.revision}; {here.model}@{here.revision} is loaded"
        if view == "tokenizer":  # of a model that is not loaded it is read alone, if it is known where
            apart = f"Where {turn.model} with the fingerprint {turn.revision} lies is not known here"
        assert apart in answer["error"]["message"] and "anyway" not in answer, view
    (shown, _) = await second.ask("prompt", turn)
    assert shown["data"]["text"] == turn.prompt_text and shown["data"]["rows"] is None
    (insisting,) = await second.ask("probabilities", turn, anyway=True)
    assert "is loaded" in insisting["error"]["message"], "where it is known, nobody may look anyway"
    (card, _) = await second.ask("card", turn)
    assert card["data"]["why_not"].startswith("This reply was made by") and card["data"]["off"] == {}


async def test_the_right_checkpoint_is_offered_and_its_numbers_are_shown(pages: tuple[Page, Page], tiny_llama: Path) -> None:
    first, second = pages
    turn = await told(first.chat)
    own = (await first.ask("measure", turn))[-2]["data"]
    remember(tiny_llama, turn.revision, second.chat.models.settings.data_dir)
    (refused,) = await second.ask("measure", turn)
    assert refused["offer"] == f"{turn.model}@{turn.revision}" and str(tiny_llama) not in str(refused)
    (card, _), (replayed,) = await second.ask("card", turn), await second.ask("replay", turn)
    assert card["data"]["offer"] == replayed["offer"] == refused["offer"], "Reproduce has its button, too"
    assert (await second.ask("load", turn))[-1] == {"done": True}
    again = (await second.ask("measure", turn))[-2]["data"]
    assert own["largest"] < 1e-4 and again["largest"] < 1e-4
    *_, replayed, _ = await second.ask("replay", turn)
    assert replayed["data"]["replay"]["tokens"] == len(turn.reply_ids) and replayed["data"]["replay"]["differs"] is None
    branch = await ended(second.chat, await actions.branch(second.chat, ME, turn.id, 3, 77, sampling=GREEDY))
    assert (branch.revision, branch.prefix_tokens, branch.error) == (turn.revision, 4, "")
    theirs = await told(second.chat)
    assert (await second.ask("measure", theirs))[-2]["data"]["largest"] < 1e-4, "and the resident one is still found"


async def test_what_changed_since_is_not_loaded_under_the_old_name(pages: tuple[Page, Page], tiny_llama: Path, tmp_path: Path) -> None:
    first, second = pages
    turn = await told(first.chat)
    folder = shutil.copytree(tiny_llama, tmp_path / "moved")
    remember(folder, turn.revision, second.chat.models.settings.data_dir)
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    (answer,) = await second.ask("load", turn)
    assert "has changed since" in answer["error"]["message"] and str(tmp_path) not in answer["error"]["message"]


async def test_an_old_record_says_not_by_which_weights_and_a_person_may_look_anyway(pages: tuple[Page, Page]) -> None:
    first, _ = pages
    turn = await told(first.chat)
    old = stored(first.chat, replace(turn, revision=""))
    for view in READING:
        (answer,) = await first.ask(view, old)
        assert "does not say by which weights" in answer["error"]["message"], view
        assert answer.get("anyway", False) == (view != "replay"), view
        *parts, end = await first.ask(view, old, anyway=True)
        assert end == {"done": True} and all("It is not known whether" in part["data"]["unsure"] for part in parts), (view, end)
    (shown, _) = await first.ask("prompt", old)
    assert shown["data"]["anyway"] and shown["data"]["text"] == turn.prompt_text
    (card, _) = await first.ask("card", old, anyway=True)
    assert card["data"]["anyway"] and card["data"]["card"]["revision"] == "" and "unsure" not in card["data"]


async def test_what_one_model_makes_of_an_old_record_is_not_shown_as_anothers(pages: tuple[Page, Page]) -> None:
    first, second = pages
    old = stored(first.chat, replace(await told(first.chat), revision=""))
    mine = (await first.ask("probabilities", old, anyway=True))[-2]["data"]["rows"]
    first.chat.models.first._engine = second.chat.models.first.engine
    theirs = (await first.ask("probabilities", old, anyway=True))[-2]["data"]["rows"]
    assert [row["p"] for row in mine] != [row["p"] for row in theirs]


FORGED = {"prompt": {"prompt_ids": (3, 10**8)}, "reply": {"reply_ids": [10**8] * 12}, "negative": {"reply_ids": [-5] * 12}}


@pytest.mark.parametrize("ids", FORGED.values(), ids=FORGED)
async def test_ids_outside_the_vocabulary_are_named_by_every_view(pages: tuple[Page, Page], ids: dict) -> None:
    page, _ = pages
    forged = stored(page.chat, replace(await told(page.chat), **ids))
    size = page.chat.models.first.info.vocabulary
    pasted = ("tokenizer", "search", "perplexity", "pasted")
    for view in [*QUESTIONS, "tutorial"]:
        *_, answer = await page.ask(view, forged)
        if view in ("card", *pasted) or (view == "replay" and "reply_ids" in ids):
            assert answer == {"done": True}, (view, answer)  # the record as it is, or nothing of it; a replay compares numbers
        elif view == "prompt":
            assert f"outside the vocabulary of {size} of" in (await page.ask(view, forged))[0]["data"]["why"]
        else:
            assert f"outside the vocabulary of {size} of" in answer["error"]["message"], view


async def test_weights_that_changed_under_a_running_engine_are_not_shown_as_its(
    tiny_llama: Path, scripted: Scripted, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "model")
    models = ModelManager.of(scripted, Settings(model=str(folder), data_dir=tmp_path))
    inspector = Inspector(models)
    one_more_step(tiny_llama, tmp_path / "later")
    shutil.copy(tmp_path / "later" / "model.safetensors", folder)
    assert revision_of(folder) != scripted.info.revision
    with pytest.raises(ChatError, match="have changed since the app loaded them"):
        async for _ in inspector.inspected(scripted.info.id):
            pass
    inspector.close()


async def test_old_replies_of_the_embedded_model_are_its_own(scripted: Scripted, smol_gguf: Path, tmp_path: Path) -> None:
    from chatapp.models.sources import resolve

    source = resolve("smollm2", data_dir=tmp_path)
    scripted.info = replace(scripted.info, model=source.name, revision=source.revision)
    page = Page(scripted, Store("sqlite://"))
    turn = await ended(page.chat, await page.chat.send(ME, "Where?", sampling=GREEDY))
    old = stored(page.chat, replace(turn, **EMBEDDED_RECORD, reply_ids=[5, 6]))
    assert (await last(prompt.prompt(page.service.inspector, old)))["rows"]
    await page.close()
