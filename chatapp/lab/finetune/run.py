"""A fine-tuning from what its folder asks for to an adapter in it, in this process; lab/train/child.py is this in one of its own."""

import time
from pathlib import Path
from typing import Any

from chatapp.lab.finetune import asked, kept
from chatapp.lab.finetune.training import finetune, read
from chatapp.lab.train import history
from chatapp.lab.train.sitting import Sitting, sat
from chatapp.tasks import Progress
from chatapp.xray.text.which import located


def tune(folder: Path, say: Progress) -> dict[str, Any]:
    """The run in `folder`, from where it is to its end; what run.json says then. Raises ChatError, which run.json says too."""
    sitting = Sitting(folder, say)
    return sat(folder, lambda: _tuned(sitting))


def _tuned(sitting: Sitting) -> dict[str, Any]:
    """One that was stopped, or is not measured, can be gone on with."""
    wanted = asked.read(sitting.folder)
    student = read(located(wanted.settings), wanted.settings, sitting.tell)
    report = finetune(student, wanted.chats, wanted.lesson, sitting, merge=wanted.merge)
    if report.after:
        kept.forget(sitting.folder)
    history.update(sitting.folder, state="done" if report.after else "stopped", ended=time.time())
    return history.written(sitting.folder)
