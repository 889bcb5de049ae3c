"""--compare: what is compared answers the same, and each ratio has a number for each repeat."""

from pathlib import Path

from transformers import AutoTokenizer

from chatapp.bench.compare import grid_of, measured, question
from chatapp.settings import Settings
from tests.conftest import Scripted


async def test_every_ratio_has_a_number_for_each_repeat(tiny_llama: Path) -> None:
    engine = Scripted(AutoTokenizer.from_pretrained(tiny_llama), context=32768, concurrency=4)
    found = await measured(Settings(), engine, 2)
    assert set(found) == {"grid_vs_engine", "long_vs_short_prompt", "prompt_tokens_read"}
    assert all(len(ratios) == 2 and min(ratios) > 0 for ratios in found.values())
    assert found["prompt_tokens_read"] == [1.0, 1.0], "this engine keeps nothing"


def test_questions_share_no_beginning_and_grids_have_the_sizes_asked_for() -> None:
    assert question("1 2", 500).count(" ") > 500 and question("1 2", 3) != question("1 3", 3)
    assert len(grid_of(["a", "b"], 4, 9).cells()) == 8 and len(grid_of(["a"], 1, 9, 8).cells()) == 8
