"""python app.py code …: the program of a kept reply, of a cell or column of results, of a grid; what is not there is one sentence."""

import json
from functools import partial
from pathlib import Path

import pytest

from chatapp import code_cli
from chatapp.errors import ChatError
from chatapp.resident.manager import ModelManager
from chatapp.store import Store
from chatapp.turn import Turn
from tests.conftest import Scripted
from tests.lab.runs import comparison, rows_of

GRID = "{prompts: [One], columns: [{name: a, temperature: 0}, {name: b, model: org/other}], replicas: 4}"


@pytest.fixture
def kept(tmp_path: Path) -> list[Turn]:
    """Replies of two visitors, in the data folder."""
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    turns = [Turn(f"visitor:{who}", who, f"Asked by {who}", prompt_text="Q", prompt_ids=(1, 2), model="org/m") for who in ("ann", "bob")]
    for number, turn in enumerate(turns):
        turn.created, turn.engine = 1000.0 + number, "direct"
        store.begin(turn)
        turn.reply_ids, turn.finish_reason = [3, 4], "end"
        store.finish(turn)
    store.close()
    return turns


def said(tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert code_cli.run([*arguments, "--data-dir", str(tmp_path)]) == 0
    return capsys.readouterr().out


def test_a_reply_is_found_by_its_id_its_conversation_or_as_the_latest(
    kept: list[Turn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Asked by ann" in said(tmp_path, capsys, kept[0].id)
    assert "Asked by ann" in said(tmp_path, capsys, "--conversation", "ann")
    latest = said(tmp_path, capsys)
    assert "Asked by bob" in latest and compile(latest, "reply.py", "exec")
    made = json.loads(said(tmp_path, capsys, "--notebook"))
    assert any("Asked by bob" in "".join(cell["source"]) for cell in made["cells"])


def test_a_grid_is_one_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    text = said(tmp_path, capsys, "--grid", str(tmp_path / "grid.yaml"))
    assert compile(text, "grid.py", "exec") and "num_return_sequences" in text and "'org/other'" in text and "REPLICAS = 4" in text


async def test_a_reply_and_a_column_of_results(scripted: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "{prompts: [First one, Second one], columns: [{name: cold, temperature: 0}, {name: hot, seed: 5}], replicas: 3}"
    out = tmp_path / "out.jsonl"
    rows = await rows_of(comparison(text, out, ModelManager.of(scripted)))
    found = partial(said, tmp_path, capsys, "--results", str(out))
    for replica in (1, 3):
        made = found("--column", "hot", "--prompt", "2", "--replica", str(replica))
        assert compile(made, "reply.py", "exec") and f"manual_seed({4 + replica})" in made
        assert "'Second one'" in made and "First one" not in made
    assert found("--column", "cold", "--prompt", "1", "--replica", "3") == found("--column", "cold", "--prompt", "1"), "a greedy one is all"
    column = found("--column", "hot", "--notebook")
    assert "First one" in column and "Second one" in column and "'seed': 7" in column.replace('\\"', "'")
    out.write_text("".join(f"{json.dumps(row)}\n" for row in rows if (row["prompt_index"], row["column"]) != (1, "hot")))
    for arguments, words in [
        (("--column", "hto", "--prompt", "1"), "no column 'hto' here. Did you mean hot\\? There are: cold, hot"),
        (("--column", "hto"), "no column 'hto'"),
        (("--column", "hot", "--prompt", "3"), "no prompt 3 here: there are 2, counted from 1"),
        (("--column", "hot", "--prompt", "0"), "no prompt 0 here"),
        (("--column", "hot", "--prompt", "1", "--replica", "4"), "no replica 4 here: there are 3"),
        (("--column", "hot", "--prompt", "2"), "Replica 1 of hot was not made for prompt 2: there is none in this column"),
        (("--prompt", "2"), "Which column"),
        (("--column", "hot", "--replica", "2"), "name that with --prompt"),
    ]:
        with pytest.raises(ChatError, match=words):
            found(*arguments)


async def test_of_a_failed_reply_it_is_said_why(scripted: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scripted.fail_after, scripted.failure = 1, ChatError("The engine died.")
    await rows_of(comparison("{prompts: [One], columns: [{name: a}]}", tmp_path / "out.jsonl", ModelManager.of(scripted)))
    with pytest.raises(ChatError, match="Replica 1 of a to prompt 1 failed: The engine died"):
        said(tmp_path, capsys, "--results", str(tmp_path / "out.jsonl"), "--column", "a", "--prompt", "1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "The reply was not found"),
        (("--conversation", "nobody"), "The conversation was not found"),
        (("a", "--grid", "b.yaml"), "one of them"),
        (("a", "--column", "b"), "give its file with --results"),
        (("--results", "none.jsonl", "--column", "b"), "none.grid.yaml cannot be read"),
        (("--grid", "none.yaml"), "none.yaml cannot be read"),
        (("--data-dir", "/nowhere"), "There are no chats in /nowhere"),
    ],
)
def test_what_is_not_there_is_a_sentence(kept: list[Turn], arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=words):
        code_cli.run(["--data-dir", str(tmp_path), *arguments])
