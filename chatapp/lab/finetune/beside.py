"""Before and after beside each other: the grid that has a model and what it became answer the prompts that were held out."""

from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.lab.finetune import asked
from chatapp.lab.finetune.pairs import Chat
from chatapp.lab.train import history
from chatapp.models.trained import MERGED

MOST, TOKENS = 20, 200
"""Prompts, and tokens of a reply."""


def grid(folder: Path) -> dict[str, Any]:
    """As a grid.yaml has it: greedy replies, both models read from safetensors. Raises ChatError where it was not merged."""
    if not (folder / MERGED).is_dir():
        raise ChatError("There is no whole model of this run yet. Merge it first.", status=409)
    chats = asked.chats_of(folder / asked.HELD_OUT)
    systems = {system(chat) for chat in chats}
    column = {"system": systems.pop() if len(systems) == 1 else "", "temperature": 0, "max_tokens": TOKENS}
    models = {"before": base(folder), "after": str(folder / MERGED)}
    prompts = [text for text in dict.fromkeys(map(question, chats)) if "{{" not in text]  # which Compare would fill in
    if not prompts:
        raise ChatError("None of the prompts that were held out can be asked in Compare: each holds {{marks}}.", status=409)
    return {
        "prompts": prompts[:MOST],
        "columns": [{"name": name, "model": model, **column} for name, model in models.items()],
        "replicas": 1,
    }


def base(folder: Path) -> str:
    """The very weights that the adapter belongs to, where they are still here; else the model as it was named."""
    place = history.written(folder).get("base", "")
    return place if place and Path(place).is_dir() else asked.read(folder).model


def system(chat: Chat) -> str:
    """The system prompt; '' for none."""
    return next((message.content for message in chat.messages if message.role == "system"), "")


def question(chat: Chat) -> str:
    """The first one: what comes later stands on replies that another model wrote."""
    return next(message.content for message in chat.messages if message.role == "user")
