"""Chats, and a tiny model that learns them."""

from pathlib import Path

from chatapp.lab.finetune.pairs import Chat
from chatapp.lab.finetune.training import Student, read
from chatapp.settings import Settings
from chatapp.turn import Message
from chatapp.xray.text.which import located


def pair(prompt: str, reply: str) -> Chat:
    return Chat((Message("user", prompt), Message("assistant", reply)), "a test")


CHATS = [pair(f"hello world {n}", f"I am fine, thank you {n}") for n in range(12)]


def student(folder: Path, data_dir: Path) -> Student:
    settings = Settings(model=str(folder), data_dir=data_dir, device="cpu")
    return read(located(settings), settings, quiet)


def quiet(words: str, share: float | None) -> None: ...


def never() -> bool:
    return False
