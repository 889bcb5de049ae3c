"""`python -m tests.stress`: every attack in a process of its own with a hard time limit, then one table. Status 1 when anything failed."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import psutil

from tests.stress.part import PARTS
from tests.stress.report import Row, failures, table


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="One attack instead of all; repeatable")
    parser.add_argument("--seconds", type=int, default=60, help="Length of the load; the others grow and shrink with it")
    parser.add_argument("--seed", type=int, default=11, help="Of everything that is drawn at random")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what it started ends too
    print(f"seed {arguments.seed} · {arguments.seconds} s of load", flush=True)
    rows: list[Row] = []
    for name in arguments.only or PARTS:
        started = time.monotonic()
        found = attack(name, arguments.seed, arguments.seconds)
        print(f"{name}: {time.monotonic() - started:.0f} s, {sum(len(row.failures) for row in found)} failures", flush=True)
        rows += found
    print("", table(rows), failures(rows), sep="\n")
    return int(any(row.failures for row in rows))


def attack(name: str, seed: int, seconds: int) -> list[Row]:
    """The rows of one part. What it leaves in its temp folder, and any process, is removed."""
    limit = PARTS[name].limit(seconds)
    with tempfile.TemporaryDirectory(prefix="stress-") as folder:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CHATAPP_")}
        environment |= {"TMPDIR": folder, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
        command = [sys.executable, "-m", "tests.stress.part", name, str(seed), str(seconds)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            said, errors = process.communicate(timeout=limit)
            ending = "" if process.returncode == 0 else f"status {process.returncode}: {errors[-400:]}"
        except subprocess.TimeoutExpired:
            end(process.pid)
            said, _ = process.communicate()
            ending = f"not done after its {limit:.0f} s"
        finally:
            end(process.pid)
    rows = [Row.read(line) for line in said.splitlines()]
    if ending:
        rows.append(Row(name, 1, [ending]))
    return rows


def end(pid: int) -> None:
    """Kill a process and all that it started."""
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in members:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


if __name__ == "__main__":
    sys.exit(main())
