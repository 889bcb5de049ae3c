"""Training a classifier as a task of the app: one at a time, told in the tray of every page, cancelled at once, ended with the app."""

import asyncio

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.lab.classify.lesson import Lesson, of_movies
from chatapp.lab.classify.minilm import refuse_missing
from chatapp.lab.classify.training import free_name, train
from chatapp.settings import Settings
from chatapp.tasks import Step, Task, Tasks, ending

PAGE = "classify"
ONE = "A classifier is being trained already, and one at a time is. Wait until it is done, or cancel it in the list of tasks."


class Trainings:
    """Those of one app."""

    def __init__(self, tasks: Tasks, settings: Settings) -> None:
        self.tasks = tasks
        self.settings = settings
        self._running: tuple[Task, Lesson | None] | None = None
        self._work: asyncio.Task[None] | None = None

    def begin(self, owner: Owner, title: str, taught: Lesson | None = None) -> Task:
        """Without a lesson it is that of the movie sentences, fetched first. Asked for again while it runs, the same one is answered.

        Raises ChatError while another runs, and where MiniLM is not installed.
        """
        if self._running:
            task, lesson = self._running
            if (task.owner, lesson) == (owner, taught):
                return task
            raise ChatError(ONE, status=409)
        refuse_missing()
        task = self.tasks.begin(owner, "classify", title, again=lambda: self._again(owner, title, taught))
        self._running = task, taught
        self._work = asyncio.get_running_loop().create_task(self._run(task, taught), name=title)
        return task

    def _again(self, owner: Owner, title: str, taught: Lesson | None) -> None:
        self.begin(owner, title, taught)

    async def _run(self, task: Task, taught: Lesson | None) -> None:
        try:
            with ending(task):
                said = await asyncio.to_thread(self._trained, task, taught)
                task.step = Step(said, 1.0)
                task.end("done", result=PAGE)
        finally:
            self._running = self._work = None  # what was unexpected is logged when nobody holds it

    def _trained(self, task: Task, taught: Lesson | None) -> str:
        lesson = taught or of_movies(self.settings.data_dir, task.tell)
        return train(lesson, free_name(self.settings.data_dir / "models", lesson.name), task.tell)
