"""An adapter becomes a whole model, after it was learned: in this process, or in a child of the app as a task."""

import shutil
import tempfile
from pathlib import Path

from chatapp.identity import Owner
from chatapp.lab.child import worked
from chatapp.lab.finetune import asked
from chatapp.lab.train import history
from chatapp.models.trained import MERGED
from chatapp.settings import Settings
from chatapp.tasks import Progress, Task, Tasks, ending
from chatapp.xray.text.which import located


def merged(folder: Path, settings: Settings, tell: Progress) -> Path:
    """The whole model of the adapter in `folder`; where it was merged before, that. Raises ChatError, also while a run learns there.

    `settings` say how it is read; which model it belongs to the run says that learned it, or peft's own file.
    """
    from chatapp.lab.finetune import adapter

    base, target = adapter.base_of(folder), folder / MERGED
    if target.is_dir():
        return target
    lock = history.hold(folder)  # what is learned meanwhile would not be in it
    try:
        _merge(folder, base, target, settings, tell)
    finally:
        history.release(lock)
    return target


def begin(tasks: Tasks, owner: Owner, folder: Path) -> Task:
    """A task that `work` does; its words are those of the child."""
    return tasks.begin(owner, "save", f"Merge: {history.written(folder)['name']}")


def work(task: Task, folder: Path) -> None:
    """In a thread: the child, until it has ended."""
    with ending(task), tempfile.TemporaryDirectory() as place:
        worked("chatapp.lab.finetune.merge_child", [str(folder)], Path(place), task.tell)
        task.end("done", result=f"./train#{folder.name}")


def _merge(folder: Path, base: str, target: Path, settings: Settings, tell: Progress) -> None:
    from chatapp.lab.finetune import adapter
    from chatapp.lab.finetune.training import read

    for left in folder.glob(f".{MERGED}.*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    name = asked.read(folder).model if (folder / asked.LESSON).exists() else base
    student = read(located(settings.model_copy(update={"model": name, "revision": ""})), settings, tell)
    adapter.merge(adapter.read(student.model, folder), student.tokenizer, target, tell)
