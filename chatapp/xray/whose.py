"""Which of the models in memory wrote a reply? By their weights, not by their names; where that cannot be known, it is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.models.identity import FINGERPRINT, ModelId, at_server, made_by, refuse_foreign_ids, told_from, why_another
from chatapp.models.remembered import recall
from chatapp.models.servers import is_address
from chatapp.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from chatapp.resident.slot import ModelSlot


class NotLoaded(ChatError):
    """The reply's model is not loaded; `offer` is its name, for a button that loads it, '' where `cure` is another."""

    def __init__(self, wanted: ModelId, now: ModelId | None, cure: str = "") -> None:
        made, loaded = (told_from(wanted, now), told_from(now, wanted)) if now else (wanted.name, "no model")
        super().__init__(
            f"This reply was made by {made}; {loaded} is loaded. {cure or f'Load {made} to see more than what was recorded.'}",
            status=409,
        )
        self.offer = "" if cure else str(wanted)


class Unsure(ChatError):
    """A model of the reply's name is loaded, and whether it has the reply's weights cannot be known; a person may look `anyway`."""

    anyway = True


def refuse_remote(made: ModelId) -> None:
    """Raises ChatError for a reply that another server wrote: there is nothing to compute its inside from."""
    if is_address(made.name):
        raise ChatError(
            f"{at_server(made.name)} wrote this reply: another server, which gave words and no tokens, and has the weights. What it was "
            "sent and what it said stand under Prompt. To look inside, load the model on this machine, on the page Models, and regenerate.",
            status=409,
        )


@dataclass(frozen=True)
class Present:
    """A model in memory, and the names by which it is known."""

    id: ModelId
    names: set[str]
    vocabulary: int
    slot: "ModelSlot"


def called(typed: str, present: Sequence[Present]) -> ModelId:
    """The model somebody's words name: one that is present, or one to be loaded."""
    return next((p.id for p in present if typed in p.names or typed in (p.id.name, str(p.id))), ModelId(typed, ""))


def find(whose: Turn | ModelId, present: Sequence[Present]) -> Present | None:
    """The present model that wrote this turn, whose ids it must be able to read; None where it is not present. Raises Unsure."""
    wanted = made_by(whose) if isinstance(whose, Turn) else whose
    compared = [(p, wanted.compare(p.id)) for p in present]
    if found := next((p for p, how in compared if how == "same"), None):
        if isinstance(whose, Turn):
            refuse_foreign_ids(whose, found.vocabulary, found.id.name)
        return found
    if unknown := next((p for p, how in compared if how == "unknown"), None):
        raise Unsure(why_another(wanted, unknown.id), status=409)
    return None


def not_loaded(wanted: ModelId, present: Sequence[Present], data_dir: "Path", why_not: str) -> NotLoaded:
    """With the offer to load it, where that is allowed (`why_not`) and it is known where its files lie."""
    lost = wanted.revision.startswith(FINGERPRINT) and recall(wanted.revision, data_dir) is None
    cure = why_not or (f"Where its files lie is not known here: start the app with {wanted.name} once, and they are found." if lost else "")
    return NotLoaded(wanted, present[0].id if present else None, cure)
