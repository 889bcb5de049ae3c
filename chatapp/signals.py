"""Ctrl+C and a polite kill."""

import faulthandler
import os
import signal
import sys
import threading
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM)

LOCKED_SECONDS = 1.0
"""How much later a process ends in which nothing can run; its status is 1 then."""


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
    # A thread may hold Python's lock all the while, as the import of a large library does. This one ends without it.
    faulthandler.dump_traceback_later(seconds + LOCKED_SECONDS, exit=True, file=open(os.devnull, "w"))  # noqa: SIM115


def until_stopped() -> None:
    """Block the main thread until a signal comes."""
    stopped = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
