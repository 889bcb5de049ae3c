"""One's own conversations as chats to learn from, by title or id. A reply that was cut is left out, with its question."""

from collections.abc import Sequence

from chatapp.chat.build import messages_of
from chatapp.errors import ChatError, closest
from chatapp.identity import Owner
from chatapp.lab.finetune.pairs import Chat, chat
from chatapp.store import Store, at_hand
from chatapp.store.outline import said
from chatapp.turn import Turn

WHOLE = ("end", "stop")
"""How a reply ends that says all it wanted to say."""


def chosen(store: Store, names: Sequence[str]) -> list[Chat]:
    """The shown path of each conversation. Raises ChatError for a name that stands for none, or for several, and one without a reply."""
    known = at_hand.titled(store.database)
    return [_chat(store, known, name) for name in dict.fromkeys(names)]


def _chat(store: Store, known: Sequence[tuple[str, str, str]], name: str) -> Chat:
    found = [one for one in known if name == one[1]] or [one for one in known if name.strip().casefold() == one[2].strip().casefold()]
    if not found:
        near = closest(name, [one[2] for one in known]) or f" The latest are: {', '.join(repr(one[2]) for one in known[:3]) or 'none'}."
        raise ChatError(f"No conversation has the title or id {name!r}.{near}", status=404)
    if len(found) > 1:
        raise ChatError(
            f"{len(found)} conversations have the title {name!r}. Name one by its id: {', '.join(one[1] for one in found[:5])}."
        )
    return learned(store, *found[0])


def learned(store: Store, owner: Owner, id: str, title: str) -> Chat:
    """The shown path of one. Raises ChatError where it has no whole reply."""
    path = [turn for turn in said(store.database, owner, id) if whole(turn)]
    if not path:
        raise ChatError(f"The conversation {title!r} has no reply that came to its end, so there is nothing to learn in it.", status=422)
    return chat(messages_of(path, system=store.turn(owner, path[-1].id).system), f"the conversation {title!r}")


def whole(turn: Turn) -> bool:
    """Is its reply worth learning: all of it, by the model's own will?"""
    return turn.finish_reason in WHOLE and bool(turn.reply.strip())
