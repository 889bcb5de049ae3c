"""Processes that work for a training: heard line by line, looked after while they say nothing, ended with all that they began."""

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from chatapp.lab.child import followed, scratch
from chatapp.models.copies import locked

TALKS = "import os; print(os.getcwd()); print(os.environ['TMPDIR'])"
BEGINS_ANOTHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""


def alive(process: int) -> bool:
    """A dead one whose end nobody has asked for counts as dead."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_its_lines_come_and_its_temporary_files_lie_in_its_folder(tmp_path: Path) -> None:
    said = [line.strip() for line in followed("timeit", ["-n1", "-r1", TALKS], tmp_path) if line]
    assert said[:2] == [str(tmp_path), str(tmp_path)] and said[-1].startswith("1 loop")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
def test_while_it_says_nothing_it_can_be_ended_with_what_it_began(tmp_path: Path) -> None:
    with closing(followed("timeit", ["-n1", "-r1", *BEGINS_ANOTHER.strip().splitlines()], tmp_path)) as lines:
        grandchild = int(next(line for line in lines if line))
        assert next(lines) == "" and alive(grandchild)
    while alive(grandchild):
        time.sleep(0.01)


def test_what_is_half_done_goes_and_what_a_killed_process_left_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / ".half-left").mkdir()
    (tmp_path / ".half-left" / "model.safetensors").write_bytes(b"half")
    (tmp_path / ".half-held").mkdir()
    lock = locked(tmp_path / ".half-held", shared=True)
    with scratch(tmp_path, ".half-") as folder:
        (folder / "file").touch()
        with scratch(tmp_path, ".half-"):
            assert (folder / "file").exists()
        assert not (tmp_path / ".half-left").exists()
    assert os.listdir(tmp_path) == [".half-held"]
    os.close(lock)
