"""Ctrl+C and a polite kill."""

import os
import signal
import sys
import threading
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end_at_once() -> None:
    """From here on a signal ends the process on the spot, with the shell's exit code for it.

    While the app starts nothing can be lost, and Python's own KeyboardInterrupt may be raised where somebody else's code swallows it.
    """
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: os._exit(128 + number))


def end_within(seconds: float, status: int) -> None:
    """The process ends after that time at the latest, whatever other threads still do: Python itself would wait for each of them."""

    def end() -> None:
        time.sleep(seconds)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    threading.Thread(target=end, name="end of the process", daemon=True).start()


def until_stopped() -> None:
    """Block the main thread until a signal comes."""
    stopped = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
