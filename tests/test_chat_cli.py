"""python app.py chat: asks, streams, keeps the history, by the page's own functions; Ctrl+C stops a reply and nothing else."""

import asyncio
import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatapp import chat_cli
from chatapp.errors import ChatError
from chatapp.resident.manager import ModelManager
from chatapp.sampling import SAMPLING_PARAMS, Sampling
from chatapp.settings import flag
from tests.conftest import Scripted
from tests.remotes import remote
from tests.test_cli import APP, app

Repl = chat_cli.Repl


@pytest.fixture
def chatting(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Repl]]:
    """Runs a chat in which these lines are typed."""
    with asyncio.Runner() as runner:

        def chat(typed: str) -> Repl:
            monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
            made = Repl(ModelManager.of(scripted).first, runner, Sampling(max_tokens=8, top_k=3), "Be brief.")
            made.run()
            return made

        yield chat


def test_the_model_is_given_the_whole_chat(chatting: Callable[[str], Repl], scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    chat = chatting("First\n\n  \nSecond\nEXIT\nnever\n")
    asked = [scripted.tokenizer.decode(ids) for ids in scripted.fed]
    assert [turn.user for turn in chat.turns] == ["First", "Second"] and not chat.failed
    assert "Be brief." in asked[0] and "Second" not in asked[0]
    assert [asked[1].index(said) for said in ("Be brief.", "First", "Hello world", "Second")] == sorted(
        asked[1].index(said) for said in ("Be brief.", "First", "Hello world", "Second")
    )
    assert capsys.readouterr().out.count("Model: Hello world\n") == 2
    assert scripted.samplings[0].top_k == 3 and scripted.closed == 2


@pytest.mark.parametrize("typed", ["First\n", "First\nquit\n"])
def test_the_end_of_the_input_leaves_as_quit_does(typed: str, chatting: Callable[[str], Repl], scripted: Scripted) -> None:
    assert len(chatting(typed).turns) == len(scripted.fed) == 1


def test_a_failure_and_what_cannot_be_sent_are_sentences_and_the_chat_goes_on(
    chatting: Callable[[str], Repl], scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.fail_after, scripted.failure = 1, ChatError("The memory is full. Close something.")
    chat = chatting("First\n" + "x " * 1_000_001 + "\nlong " + "y " * 9000 + "\n")
    said = capsys.readouterr().err
    assert "The memory is full. Close something." in said and "at most 2,000,000 are taken" in said and "Shorten it by about" in said
    assert chat.turns == [] and chat.failed


def test_a_cut_reply_and_messages_left_out_are_said(
    chatting: Callable[[str], Repl], scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.words = ["word "] * 20
    chatting("a\n" + "b " * 700 + "\n" + "c " * 700 + "\n")
    said = capsys.readouterr().err
    assert "Cut after 8 tokens; --max-tokens allows more" in said and "oldest messages were left out" in said


def test_every_sampling_setting_is_a_flag_of_its_name() -> None:
    given = [part for param in SAMPLING_PARAMS for part in (flag(param.name), str(param.maximum))]
    asked = chat_cli.sampling_of(chat_cli.parser().parse_args([*given, "--seed", "7", "--stop", "a", "--stop", "b"]))
    assert all(getattr(asked, param.name) == param.maximum for param in SAMPLING_PARAMS) and (asked.seed, asked.stop) == (7, ("a", "b"))
    assert chat_cli.sampling_of(chat_cli.parser().parse_args([])) == Sampling()


def test_wrong_input_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"Top-p is 7\.0; it must be a number from 0 to 1"):
        chat_cli.run(["--top-p", "7"])
    done = app("chat", "--model", "/nowhere", "--data-dir", str(tmp_path), typed="Hi\n")
    assert done.returncode == 1 and "/nowhere was not found" in done.stderr and "Traceback" not in done.stderr


def test_ctrl_c_stops_a_reply_of_a_base_model_and_the_chat_goes_on(tiny_gpt2: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(APP), "chat", "--model", str(tiny_gpt2), "--data-dir", str(tmp_path), "--threads", "1"]
    command += ["--temperature", "0", "--max-tokens", "400", "--draft", "0"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, bufsize=0) as process:
        process.stdin.write(b"Once upon a time\n")
        deadline, said = time.monotonic() + 60, b""
        while len(said.partition(b"Model: ")[2]) < 3:
            assert time.monotonic() < deadline and process.poll() is None
            said += process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(b"Again\nquit\n", timeout=60)
    assert process.returncode == 0 and b"Stopped." in err and b"Traceback" not in err, err
    assert out.count(b"Model: ") == 1 and out.endswith(b"You: ")


def test_a_model_of_another_server_is_talked_to_by_its_address(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with remote() as fake:
        fake.key = "s3cret"
        monkeypatch.setenv("CHATAPP_REMOTE_KEYS", f"{fake.origin}=s3cret")
        monkeypatch.setattr(sys, "stdin", io.StringIO("Where?\nAnd then?\n"))
        assert chat_cli.run(["--model", fake.url, "--data-dir", str(tmp_path), "--temperature", "0"]) == 0
        said = capsys.readouterr()
    assert said.out.count("Model: Hello world\n") == 2 and "s3cret" not in said.out + said.err
    assert [m["content"] for m in fake.asked[-1]["messages"]] == ["Where?", "Hello world", "And then?"]
