"""python app.py finetune: wrong input in one sentence, and Ctrl+C keeps what was learned."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatapp import finetune_cli
from chatapp.errors import ChatError
from chatapp.lab.train import history
from tests.test_layers import ROOT


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    (path := tmp_path / "pairs.csv").write_text("prompt,reply\n" + "".join(f"hello {n},fine {n}\n" for n in range(8)))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], r"There is nothing to learn: name files of pairs"),
        (["none.jsonl"], r"none.jsonl cannot be read: No such file"),
        (["--chats", "A title"], r"There are no chats in"),
        (["{pairs}", "--out", "{pairs}"], r"pairs.csv is a file. Name a new folder"),
        (["{pairs}", "--model", "nobody/nothing"], r"nobody/nothing is not on this machine. Fetch it"),
        (["{pairs}", "--model", "./nowhere"], r"Model ./nowhere was not found"),
        (["--resume"], r"There is no fine-tuning in .*training that was stopped"),
        (["{pairs}", "--resume"], r"--resume goes on with the chats that the run was begun with"),
        (["--adapter", "{pairs}"], r"--adapter DIR takes --merge, and nothing to learn"),
        (["--adapter", "nowhere", "--merge"], r"There is no adapter in nowhere: it has no adapter_config.json"),
    ],
)
def test_wrong_input_is_a_sentence(pairs: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    given = [word.format(pairs=pairs) for word in arguments]
    with pytest.raises(ChatError, match=words):
        finetune_cli.run([*given, "--data-dir", str(tmp_path / "data")])


def test_one_chat_again_and_again_leaves_no_run_behind(tiny_llama: Path, tmp_path: Path) -> None:
    (few := tmp_path / "few.csv").write_text("prompt,reply\n" + "hello,fine\n" * 3)
    with pytest.raises(ChatError, match=r"Only 1 different chat was given\. At least 2 are needed"):
        finetune_cli.run([str(few), "--model", str(tiny_llama), "--out", str(tmp_path / "run"), "--data-dir", str(tmp_path / "data")])
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_refused_with_how_to_go_on(pairs: Path, tiny_llama: Path, tmp_path: Path) -> None:
    history.begun(out := tmp_path / "run", history.TUNING, "One", {})
    with pytest.raises(ChatError, match=r"is not empty .* Give --resume to go on"):
        finetune_cli.run([str(pairs), "--model", str(tiny_llama), "--out", str(out), "--data-dir", str(tmp_path / "data")])


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--rank", "0", "'0' is no whole number from 1 to 512"),
        ("--epochs", "x", "'x' is no whole number from 1 to 1,000"),
        ("--learning-rate", "nan", "'nan' is no learning rate above 0 and up to 1"),
        ("--max-minutes", "-1", "'-1' is no number of minutes above 0"),
    ],
)
def test_a_wrong_number_names_its_flag(pairs: Path, flag: str, value: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        finetune_cli.run([str(pairs), f"{flag}={value}"])
    assert f"argument {flag}: {words}" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_learned(pairs: Path, tiny_llama: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    command = [sys.executable, str(ROOT / "app.py"), "finetune", str(pairs), "--model", str(tiny_llama), "--out", str(out)]
    flags = ["--epochs", "1000", "--merge", "--device", "cpu", "--data-dir", str(tmp_path / "data")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as child:
        seen = []
        for line in child.stderr:
            seen.append(line)
            if line.startswith("Step 3 "):
                child.send_signal(signal.SIGINT)
                break
        said, rest = child.communicate(timeout=60)
    assert child.returncode == finetune_cli.STOPPED, "".join(seen) + rest
    assert (
        "when it was stopped" in said
        and "kept, but not measured or merged" in said
        and f"--resume --out {out}" in said
        and f"The adapter is in {out}" in said
    )
    assert (out / "adapter_model.safetensors").is_file() and not (out / "merged").exists()
    assert "Traceback" not in rest
