"""What the page Models asks of the Hub, who may, and what it is told."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.accounts import Accounts
from chatapp.models.downloads import Downloads
from chatapp.models.hub_access import Hub
from chatapp.pages.models_actions import ModelsActions
from chatapp.pages.models_hub import HubActions
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.conftest import Scripted
from tests.encoders import make_classifier
from tests.fakehub import FakeHub
from tests.hubs import online, until

ANN = "visitor:ann"


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[tuple[FakeHub, Hub]]:
    with online(tmp_path / "cache", token=None) as both:
        yield both


@pytest.fixture
def actions(hubs: tuple[FakeHub, Hub], scripted: Scripted, tmp_path: Path) -> HubActions:
    return made(hubs[1], scripted, tmp_path)


def made(hub: Hub, engine: Scripted, folder: Path, **settings: object) -> HubActions:
    models = ModelManager.of(engine)
    downloads = Downloads(models.tasks)
    return HubActions(ModelsActions(models, Settings(data_dir=folder, **settings), downloads), downloads, Accounts(hub))


async def test_search_gives_rows_and_a_pasted_address_the_model(hubs: tuple[FakeHub, Hub], actions: HubActions, tiny_llama: Path) -> None:
    fake, hub = hubs
    fake.add("org/tiny", tiny_llama, card={"license": "mit", "language": "en"}, downloads=1234)
    said = await actions.search(ANN, {"text": "tiny"})
    (row,) = said["rows"]
    assert (row["name"], row["licence"], row["downloads"], row["languages"], row["xray"]) == ("org/tiny", "mit", "1.23 k", ["en"], "")
    assert row["fit"]["verdict"] == "fits" and row["can"] == [("chat", "It has a chat template.")] and not said["more"]
    assert (await actions.search(ANN, {"text": f"{hub.address}/org/tiny"}))["named"] == "org/tiny"
    assert (await actions.search(ANN, {"rows": 1}))["more"]
    with pytest.raises(ChatError, match="is no order"):
        await actions.search(ANN, {"sort": "best"})


async def test_a_card_is_safe_html_with_its_head_as_a_table(hubs: tuple[FakeHub, Hub], actions: HubActions, tiny_llama: Path) -> None:
    fake, hub = hubs
    readme = b"---\nlicense: mit\n---\n# Hi\n<script>alert(1)</script>![p](https://evil.example/p.png)"
    fake.add("org/tiny", tiny_llama, card={"license": "mit"}).files["README.md"] = readme
    said = await actions.card(ANN, {"name": "org/tiny"})
    html = "".join(said["blocks"])
    assert "<h1" in html and "<script" not in html and "<img" not in html and 'href="https://evil.example/p.png"' in html
    assert (said["front"], said["address"]) == ([("license", "mit")], f"{hub.address}/org/tiny")
    assert all(view["works"] for view in said["views"]) and said["choices"][0]["name"] == "org/tiny"
    json.dumps(said)
    for name in ("../etc", "/etc/passwd", "", "a b"):
        with pytest.raises(ChatError, match="is no name of a model on the Hub"):
            await actions.card(ANN, {"name": name})


async def test_download_and_token_and_who_it_is(hubs: tuple[FakeHub, Hub], actions: HubActions, tiny_llama: Path) -> None:
    fake, _ = hubs
    fake.add("org/gated", tiny_llama, gated="auto", readers=frozenset({"hf_of_ann"}))
    fake.users["hf_of_ann"] = "ann"
    assert (await actions.account(ANN, {}))["name"] == ""
    account = await actions.token(ANN, {"token": "hf_of_ann"})
    assert (account["name"], account["typed"]) == ("ann", True) and "hf_of_ann" not in json.dumps(account)
    task = (await actions.download(ANN, {"name": "org/gated"}))["task"]
    (running,) = actions.downloads._tasks.of("")
    assert running.id == task
    await asyncio.to_thread(until, lambda: running.state != "running")
    assert running.state == "done"
    assert (await actions.token(ANN, {"token": ""}))["name"] == ""


async def test_a_stranger_may_search_and_read_but_fetches_nothing_and_uses_nobodys_token(
    hubs: tuple[FakeHub, Hub], scripted: Scripted, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, hub = hubs
    fake.add("org/tiny", tiny_llama)
    fake.add("org/gated", tiny_llama, gated="auto", readers=frozenset({"hf_of_machine"}))
    monkeypatch.setenv("HF_TOKEN", "hf_of_machine")
    public = made(hub, scripted, tmp_path, public=True)
    assert len((await public.search(ANN, {}))["rows"]) == 2
    assert "accept terms" in (await public.card(ANN, {"name": "org/gated"}))["closed"]
    assert {token for _, token in fake.tokens} == {""}
    for ask, asked in ((public.download, {"name": "org/tiny"}), (public.token, {"token": "hf_of_machine"})):
        with pytest.raises(ChatError, match="the person at the app's own machine") as refused:
            await ask(ANN, asked)
        assert refused.value.status == 403
    local = made(hub, scripted, tmp_path)

    async def through_a_proxy() -> None:
        handed_on.set(True)
        assert local.hub(ANN).token is False
        with pytest.raises(ChatError, match="not through a proxy"):
            await local.download(ANN, {"name": "org/tiny"})

    await asyncio.create_task(through_a_proxy())


async def test_what_is_loaded_or_being_fetched_is_not_deleted(scripted: Scripted, tmp_path: Path, tiny_llama: Path) -> None:
    place = Path(shutil.copytree(tiny_llama, tmp_path / "models" / "scripted"))
    other = Path(shutil.copytree(tiny_llama, tmp_path / "models" / "other"))
    models = ModelManager.of(scripted)
    actions = ModelsActions(models, Settings(data_dir=tmp_path), Downloads(models.tasks))
    with pytest.raises(ChatError, match="scripted is loaded"):
        await actions.delete(ANN, {"name": str(place), "sure": True})
    assert "frees" in (await actions.delete(ANN, {"name": str(other)}))["words"]
    names = [row["label"] for row in (await actions.overview(ANN, {}))["here"]]
    assert names[-2:] == ["other", "scripted"]
    await actions.delete(ANN, {"name": str(other), "sure": True})
    assert [row["label"] for row in (await actions.overview(ANN, {}))["here"]] == [*names[:-2], "scripted"]


async def test_a_classifier_on_the_hub_says_so_and_promises_no_chat(hubs: tuple[FakeHub, Hub], actions: HubActions, tmp_path: Path) -> None:
    fake, _ = hubs
    fake.add("org/judge", make_classifier(tmp_path / "judge"), task="text-classification")
    (row,) = (await actions.search(ANN, {"task": "text-classification"}))["rows"]
    assert (row["use"]["purpose"], row["xray"], [short for short, _ in row["can"]]) == ("classifier", "", ["classifier"])
    said = await actions.card(ANN, {"name": "org/judge"})
    assert said["use"]["words"] == "It gives a text one of 2 labels: negative, positive." and said["views"] == []
    assert [choice["name"] for choice in said["choices"]] == ["org/judge"]
