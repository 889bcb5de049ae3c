"""What the page Compare is told: a grid read, begun and watched; its run changed; a reply taken on as a chat; files; each owner's own."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.lab.kept import Runs
from chatapp.pages.code_actions import CodeActions
from chatapp.pages.compare_actions import CompareActions
from chatapp.pages.compare_files import made
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.xray.inspector import Inspector
from tests.chats import until
from tests.conftest import Scripted
from tests.serving import serve

ANN, BOB = "visitor:ann", "visitor:bob"
GRID = {"prompts": ["One", "Two"], "columns": [{"name": "a", "temperature": 0}, {"name": "b"}], "assert": [{"contains": "world"}]}


@pytest.fixture
async def actions(scripted: Scripted, tmp_path: Path) -> AsyncIterator[CompareActions]:
    settings = Settings(data_dir=tmp_path)
    models = ModelManager.of(scripted, settings)
    store = Store.open(settings)
    runs = Runs(tmp_path / "compare", models)
    yield CompareActions(Chat(models, store), models, settings, runs)
    await runs.shutdown()
    store.close()


async def watched(actions: CompareActions, id: str, owner: str = ANN) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(line)) async for line in actions.watch(owner, {"id": id})]


def joined(lines: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [one for line in lines for one in line.get(name, [])]


async def test_a_run_is_watched_from_its_head_to_its_verdicts(actions: CompareActions) -> None:
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    lines = await watched(actions, id)
    head, last = lines[0]["head"], lines[-1]
    assert head["title"] == "One" and head["prompts"] == ["One", "Two"] and [one["label"] for one in head["columns"]] == ["a", "b"]
    cells = joined(lines, "cells")
    assert sorted((cell["prompt"], cell["column"]) for cell in cells) == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert all(cell["passed"] and "Hello world" in cell["blocks"][0] and cell["facts"][0] == "3 tokens" for cell in cells)
    assert {cell["facts"][-1] for cell in cells if cell["column"] == "a"} == {"greedy"}
    assert last["done"] and last["state"]["state"] == "finished" and last["state"]["words"] == "4 replies"
    assert [line[:3] for line in last["result"]["table"]] == [["a", "2", "0"], ["b", "2", "0"]]
    assert [one["words"] for one in last["result"]["partings"]] == ["The same words as a."] * 2
    assert [task.result for task in actions.models.tasks.of(ANN)] == [f"./compare#{id}"]
    assert last["result"]["verdicts"] and "prompt tokens" in last["state"]["notes"][-1]


async def test_who_comes_back_sees_what_is_there_and_what_grows(actions: CompareActions, scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x "] * 40, 0.02
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    await until(lambda: bool(actions.runs.running(ANN, id).rows))
    lines = await watched(actions, id)
    assert len(joined(lines, "cells")) == 4
    texts: dict[tuple[int, str], str] = {}
    for one in joined(lines, "grown"):
        key = one["prompt"], one["column"]
        texts[key] = texts.get(key, "")[: one["at"]] + one["more"]
    assert texts and all(set(text) == {"x", " "} for text in texts.values())
    again = await watched(actions, id)
    assert again[-1]["result"] == lines[-1]["result"] and len(joined(again, "cells")) == 4


async def test_pictures_come_with_replies_and_not_with_tokens(actions: CompareActions, scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x ", "y "] * 10, 0.02
    grid = {"prompts": ["One", "Two"], "columns": [{"name": "s", "sweep": {"temperature": [0.5, 1]}}], "replicas": 2}
    lines = await watched(actions, (await actions.begin(ANN, {"grid": grid}))["id"])
    drawn = [n for n, line in enumerate(lines) if "pictures" in line]
    assert 2 <= len(drawn) <= 8 and drawn[-1] == len(lines) - 1 and sum("grown" in line for line in lines) > 8
    [last] = lines[-1]["pictures"]
    assert last["title"] == "s: the sweep of temperature" and any("Distinct-1 by temperature" in figure for figure in last["figures"])
    tokens = next(figure for figure in last["figures"] if "Tokens by" in figure)
    assert tokens.count("<circle") == 8 and "<title>20.0 · s [temperature=1] #2</title>" in tokens
    for n in drawn:
        there = {(cell["prompt"], cell["column"], cell["replica"]) for cell in joined(lines[: n + 1], "cells")}
        labels = [column["label"] for column in lines[0]["head"]["columns"]]
        dots = {tuple(map(int, dot)) for dot in re.findall(r"#reply-(\d+)-(\d+)-(\d+)", "".join(lines[n]["pictures"][0]["figures"]))}
        assert {(prompt, labels[column], replica) for prompt, column, replica in dots} <= there, "a dot's reply is on the page"


async def test_a_judge_that_is_not_here_is_refused_before_anything_runs(actions: CompareActions) -> None:
    with pytest.raises(ChatError, match="The judge: There is no model 'nowhere' here"):
        await actions.begin(ANN, {"grid": GRID | {"judge": "nowhere"}})
    handed_on.set(True)
    with pytest.raises(ChatError, match="The judge: There is no model 'org/name' here"):
        await actions.begin(ANN, {"grid": GRID | {"judge": "org/name"}})
    assert (await actions.home(ANN, {}))["runs"] == []


async def test_judged_replies_come_again_with_their_numbers(tiny_llama: Path, tmp_path: Path) -> None:
    settings = Settings(model=str(tiny_llama), engine="direct", data_dir=tmp_path, threads=1, device="cpu", dtype="float32")
    models = ModelManager(settings)
    models.start()
    store, runs = Store.open(settings), Runs(tmp_path / "compare", models)
    runs.inspector = Inspector(models)
    actions = CompareActions(Chat(models, store), models, settings, runs)
    grid = {"prompts": ["One"], "columns": [{"name": "s", "sweep": {"temperature": [0.5, 1.5]}, "max_tokens": 6}], "replicas": 2}
    lines = await watched(actions, id := (await actions.begin(ANN, {"grid": grid | {"judge": "default"}}))["id"])
    last = {(cell["column"], cell["replica"]): cell for cell in joined(lines, "cells")}
    assert len(last) == 4 and all(cell["facts"][-1].startswith("perplexity ") for cell in last.values())
    assert {"Perplexity", "Entropy"} <= {metric["label"] for metric in lines[-1]["result"]["metrics"]}
    assert any("Perplexity by temperature" in figure for figure in lines[-1]["pictures"][0]["figures"])
    assert lines[-1]["state"] | {"notes": []} == lines[-1]["state"] | {"notes": [], "state": "finished", "unjudged": 0}
    assert runs.listed(ANN)[0].replies == 4 and lines[0]["head"]["grid"]["judge"] == "default" and id
    runs.inspector.close()
    models.close()
    store.close()


async def test_pause_go_on_stop_a_column_and_stop(actions: CompareActions, scripted: Scripted) -> None:
    scripted.hold = asyncio.Event()
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    run = actions.runs.running(ANN, id)
    await actions.do(ANN, {"do": "pause", "id": id})
    assert run.paused
    await actions.do(ANN, {"do": "column", "id": id, "column": "b"})
    await actions.do(ANN, {"do": "go_on", "id": id})
    scripted.hold.set()
    await until(lambda: actions.runs.running(ANN, id) is None)
    last = (await watched(actions, id))[-1]
    assert last["state"]["state"] == "stopped" and last["state"]["words"] == "2 of 4 replies"
    with pytest.raises(ChatError, match="has ended meanwhile"):
        await actions.do(ANN, {"do": "pause", "id": id})
    await actions.do(ANN, {"do": "go_on", "id": id})
    await actions.do(ANN, {"do": "stop", "id": id})
    await actions.do(ANN, {"do": "delete", "id": id})
    assert (await actions.home(ANN, {}))["runs"] == []


async def test_a_cell_that_fails_says_why_and_is_tried_again(actions: CompareActions, scripted: Scripted) -> None:
    scripted.fail_after = 1
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    lines = await watched(actions, id)
    assert all(cell["problem"] and not cell["blocks"] for cell in joined(lines, "cells"))
    assert lines[-1]["state"]["words"] == "0 of 4 replies · 4 failed"
    scripted.fail_after = None
    await actions.do(ANN, {"do": "go_on", "id": id})
    assert (await watched(actions, id))[-1]["state"]["state"] == "finished"


async def test_a_reply_goes_on_as_a_chat_of_its_model(actions: CompareActions, scripted: Scripted) -> None:
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    await watched(actions, id)
    done = await actions.go_on_as_chat(ANN, {"id": id, "prompt": 1, "column": "b", "replica": 0})
    chat = actions.chat.store.conversations.whole(ANN, done["conversation"])
    assert [(turn.id, turn.user, turn.reply) for turn in chat.turns] == [(done["turn"], "Two", "Hello world")]
    assert chat.model == actions.models.first.id
    with pytest.raises(NotFound):
        await actions.go_on_as_chat(ANN, {"id": id, "prompt": 7, "column": "b", "replica": 0})


async def test_a_reply_taken_on_twice_is_one_chat_until_that_is_deleted(actions: CompareActions) -> None:
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    await watched(actions, id)
    ask, conversations = {"id": id, "prompt": 1, "column": "b", "replica": 0}, actions.chat.store.conversations
    first, second = await asyncio.gather(actions.go_on_as_chat(ANN, ask), actions.go_on_as_chat(ANN, ask))
    other = await actions.go_on_as_chat(ANN, ask | {"column": "a"})
    assert first == second != other and conversations.count(ANN) == 2
    conversations.delete(ANN, first["conversation"])
    again = await actions.go_on_as_chat(ANN, ask)
    assert again["conversation"] != first["conversation"] and again == await actions.go_on_as_chat(ANN, ask)


async def test_anothers_run_reads_as_none(actions: CompareActions) -> None:
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    await watched(actions, id)
    for ask in (
        actions.do(BOB, {"do": "delete", "id": id}),
        actions.go_on_as_chat(BOB, {"id": id, "prompt": 0, "column": "a", "replica": 0}),
        watched(actions, id, BOB),
    ):
        with pytest.raises(NotFound):
            await ask
    with pytest.raises(NotFound):
        made(actions.runs, BOB, id, "csv")
    assert (await actions.home(BOB, {}))["runs"] == [] and len((await actions.home(ANN, {}))["runs"]) == 1


async def test_a_reply_of_a_chat_fills_the_form(actions: CompareActions) -> None:
    from chatapp.sampling import Sampling

    turn = await actions.chat.send(ANN, "How far?", system="Be short.", sampling=Sampling(temperature=0.3, max_tokens=9, seed=4))
    await until(lambda: not actions.chat.models.busy)
    said = await actions.of_turn(ANN, {"turn": turn.id})
    first, second = said["grid"]["columns"]
    assert said["alone"] and said["grid"]["prompts"] == ["How far?"]
    assert (first["system"], first["temperature"], first["max_tokens"], "seed" in first) == ("Be short.", 0.3, 9, False)
    assert second == first | {"name": "temperature 1.2", "temperature": 1.2}
    with pytest.raises(NotFound):
        await actions.of_turn(BOB, {"turn": turn.id})


async def test_the_files_of_a_run(actions: CompareActions) -> None:
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    await watched(actions, id)
    files = {form: made(actions.runs, ANN, id, form) for form in ("csv", "jsonl", "markdown", "html", "yaml")}
    assert [ending for ending, _ in files.values()] == [".csv", ".jsonl", ".md", ".html", ".grid.yaml"]
    assert files["csv"][1].startswith("prompt_index,") and files["html"][1].startswith("<!doctype html>")
    assert [json.loads(line)["reply"] for line in files["jsonl"][1].splitlines()] == ["Hello world"] * 4
    opened = await actions.open(ANN, {"name": "grid.yaml", "text": files["yaml"][1]})
    assert (await actions.grid(ANN, opened))["yaml"] == files["yaml"][1]
    with pytest.raises(ChatError, match=r"no form named 'cvs'\. Did you mean csv"):
        made(actions.runs, ANN, id, "cvs")


async def test_prompts_come_from_a_file(actions: CompareActions) -> None:
    said = await actions.open(ANN, {"name": "my.csv", "text": "prompt,town\nWhere is {{town}}?,Rome\n"})
    assert said["grid"]["prompts"][0]["prompt"] == "Where is {{town}}?" and said["grid"]["prompts"][0]["variables"] == {"town": "Rome"}
    id = (await actions.begin(ANN, {"grid": {**GRID, "prompts": said["grid"]["prompts"]}, "title": " Towns "}))["id"]
    lines = await watched(actions, id)
    assert lines[0]["head"]["prompts"] == ["Where is Rome?"] and lines[0]["head"]["title"] == "Towns"


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({}, "either prompts"),
        ({"prompts": [], "columns": []}, "at least one prompt"),
        ({"file": "/etc/passwd", "columns": [{"name": "a"}]}, "is a file's name. Upload the file"),
        ({"prompts": ["x"], "columns": [{"name": "a", "temprature": 1}]}, "Did you mean temperature"),
        ({"prompts": ["x"], "columns": [{"name": "a", "temperature": "warm"}]}, "Temperature is 'warm'"),
        ({"prompts": ["x"], "columns": [{"name": "a"}] * 7}, "7 columns|called 'a'"),
    ],
)
async def test_a_grid_that_is_wrong_is_refused_in_a_sentence(actions: CompareActions, grid: dict[str, Any], said: str) -> None:
    with pytest.raises(ChatError, match=said):
        await actions.begin(ANN, {"grid": grid})
    assert (await actions.home(ANN, {}))["runs"] == []


async def test_a_stranger_names_loaded_models_alone(actions: CompareActions) -> None:
    handed_on.set(True)
    home = await actions.home(ANN, {})
    assert home["login"] == ""
    assert [model["name"] for model in home["models"]] == [""]
    grid = {"prompts": ["x"], "columns": [{"name": "a", "model": "org/none"}]}
    id = (await actions.begin(ANN, {"grid": grid}))["id"]
    [cell] = joined(await watched(actions, id), "cells")
    assert "There is no model 'org/none' here" in cell["problem"]


def test_delete_everything_erases_one_s_own_comparisons_too(scripted: Scripted, tmp_path: Path) -> None:
    with serve(scripted, data_dir=tmp_path) as site, httpx2.Client(base_url=site.url) as ann, httpx2.Client(base_url=site.url) as bob:
        for visitor in (ann, bob):
            visitor.get("/")
            assert visitor.post("/ui/compare-begin", json={"grid": GRID}).is_success
        assert ann.post("/ui/manage", json={"do": "erase"}).json() == {}
        assert ann.post("/ui/compare", json={}).json()["runs"] == []
        assert len(bob.post("/ui/compare", json={}).json()["runs"]) == 1
        assert len(list((tmp_path / "compare").glob("*/*"))) == 1


async def test_a_reply_a_column_and_the_grid_are_programs_for_their_owner_alone(actions: CompareActions) -> None:
    code = CodeActions(actions.chat, actions.settings, actions.runs)
    id = (await actions.begin(ANN, {"grid": GRID}))["id"]
    await watched(actions, id)
    cell = {"id": id, "prompt": 1, "column": "b", "replica": 0}
    whole, column, reply = ({"id": id}, {"id": id, "column": "b"}, cell)
    made = [await code.of_run(ANN, asked) for asked in (whole, column, reply, reply | {"notebook": True})]
    assert [one["name"] for one in made] == ["grid.py", "column.py", "reply.py", "reply.ipynb"]
    assert "num_return_sequences" in made[0]["text"] and "'replies': [" in made[1]["text"]
    assert "'content': 'Two'" in made[2]["text"] and json.loads(made[3]["text"])["nbformat"] == 4
    for wrong in (cell | {"column": "c"}, {"id": id, "column": "c"}, {"id": "0" * 32}):
        with pytest.raises(NotFound):
            await code.of_run(ANN, wrong)
    with pytest.raises(NotFound):
        await code.of_run(BOB, cell)


async def test_a_reply_of_a_chat_is_a_program_once_it_is_done(actions: CompareActions, scripted: Scripted) -> None:
    code = CodeActions(actions.chat, actions.settings, actions.runs)
    scripted.hold = asyncio.Event()
    turn = await actions.chat.send(ANN, "Why?")
    with pytest.raises(ChatError, match="still being written"):
        await code.of_turn(ANN, {"turn": turn.id})
    scripted.hold.set()
    await until(lambda: not actions.chat.running(ANN, turn.conversation_id))
    assert "'content': 'Why?'" in (await code.of_turn(ANN, {"turn": turn.id}))["text"]
    with pytest.raises(NotFound):
        await code.of_turn(BOB, {"turn": turn.id})
