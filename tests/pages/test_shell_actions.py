"""What every page is told of tasks and logins, and what it may do; what the page About says."""

import asyncio

import httpx2
import pytest

from chatapp import __version__
from chatapp.errors import ChatError, NotFound
from chatapp.pages import about_page, shell_actions
from chatapp.pages.shell_actions import ShellActions
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Door
from chatapp.settings import Settings
from chatapp.tasks import EVERYBODY, Tasks
from tests.conftest import Scripted
from tests.serving import serve

PUBLIC = Settings(public=True, host="0.0.0.0")


async def rows(actions: ShellActions, owner: str) -> list[dict]:
    return (await actions.shell(owner, {}))["tasks"]


async def test_a_page_is_told_its_tasks_once_and_then_what_changed() -> None:
    tasks = Tasks()
    actions = ShellActions(tasks, Settings())
    task = tasks.begin("user:ann", "convert", "Convert x.gguf")
    task.tell("Reading", 0.5)
    first = await actions.shell("user:ann", {"have": ""})
    assert first["user"] == "ann"
    shown = {"kind": "convert", "title": "Convert x.gguf", "state": "running", "words": "Reading", "share": 0.5, "can": ["cancel"]}
    assert shown.items() <= first["tasks"][0].items()
    assert await actions.shell("user:ann", {"have": first["sign"]}) == {}
    task.tell("Reading", 0.6)
    assert (await actions.shell("user:ann", {"have": first["sign"]}))["tasks"][0]["share"] == 0.6
    assert await rows(actions, "visitor:1") == []
    assert (await actions.shell("visitor:1", {}))["user"] == ""


async def test_cancel_try_again_and_dismiss() -> None:
    tasks = Tasks()
    actions = ShellActions(tasks, Settings())
    begun = []
    task = tasks.begin("user:ann", "load", "Load x", again=lambda: begun.append(True))
    await actions.act("user:ann", {"do": "cancel", "id": task.id})
    (row,) = await rows(actions, "user:ann")
    assert row["words"].startswith("Cancelling") and row["can"] == []
    task.end("cancelled")
    (row,) = await rows(actions, "user:ann")
    assert (row["state"], row["can"]) == ("cancelled", ["retry", "dismiss"])
    await actions.act("user:ann", {"do": "retry", "id": task.id})
    assert begun == [True] and await rows(actions, "user:ann") == []
    with pytest.raises(NotFound):
        await actions.act("user:ann", {"do": "dismiss", "id": task.id})
    with pytest.raises(ChatError, match="does not know"):
        await actions.act("user:ann", {"do": "explode", "id": task.id})


@pytest.mark.parametrize(("settings", "proxy", "can"), [(Settings(), False, ["cancel"]), (Settings(), True, []), (PUBLIC, False, [])])
async def test_a_stranger_sees_the_model_load_and_cannot_cancel_it(settings: Settings, proxy: bool, can: list[str]) -> None:
    actions = ShellActions(Tasks(), settings)
    task = actions.tasks.begin(EVERYBODY, "load", "Load x")

    async def asked() -> list[dict]:
        handed_on.set(proxy)
        found = await rows(actions, "visitor:1")
        if not can:
            with pytest.raises(ChatError, match="only the person at the app's machine"):
                await actions.act("visitor:1", {"do": "cancel", "id": task.id})
        return found

    (row,) = await asyncio.create_task(asked())
    assert row["can"] == can


def test_tasks_and_logins_go_through_the_door(scripted: Scripted) -> None:
    door, tasks = Door(), Tasks()
    shell_actions.add(door, tasks, Settings())
    with serve(scripted, more=door.routes()) as site:
        task = tasks.begin(EVERYBODY, "load", "Load x")
        (row,) = httpx2.post(f"{site.url}/ui/shell", json={}).json()["tasks"]
        assert row["id"] == task.id
        assert httpx2.post(f"{site.url}/ui/tasks", json={"do": "cancel", "id": task.id}).json() == {}
        through = httpx2.post(f"{site.url}/ui/tasks", json={"do": "cancel", "id": task.id}, headers={"x-forwarded-for": "1.2.3.4"})
        assert through.status_code == 403 and "only the person" in through.json()["error"]["message"]
    assert task.cancelling


async def test_about_names_versions_the_model_and_the_api(scripted: Scripted) -> None:
    door = Door()
    about_page.add(door, ModelManager.of(scripted), Settings(api_key="k"))
    said = await door.actions["about"]("visitor:1", {})
    facts = dict(said["facts"])
    assert facts["Chat"] == f"{__version__}, MIT licence" and facts["Model"].startswith("scripted")
    assert facts["Engine"].startswith("scripted on cpu, float32 (transformers ")
    assert "gradio" in dict(said["libraries"])
    assert (said["api"], said["model"]) == (True, "scripted")


async def test_about_says_what_is_going_on_while_there_is_no_model() -> None:
    door = Door()
    about_page.add(door, ModelManager(Settings()), Settings())
    said = await door.actions["about"]("visitor:1", {})
    assert dict(said["facts"])["Model"] == "Not loaded …"
    assert (said["api"], said["model"]) == (False, "")


@pytest.mark.parametrize(("key", "says"), [("", "The API is off. Start the app with CHATAPP_API_KEY"), ("k", "GET /v1/models")])
def test_the_base_url_says_what_it_is(scripted: Scripted, key: str, says: str) -> None:
    with serve(scripted, api_key=key) as site:
        answer = httpx2.get(f"{site.url}/v1")
    assert answer.status_code == 200
    assert says in answer.json()["message"]
