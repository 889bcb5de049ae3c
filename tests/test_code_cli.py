"""python app.py code …: the program of a kept reply or of a grid; what is not there is one sentence."""

import json
from pathlib import Path

import pytest

from chatapp import code_cli
from chatapp.errors import ChatError
from chatapp.store import Store
from chatapp.turn import Turn

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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "The reply was not found"),
        (("--conversation", "nobody"), "The conversation was not found"),
        (("a", "--grid", "b.yaml"), "one of them"),
        (("--grid", "none.yaml"), "none.yaml cannot be read"),
        (("--data-dir", "/nowhere"), "There are no chats in /nowhere"),
    ],
)
def test_what_is_not_there_is_a_sentence(kept: list[Turn], arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=words):
        code_cli.run(["--data-dir", str(tmp_path), *arguments])
