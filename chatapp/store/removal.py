"""An exchange that was taken out of a conversation, as it was, and putting it back where it stood."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.store import search
from chatapp.store.database import Database
from chatapp.store.schema import PROMPT_FIELDS, TURN_FIELDS, WHOLE, conversations, prompts, turn_from, turn_row, turns
from chatapp.store.tree import Node, path_to
from chatapp.store.write import CHUNK, head, tree
from chatapp.turn import Turn


@dataclass(frozen=True)
class Removed:
    """`turns` stood below the first one, parents before children; `moved` stood below it and moved up; `leaf` was shown."""

    conversation_id: str
    turns: list[Turn]
    seqs: Mapping[str, int]
    moved: list[str]
    leaf: str | None

    @property
    def top(self) -> Turn:
        return self.turns[0]


def removed(connection: sa.Connection, nodes: Mapping[str, Node], gone: list[str], moved: list[str], leaf: str | None) -> Removed:
    """What is about to be erased. A reply that a dead process left running is one that was interrupted."""
    whole = [turn if turn.finish_reason else replace(turn, finish_reason="interrupted") for turn in _whole(connection, gone)]
    return Removed(whole[0].conversation_id, whole, {id: nodes[id].seq for id in gone}, moved, leaf)


def _whole(connection: sa.Connection, ids: list[str]) -> list[Turn]:
    """These turns in this order, prompts included."""
    found: dict[str, Turn] = {}
    for start in range(0, len(ids), CHUNK):
        rows = connection.execute(WHOLE.where(turns.c.id.in_(ids[start : start + CHUNK]))).mappings()
        found.update((row["id"], turn_from(row)) for row in rows)
    return [found[id] for id in ids]


def put_back(database: Database, owner: Owner, gone: Removed) -> None:
    """Undo the removal. Raises NotFound when the conversation was deleted, ChatError when what it followed was."""
    with database.write() as connection:
        now = head(connection, owner, gone.conversation_id, lock=True)
        nodes = tree(connection, gone.conversation_id)
        parent = gone.top.parent_id
        if gone.top.id in nodes:
            return
        if parent is not None and parent not in nodes:
            raise ChatError("What this exchange followed was deleted meanwhile, so it cannot be put back.", status=409)
        _insert(connection, gone, nodes)
        back = turns.c.id.in_(gone.moved), turns.c.parent_id.is_not_distinct_from(parent)
        connection.execute(turns.update().where(*back).values(parent_id=gone.top.id))
        leaf = _leaf(tree(connection, gone.conversation_id), now.leaf, gone)
        connection.execute(conversations.update().where(conversations.c.seq == now.seq).values(leaf=leaf))


def _insert(connection: sa.Connection, gone: Removed, nodes: Mapping[str, Node]) -> None:
    """Under the old numbers, or new ones where somebody wrote meanwhile."""
    taken = {node.seq for node in nodes.values()}
    last = max([*taken, *gone.seqs.values()])
    rows = []
    for turn in gone.turns:
        seq = gone.seqs[turn.id]
        if seq in taken:
            seq = last = last + 1
        rows.append((seq, turn))
    connection.execute(turns.insert(), [turn_row(turn, TURN_FIELDS) | {"runner": "", "seq": seq} for seq, turn in rows])
    connection.execute(prompts.insert(), [turn_row(turn, PROMPT_FIELDS) | {"turn_id": turn.id} for _, turn in rows])
    search.index_turns(connection, [seq for seq, _ in rows])


def _leaf(nodes: Mapping[str, Node], now: str | None, gone: Removed) -> str | None:
    """What is shown: as it was, unless that is above what is shown now or was deleted."""
    if gone.top.id in path_to(nodes, now) or gone.leaf not in nodes:
        return now or gone.top.id
    return gone.leaf
