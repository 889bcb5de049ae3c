"""Training a classifier as a task of the app: one at a time, told in the tray of every page, cancelled within a step."""

import asyncio
from collections.abc import Callable

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.lab.classify.lesson import Lesson
from chatapp.lab.classify.training import free_name, train
from chatapp.resident.slot import ended
from chatapp.settings import Settings
from chatapp.tasks import Progress, Step, Task, Tasks

PAGE = "classify"


class Trainings:
    """Those of one app."""

    def __init__(self, tasks: Tasks, settings: Settings) -> None:
        self.tasks = tasks
        self.settings = settings
        self._running: asyncio.Task[None] | None = None

    def begin(self, owner: Owner, title: str, lesson: Callable[[Progress], Lesson]) -> Task:
        """`lesson` may fetch what is learned from. Raises ChatError while another training runs."""
        if self._running and not self._running.done():
            raise ChatError("A classifier is being trained already. Wait for it, or cancel it in the list of tasks.", status=409)
        task = self.tasks.begin(owner, "train", title, again=lambda: self.begin(owner, title, lesson))
        self._running = asyncio.get_running_loop().create_task(self._run(task, lesson), name=title)
        return task

    async def _run(self, task: Task, lesson: Callable[[Progress], Lesson]) -> None:
        try:
            said = await asyncio.to_thread(self._trained, task, lesson)
        except ChatError as error:
            task.end(ended(error), error=str(error))
        else:
            task.step = Step(said, 1.0)
            task.end("done", result=PAGE)

    def _trained(self, task: Task, lesson: Callable[[Progress], Lesson]) -> str:
        taught = lesson(task.tell)
        return train(taught, free_name(self.settings.data_dir / "models", taught.name), task.tell)
