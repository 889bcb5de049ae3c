"""python app.py compare …: a grid answered on the command line, taken up again, reported; wrong input is one sentence."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chatapp import compare_cli
from chatapp.errors import ChatError
from chatapp.lab.rows import Row, key_of
from chatapp.resident.budget import Budget
from chatapp.resident.manager import ModelManager
from chatapp.xray.inspector import Inspector
from tests.conftest import Scripted
from tests.lab.runs import repeatable
from tests.test_cli import APP, app

GRID = """
prompts: [One, Two]
columns: [{name: cold, temperature: 0, max_tokens: 6}, {name: heat, max_tokens: 6, sweep: {temperature: [0.5, 1.5]}}]
replicas: 3
assert: [{length: {min: 1}}]
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    (path := tmp_path / "grid.yaml").write_text(GRID)
    return path


def rows_of(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_grid_is_answered_reported_and_taken_up(grid: Path, tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "out.jsonl", tmp_path / "report.html"
    command = [str(grid), "--out", str(out), "--html", str(report), "--csv", str(tmp_path / "t.csv"), "--markdown", str(tmp_path / "t.md")]
    command += ["--model", str(tiny_llama), "--data-dir", str(tmp_path / "data"), "--threads", "1"]
    assert compare_cli.run(command) == 0
    said = capsys.readouterr()
    assert len(rows_of(out)) == 14 and said.err.count("\n") == 14 and "passes 1 of 1" in said.err
    assert [line.split()[0] for line in said.err.splitlines()] == [f"[{number}/14]" for number in range(1, 15)]
    assert said.out.startswith("Column") and "heat [temperature=0.5]  6" in said.out and "Temperature 0.5 → 1.5:" in said.out
    assert "<svg" in report.read_text() and (tmp_path / "t.csv").stat().st_size and "## Prompt 2" in (tmp_path / "t.md").read_text()
    before = out.read_bytes()
    assert compare_cli.run(command) == 0
    assert "14 of 14 replies were there already" in capsys.readouterr().err and out.read_bytes() == before


def test_the_exit_status_is_the_number_of_failures(
    grid: Path, tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid.write_text("{prompts: [One], columns: [{name: a, max_tokens: 2}, {name: b, model: /nowhere, max_tokens: 2}], replicas: 2}")
    command = [str(grid), "--out", str(tmp_path / "out.jsonl"), "--model", str(tiny_llama), "--data-dir", str(tmp_path / "data")]
    assert compare_cli.run(command) == 2
    said = capsys.readouterr()
    assert said.err.count("failed: ") == 2 and "/nowhere" in said.err and "[2/4]" in said.err


def test_a_judge_reads_what_is_there_and_is_refused_by_its_nearest_name(
    grid: Path, tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    command = [str(grid), "--out", str(out), "--model", str(tiny_llama), "--data-dir", str(tmp_path / "data"), "--threads", "1"]
    command += ["--engine", "direct"]
    assert compare_cli.run(command) == 0
    before = capsys.readouterr()
    grid.write_text(f"{GRID}judge: defautl\n")
    with pytest.raises(ChatError, match="The judge: There is no model 'defautl' here"):
        compare_cli.run(command)
    grid.write_text(f"{GRID}judge: default\n")
    assert compare_cli.run(command) == 0
    said = capsys.readouterr()
    assert "14 of 14 replies were there already, 0 of them judged." in said.err and said.err.count("judged: prompt") == 14
    assert "perplexity " in said.err and "Perplexity" in said.out and "Perplexity" not in before.out
    assert len(rows_of(out)) == 14 and all(row["judged"]["perplexity"] > 1 for row in rows_of(out))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.yaml", "--out", "o.jsonl"), "none.yaml cannot be read: No such file"),
        (("{grid}", "--out", "{grid}", "--fresh"), "is the grid itself"),
        (("{grid}", "--out", "o.jsonl", "--csv", "{grid}"), "--csv .*is the grid itself"),
        (("{grid}", "--out", "o.jsonl", "--html", "./o.jsonl"), "--html ./o.jsonl is the file of --out. Name another"),
        (("{grid}", "--out", "o.jsonl", "--html", "r", "--markdown", "r"), "--markdown r is the file of --html"),
        (("o.grid.yaml", "--out", "o.jsonl"), "the grid is kept as o.grid.yaml, over the grid itself"),
        ((".", "--out", "o.jsonl"), "cannot be read: Is a directory"),
        (("{grid}", "--out", "/"), "cannot be written: Is a directory"),
        (("{grid}", "--out", "."), "cannot be written: Is a directory"),
        (("{grid}", "--out", "none/o.jsonl"), "none/o.jsonl cannot be written"),
        (("{grid}", "--out", "o.jsonl", "--concurrency", "0"), "--concurrency"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(arguments: tuple[str, ...], words: str, grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(grid.parent)
    (kept := Path("o.grid.yaml")).write_text(GRID)
    with pytest.raises(ChatError, match=words):
        compare_cli.run([argument.format(grid=grid) for argument in arguments])
    assert grid.read_text() == kept.read_text() == GRID


def test_wrong_usage_ends_with_status_2(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        compare_cli.run([str(grid)])
    assert ended.value.code == 2 and "--out" in capsys.readouterr().err


def test_a_wrong_grid_is_one_line_without_traceback(grid: Path) -> None:
    grid.write_text("{promts: [a], columns: [{name: x}]}")
    done = app("compare", str(grid), "--out", str(grid.with_name("o.jsonl")))
    assert done.returncode == 1 and done.stderr.strip() == "The grid has 'promts', which means nothing there. Did you mean prompts?"


@pytest.mark.slow
@pytest.mark.parametrize("after", [2, 8])
def test_kill_9_and_the_same_command_give_the_rows_of_an_undisturbed_run(after: int, grid: Path, tiny_llama: Path, tmp_path: Path) -> None:
    grid.write_text(GRID.replace("max_tokens: 6", "max_tokens: 40"))
    command = [sys.executable, str(APP), "compare", str(grid), "--model", str(tiny_llama), "--data-dir", str(tmp_path / "data")]
    command += ["--threads", "1", "--out"]
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    subprocess.run([*command, str(whole)], check=True, capture_output=True, timeout=200)
    with subprocess.Popen([*command, str(cut)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 200
        while not cut.exists() or cut.read_bytes().count(b"\n") < after:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    kept = cut.read_bytes().count(b"\n")
    assert after <= kept < 14
    done = subprocess.run([*command, str(cut)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0 and f"{kept} of 14 replies were there already" in done.stderr
    assert sorted(map(repeatable, rows_of(cut)), key=key_of) == sorted(map(repeatable, rows_of(whole)), key=key_of)


async def test_x_rays_thread_is_answered_while_the_command_ends(scripted: Scripted) -> None:
    """It may be making room for a judge's copy, which asks the event loop who is needed."""
    budget, ending = Budget(), threading.Event()
    models = ModelManager.of(scripted, budget=budget)
    budget.attach()
    inspector = Inspector(models)
    held = asyncio.create_task(inspector.run(lambda: ending.wait() and budget.holding(None)))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(ending.set)
    await compare_cli.closed(inspector, models)
    assert await held == []
