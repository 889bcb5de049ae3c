"""What a person may choose from: models that can be fine-tuned, and why others cannot; conversations, with their replies counted."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.lab.finetune.own_chats import learned, whole
from chatapp.lab.finetune.pairs import Chat
from chatapp.models.catalog import LocalModel
from chatapp.models.files.folder import opened
from chatapp.models.gguf import read_gguf
from chatapp.store import Store, listing
from chatapp.store.outline import said
from chatapp.xray.support import why_none

MOST = 200
"""Conversations that are offered, the latest."""


@dataclass(frozen=True)
class Offered:
    """A conversation: how many replies of it would be learned."""

    id: str
    title: str
    updated: float
    replies: int


def refusal(model: LocalModel) -> str:
    """Why a model on this machine cannot be fine-tuned; '' where nothing in its files speaks against it."""
    if model.problem:
        return model.problem
    if model.use.purpose != "chat":
        return f"{model.use.words} So it can learn no replies."
    if model.place.is_file():
        return _refusal_of_gguf(model.place)
    config = opened(model.place).maybe("config.json")
    if unknown := why_none(config):
        return unknown
    if quantized := config.get("quantization_config"):
        method = quantized.get("quant_method", "quantized") if isinstance(quantized, dict) else "quantized"
        return f"Its weights are quantized ({method}), and cannot be learned in. Choose the model that it was made from."
    return ""


def _refusal_of_gguf(path: Path) -> str:
    """The app makes a folder of safetensors of one, which transformers has to be able to read."""
    from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

    try:
        architecture = str(read_gguf(path).values.get("general.architecture"))
    except ChatError as error:
        return str(error)
    if architecture in GGUF_CONFIG_MAPPING:
        return ""
    return f"transformers cannot read {architecture[:60]} from a GGUF file, so it cannot learn. Choose the model that it was made from."


def conversations(store: Store, owner: Owner) -> list[Offered]:
    """One's own that have a reply to learn, the latest first."""
    with store.database.read() as connection:
        known = listing.latest(connection, owner, MOST)
    counted = ((one, sum(map(whole, said(store.database, owner, one.id)))) for one in known)
    return [Offered(one.id, one.title, one.updated, replies) for one, replies in counted if replies]


def chosen(store: Store, owner: Owner, ids: Iterable[str]) -> list[Chat]:
    """One's own, by id. Raises ChatError for one that is not there any more, or holds nothing to learn."""
    known = {one.id: one.title for one in conversations(store, owner)}
    if gone := [id for id in ids if id not in known]:
        raise ChatError(f"{len(gone)} of the chosen conversations are gone, or have no whole reply any more. Choose anew.", status=404)
    return [learned(store, owner, id, known[id]) for id in dict.fromkeys(ids)]
