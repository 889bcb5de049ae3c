"""Subcommands of app.py."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatapp.cli import COMMANDS

APP = Path(__file__).parent.parent / "app.py"


def app(*arguments: str, typed: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(APP), *arguments], input=typed, capture_output=True, text=True, timeout=60)


def test_a_hashed_password_lets_its_user_in_and_nobody_else(tmp_path: Path) -> None:
    from chatapp.server.auth import checker

    done = app("hash-password", "ann", typed="s3cret\n")
    assert done.returncode == 0 and "s3cret" not in done.stdout
    users = tmp_path / "users"
    users.write_text(done.stdout)
    allowed = checker((str(users),))
    assert [asyncio.run(allowed(*who)) for who in (("ann", "s3cret"), ("ann", "other"), ("bob", "s3cret"))] == [True, False, False]


def test_whoever_has_read_enough_ends_a_command_quietly(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    command = [sys.executable, str(APP), "models", "files", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as app:
        app.stdout.close()
        assert app.stderr.read() == ""
    assert app.returncode == 1


def test_help_names_every_command_and_a_misspelt_one_is_told_the_nearest() -> None:
    helped, wrong = app("--help"), app("compair", "grid.yaml")
    assert all(f"  {name} " in helped.stdout and command.words in helped.stdout for name, command in COMMANDS.items())
    assert wrong.returncode == 1 and "There is no command compair. Did you mean compare?" in wrong.stderr


def test_a_missing_name_is_one_sentence_without_traceback() -> None:
    done = app("hash-password")
    assert done.returncode == 1 and "hash-password NAME" in done.stderr and "Traceback" not in done.stderr


def test_a_wrong_flag_value_is_one_sentence_without_traceback() -> None:
    done = app("--port", "99999")
    assert done.returncode == 1 and "--port" in done.stderr and "Traceback" not in done.stderr


def test_a_wrong_flag_is_refused_before_anything_heavy_is_imported() -> None:
    watch = f"import runpy, sys; sys.argv[1:] = ['--nonsense']\ntry: runpy.run_path({str(APP)!r}, run_name='__main__')\n"
    done = subprocess.run(
        [sys.executable, "-c", watch + "finally: print(*{'gradio', 'torch', 'transformers', 'sqlalchemy'} & set(sys.modules))"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2 and "--nonsense" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("seconds", [1.0, 1.5, 2.0, 2.5])
def test_ctrl_c_while_starting_ends_without_a_traceback(tmp_path: Path, seconds: float) -> None:
    command = [sys.executable, str(APP), "--data-dir", str(tmp_path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (0, 130) and "Traceback" not in said


def test_a_taken_port_is_said_with_the_cure(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = app("--port", str(port), "--data-dir", str(tmp_path))
    assert done.returncode == 1 and f"port {port}" in done.stderr and "--port" in done.stderr and "Traceback" not in done.stderr, (
        done.stderr
    )
