"""Chats, and a tiny model that learns them."""

from pathlib import Path

from chatapp.lab.finetune.asked import Lesson, Tuning
from chatapp.lab.finetune.pairs import Chat
from chatapp.lab.finetune.training import Student, read
from chatapp.lab.train import history
from chatapp.lab.train.sitting import Sitting
from chatapp.settings import Settings
from chatapp.tasks import Progress
from chatapp.turn import Message
from chatapp.xray.text.which import located


def pair(prompt: str, reply: str) -> Chat:
    return Chat((Message("user", prompt), Message("assistant", reply)), "a test")


CHATS = [pair(f"hello world {n}", f"I am fine, thank you {n}") for n in range(12)]


def student(folder: Path, data_dir: Path) -> Student:
    settings = Settings(model=str(folder), data_dir=data_dir, device="cpu")
    return read(located(settings), settings, quiet)


def quiet(words: str, share: float | None) -> None: ...


def tuning(model: Path, data_dir: Path, **lesson: float) -> Tuning:
    settings = Settings(data_dir=data_dir, device="cpu")
    return Tuning(str(model), "My pairs", tuple(CHATS), Lesson(**{"epochs": 2, "learning_rate": 0.02, **lesson}), settings)


def sitting(folder: Path, say: Progress = quiet) -> Sitting:
    """In the folder of a run that begins now."""
    history.begun(folder, history.TUNING, "My pairs", {})
    return Sitting(folder, say)


def stopped_after(folder: Path, step: int) -> Progress:
    """A person who stops the run in `folder` after this step."""

    def say(words: str, share: float | None) -> None:
        if words.startswith(f"Step {step} of"):
            (folder / history.STOP).touch()

    return say
