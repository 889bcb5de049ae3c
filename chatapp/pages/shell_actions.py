"""What every page asks: who is logged in, which tasks there are, and what is done with them."""

from dataclasses import asdict

from chatapp.errors import ChatError
from chatapp.identity import Owner, login_of
from chatapp.pages.shell_protocol import Shell, ShellAsk, TaskAction, TaskRow
from chatapp.pages.watch import sign
from chatapp.resident.admission import asked_here
from chatapp.server.door import Asked, Door
from chatapp.settings import Settings
from chatapp.tasks import Task, Tasks, may_change


class ShellActions:
    """POST /ui/shell and /ui/tasks."""

    def __init__(self, tasks: Tasks, settings: Settings) -> None:
        self.tasks = tasks
        self.settings = settings
        self.doing = {"cancel": tasks.cancel, "retry": tasks.retry, "dismiss": tasks.dismiss}

    @property
    def local(self) -> bool:
        """Does whoever asks sit at this machine?"""
        return asked_here(self.settings)

    async def shell(self, owner: Owner, asked: Asked) -> Asked:
        ask = ShellAsk.read(asked)
        rows = [row(task, owner, self.local) for task in self.tasks.of(owner)]
        user = login_of(owner)
        shell = Shell(user, rows, sign([user, *map(asdict, rows)]))
        return {} if shell.sign == ask.have else asdict(shell)

    async def act(self, owner: Owner, asked: Asked) -> Asked:
        ask = TaskAction.read(asked)
        if ask.do not in self.doing:
            raise ChatError(f"The page asked for {ask.do!r}, which this version of the server does not know. Reload the page.", status=404)
        self.doing[ask.do](owner, ask.id, local=self.local)
        return {}


def row(task: Task, owner: Owner, local: bool) -> TaskRow:
    """A task as its reader may see it."""
    words = "Cancelling; it ends at its next step" if task.cancelling and task.state == "running" else task.step.words
    can = possible(task) if may_change(task, owner, local) else []
    return TaskRow(task.id, task.kind, task.title, task.state, words, task.step.share, task.error, task.result, can)


def possible(task: Task) -> list[str]:
    """What can be done with a task as it stands."""
    if task.state == "running":
        return [] if task.cancelling else ["cancel"]
    return ["retry", "dismiss"] if task.again and task.state != "done" else ["dismiss"]


def add(door: Door, tasks: Tasks, settings: Settings) -> None:
    """Hang the shell on the door."""
    actions = ShellActions(tasks, settings)
    door.actions |= {"shell": actions.shell, "tasks": actions.act}
