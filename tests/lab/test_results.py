"""results.jsonl: another grid is refused and says what changed, two runs never write one file, and rows are turns."""

from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.results import Results, read
from chatapp.lab.rows import conversation_of, turn_of
from chatapp.resident.manager import ModelManager
from chatapp.store import Store
from tests.conftest import Scripted
from tests.lab.runs import ME, append, comparison, grid, lines, rows_of

GRID = "{prompts: [One, Two], columns: [{name: a}, {name: b, top_k: 5}], replicas: 2}"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("{prompts: [One, Two, Three], columns: [{name: a}, {name: b, top_k: 5}], replicas: 2}", "prompts: 2 before, 3 now."),
        ("{prompts: [One, Zwei], columns: [{name: a}, {name: b, top_k: 5}], replicas: 2}", "prompts: number 2 is another."),
        ("{prompts: [One, Two], columns: [{name: a}, {name: b, top_k: 6}], replicas: 2}", "column 'b': top_k was 5, now 6."),
        (
            "{prompts: [One, Two], columns: [{name: a}, {name: c, top_k: 5}], replicas: 3}",
            "replicas: 2 before, 3 now; column 'b' is gone;",
        ),
        ("{prompts: [One, Two], columns: [{name: b, top_k: 5}, {name: a}], replicas: 2}", "the columns stand in another order"),
    ],
)
async def test_another_grid_is_refused_and_says_what_changed(now: str, words: str, scripted: Scripted, out: Path) -> None:
    await rows_of(comparison(GRID, out, ModelManager.of(scripted)))
    before = lines(out)
    with pytest.raises(ChatError) as refused:
        Results(out, grid(now))
    assert words in str(refused.value) and "--fresh" in str(refused.value) and lines(out) == before
    Results(out, grid(now), fresh=True).close()
    assert lines(out) == [] and read(out)[0] == grid(now)


async def test_a_file_that_is_no_results_is_left_alone(scripted: Scripted, out: Path) -> None:
    append(out, "my notes\n")
    with pytest.raises(ChatError, match=r"results\.grid\.yaml, which would say to which grid it belongs, cannot be read"):
        Results(out, grid(GRID))
    await rows_of(comparison(GRID, out, ModelManager.of(scripted), fresh=True))
    append(out, "my notes\n")
    with pytest.raises(ChatError, match=r"Line 9 of .* is no row"):
        Results(out, grid(GRID))


def test_two_runs_never_write_one_file(out: Path) -> None:
    first = Results(out, grid(GRID))
    with pytest.raises(ChatError, match="Another run is writing"):
        Results(out, grid(GRID))
    first.close()
    Results(out, grid(GRID)).close()


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match="cannot be written: No such file or directory"):
        Results(tmp_path / "none" / "results.jsonl", grid(GRID))


async def test_a_row_is_a_turn_that_a_store_takes(scripted: Scripted, out: Path, tmp_path: Path) -> None:
    await rows_of(comparison(GRID, out, ModelManager.of(scripted)))
    row = read(out)[1][-1]
    turn = turn_of(row, ME, "c1")
    assert (turn.user, turn.reply_text, tuple(turn.reply_ids)) == (row["prompt"], "Hello world", (1000, 1001, 1002))
    assert turn.prompt_ids == scripted.fed[-1] and turn.spans and turn.sampling == replace(scripted.samplings[-1], stop=())
    assert (turn.model, turn.revision, turn.seed) == ("scripted", scripted.info.revision, scripted.samplings[-1].seed)
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    conversation = conversation_of(row, ME, "scripted")
    store.conversations.add(ME, [conversation])
    [stored] = store.conversations.whole(ME, conversation.id).path()
    assert replace(stored, id=turn.id, conversation_id="c1", created=turn.created) == turn
    store.close()


def test_a_damaged_row_is_a_sentence() -> None:
    with pytest.raises(ChatError, match="This row of the results is damaged"):
        turn_of({"prompt": "x", "turn": {}, "timings": {}}, ME)
