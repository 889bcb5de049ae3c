"""The benchmark: its arithmetic, its sleeping processes, and the whole of it once."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from chatapp.bench import start
from chatapp.bench.__main__ import improved, main, parser, shared_out
from chatapp.bench.doors import GradioWay, app
from chatapp.bench.matrix import WAKING, Plan, Results, Stage, _crowds
from chatapp.bench.measure import Crowd, Run
from chatapp.bench.measure import crowd as measured_crowd
from chatapp.bench.processes import Tree
from chatapp.bench.report import ratios
from chatapp.bench.start import Started
from chatapp.models.sources import resolve
from chatapp.sampling import Sampling
from chatapp.settings import Settings, from_namespace

ROOT = Path(__file__).parents[2]
SPIN = "import threading\nfor _ in range(2): threading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"


def crowd(people: int, rate: float) -> Crowd:
    return Crowd(people, tokens=100, seconds=100 / rate, cpu=1.0, firsts=(0.1,))


def test_a_ratio_compares_the_runs_that_ran_beside_each_other() -> None:
    results = Results(turns={"engine": [(0.1, 0.11)]})
    results.crowds["engine"] = {1: [crowd(1, 80), crowd(1, 40)], 8: [crowd(8, 160)]}
    results.crowds["llamacpp"] = {1: [crowd(1, 80), crowd(1, 40)], 8: [crowd(8, 150)]}
    found = ratios(Plan(Settings(), 2, 8, 8, (1, 8), True), results)
    assert found["single_vs_llamacpp"] == [1.0, 1.0]


def test_the_better_of_the_two_serves_is_compared() -> None:
    results = Results(turns={"engine": [(0.1, 0.11)]})
    for name, rate in (("engine", 160), ("serve", 13), ("serve_batching", 40)):
        results.crowds[name] = {8: [crowd(8, rate)]}
    assert ratios(Plan(Settings(), 1, 8, 8, (8,), True), results)["eight_vs_serve"] == pytest.approx([4.0])


def test_a_new_prompt_is_compared_with_the_serve_that_reads_it_sooner_in_seconds() -> None:
    results = Results(turns={"engine": [(0.1, 0.11)]})
    results.shared = {"engine": [(1.0, 0.1), (1.2, 0.1)], "serve": [(2.0, 2.0), (2.0, 2.0)], "serve_batching": [(0.5, 0.1), (0.8, 0.1)]}
    assert ratios(Plan(Settings(), 2, 8, 8, (8,), True), results)["new_prompt_vs_serve"] == pytest.approx([2.0, 1.5])


def test_the_first_minute_is_compared_with_that_of_an_empty_page() -> None:
    blocks = Started([4.0, 5.0, 6.0], [1.0], [28], [1_000])
    app = Started([7.5, 5.0, 7.5], [1.2], [38], [3_000], [8.0, 9.0], [8.1, 9.3], [8.2, 9.4])
    found = start.ratios(blocks, app)
    assert (found["server_vs_blocks"], found["page_vs_blocks"], found["more_requests"]) == (1.5, 1.2, 10)
    assert found["first_token_after_model_s"] == 0.2


@pytest.mark.parametrize(
    ("news", "shown"),
    [
        ({"model": {}}, False),
        ({"path": None}, False),
        ({"path": {"rows": [{"blocks": []}]}}, False),
        ({"path": {"rows": [{"blocks": ["<p>Hello</p>"]}]}}, True),
        ({"grown": {"blocks": []}}, False),
        ({"grown": {"blocks": [[0, "<p>H</p>"]]}}, True),
    ],
)
def test_the_first_token_is_that_which_the_page_can_show(news: dict, shown: bool) -> None:
    assert start.shows_words(news) is shown


class Sleeper:
    """A way that says at once what it was asked."""

    trees = ()

    def __init__(self, name: str, heard: list[tuple[str, int]]) -> None:
        self.name, self.heard, self.asked = name, heard, []

    async def reply(self, messages, sampling) -> Run:
        self.heard.append((self.name, sampling.max_tokens))
        self.asked.append(messages[-1].content)
        return Run(1, 0.1, 0.1)


async def test_everybody_is_woken_first_and_the_quick_take_turns_at_the_beginning() -> None:
    heard: list[tuple[str, int]] = []
    plan = Plan(Settings(), 2, 99, 9, (1, 8), True)
    results = Results()
    await _crowds(plan, Stage([Sleeper(name, heard) for name in ("engine", "api", "serve", "naive")]), 1, results)
    asked = ["engine", "api", "serve", "naive", "api", "engine", "naive"]
    assert heard == [ask for name in asked for ask in ((name, WAKING.max_tokens), (name, 99))]
    assert {name: len(by_people[1]) for name, by_people in results.crowds.items()} == {"engine": 2, "api": 2, "serve": 1, "naive": 2}


async def test_the_doors_of_one_app_never_find_what_was_asked_through_another() -> None:
    doors = [Sleeper(name, []) for name in ("engine", "ui", "api", "gradio_client")]
    await _crowds(Plan(Settings(), 2, 99, 9, (1, 8), False), Stage(doors), 8, Results())
    engine, *others = ({question for question in door.asked if "10000" not in question} for door in doors)
    assert len(engine) == 16 and engine == others[0]
    assert len(set.union(*others)) == 48


class Meeting(GradioWay):
    """Whose replies end when all are begun."""

    trees = ()

    def __init__(self, people: int) -> None:
        self.met = threading.Barrier(people)

    def _reply(self, question: str, sampling: Sampling) -> Run:
        return Run(self.met.wait(timeout=20), 0.1, 0.1)


async def test_sixteen_people_ask_through_gradio_client_at_once() -> None:
    assert (await measured_crowd(Meeting(16), 16, WAKING, 1)).tokens == sum(range(16))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--repeats 0", "--repeats: '0' is not a whole number from 1 up"),
        ("--crowds 1 -2", "--crowds: '-2' is not a whole number"),
        ("--tokens many", "--tokens: 'many' is not"),
        ("--tokens 99999", "--tokens 99999 and a question of up to 200 tokens do not fit into a context of 1024"),
        ("--context 512", "--context 512 is too little: the longest conversation measured takes up to 1024 tokens"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(flags: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        assert main(flags.split()) == 1
    except SystemExit as exit:
        assert exit.code == 2
    assert words in capsys.readouterr().err


def test_the_slots_asked_for_are_a_number_and_else_eight() -> None:
    for flags, slots in ((["--concurrency", "3"], 3), ([], 8)):
        arguments = parser().parse_args(flags)
        assert shared_out(from_namespace(arguments), arguments).concurrency == slots


def mapped(process: psutil.Process) -> set[Path]:
    """Files that a process has in its memory; none of one that has ended meanwhile, as those do that prepare something."""
    try:
        return {Path(part.path) for part in process.memory_maps()}
    except psutil.Error:
        return set()


@pytest.mark.slow
def test_the_app_reads_the_same_copy_of_the_weights_as_the_engine_beside_it(smol_gguf: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    settings = Settings(data_dir=tmp_path, engine="llamacpp", context=256, concurrency=1)
    engine = improved(resolve(settings.model, data_dir=tmp_path), settings)
    try:
        model = Path(engine.server.options["model"])
    finally:
        engine.close()
    assert model.is_relative_to(tmp_path)
    with app(settings) as (_, tree, _):
        read = [mapped(child) for child in psutil.Process(tree.pid).children()]
        assert sum(model.resolve() in files for files in read) == 1


def test_a_paused_tree_takes_no_processor_time_and_goes_on_afterwards() -> None:
    process = subprocess.Popen([sys.executable, "-c", SPIN])
    tree = Tree(process.pid)
    try:
        while tree.cpu_seconds() < 0.2:
            time.sleep(0.01)
        tree.pause()
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        before = tree.cpu_seconds()
        time.sleep(0.3)
        assert tree.cpu_seconds() == before and tree.peak_bytes() > 0
        tree.resume()
        while tree.cpu_seconds() == before:
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_the_benchmark_runs_and_its_last_line_has_the_ratios(smol_gguf: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    flags = ["--repeats", "1", "--tokens", "8", "--crowd-tokens", "4", "--crowds", "1", "2", "--data-dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", "chatapp.bench", *flags], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout.splitlines()[-1])["ratios"]
    assert {
        "single_vs_naive",
        "turn10_ttft_vs_turn1",
        "ui_vs_engine",
        "ui_eight_vs_engine",
        "gradio_client_eight_vs_engine",
    } <= found.keys() and all(v > 0 for v in found.values())


@pytest.mark.slow
def test_the_gpu_check_runs_on_a_tiny_shape() -> None:
    flags = ["--shape", "tiny", "--concurrency", "1", "2", "--tokens", "8", "--device", "cpu"]
    ended = subprocess.run([sys.executable, "-m", "chatapp.bench.gpu", *flags], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:]
    found = json.loads(ended.stdout.splitlines()[-1])["tiny"]
    assert found.keys() == {"ceiling none", "naive none", "direct none", "batched none"} and found["batched none"].keys() == {"1", "2"}
