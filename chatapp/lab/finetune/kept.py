"""Where a fine-tuning that was stopped goes on: the adapter's and the optimizer's numbers after a step, in one file, whole or not there."""

import os
import time
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from chatapp.lab.train.sitting import Sitting
from chatapp.models.failures import first_line

CHECKPOINT = "checkpoint.pt"

EVERY = 5.0
"""Seconds between two checkpoints: a slow step has its own, as the end of the app does not wait for the next one."""


class Kept:
    """The checkpoint of one run. `learned` are the adapter's numbers by name, which are learned in place."""

    def __init__(self, sitting: Sitting, model: Any, optimizer: torch.optim.Optimizer) -> None:
        self.sitting, self.optimizer = sitting, optimizer
        self.learned = {name: number for name, number in model.named_parameters() if number.requires_grad}
        self.place = sitting.folder / CHECKPOINT
        self._last = time.monotonic()

    def restored(self) -> tuple[int, float]:
        """(steps, seconds) that were taken before this sitting, whose numbers hold now; (0, 0) where there were none."""
        if not self.place.is_file():
            return 0, 0.0
        try:
            found = torch.load(self.place, weights_only=True, map_location="cpu")
            with torch.no_grad():
                for name, number in self.learned.items():
                    number.copy_(found["learned"][name])
            self.optimizer.load_state_dict(found["optimizer"])
            torch.set_rng_state(found["random"])
        except (OSError, RuntimeError, LookupError, TypeError, ValueError, EOFError, UnpicklingError) as error:
            self.sitting.log("note", words=f"The checkpoint cannot be read ({first_line(error)[:100]}): it begins anew.")
            return 0, 0.0
        return found["step"], found["seconds"]

    def after(self, step: int, seconds: float) -> None:
        """A step was taken: now and then it is kept."""
        if time.monotonic() - self._last > EVERY:
            self.save(step, seconds)

    def save(self, step: int, seconds: float) -> None:
        """In the place of the one before when it is whole. Waits where the disk is full."""
        self.sitting.until_written(lambda: self._write(step, seconds), self.place)
        self._last = time.monotonic()

    def _write(self, step: int, seconds: float) -> None:
        beside = self.place.with_name(f"{CHECKPOINT}.new")
        learned = {name: number.detach() for name, number in self.learned.items()}
        where = {"step": step, "seconds": seconds, "random": torch.get_rng_state()}
        torch.save({"learned": learned, "optimizer": self.optimizer.state_dict(), **where}, beside)
        os.replace(beside, self.place)


def forget(folder: Path) -> None:
    """The run came to its end."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
