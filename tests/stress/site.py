"""The app as a host starts it: app.py in a process of its own on a free loopback port, with a data folder and a log that can be read."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from chatapp.bench.processes import Tree, free_port, server

APP = Path(__file__).parents[2] / "app.py"
KEY = "stress"
TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:.*\n)*?(\w.*)$", re.M)
"""From the head to the first line that is not indented, which names the exception."""


class Site:
    """An app that can be started again on what the last one left. `tree` is its processes while it runs."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.flags = flags
        self.log = folder / "log.txt"
        self.temp = folder / "gradio"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen]:
        """The process, once the model is ready."""
        environment = {"CHATAPP_API_KEY": KEY, "CHATAPP_DATA_DIR": str(self.folder / "data"), "GRADIO_TEMP_DIR": str(self.temp)}
        environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(self.folder / "hub")}
        command = [sys.executable, str(APP), "--port", str(self.port), *self.flags]
        with server(command, environment, f"{self.url}/healthz", self.log) as process:
            self.tree = Tree(process.pid)
            yield process

    def tracebacks(self) -> list[str]:
        """The exception of each traceback in the log so far."""
        return TRACEBACK.findall(self.log.read_text(errors="replace"))

    def uploads(self) -> int:
        """Bytes of files that visitors left on the disk."""
        return sum(path.stat().st_size for path in self.temp.rglob("*") if path.is_file())


def resident_bytes(pid: int) -> dict[str, int]:
    """Memory of a process and of its children, by 'app' and 'child'."""
    app = psutil.Process(pid)
    return {"app": app.memory_info().rss, "child": sum(child.memory_info().rss for child in app.children(recursive=True))}
