"""The steps of a write, each on a connection that its caller has opened as one transaction; and the owner check that all begin with."""

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner
from chatapp.store import search
from chatapp.store.record import Conversation, parents_first, title_of
from chatapp.store.schema import (
    IDENTITY,
    PROMPT_FIELDS,
    REPLY_FIELDS,
    ROOM,
    TURN_FIELDS,
    WHOLE,
    conversations,
    prompts,
    turn_from,
    turn_row,
    turns,
)
from chatapp.store.tree import Node
from chatapp.turn import FinishReason, Turn

CHUNK = 500
"""Ids in one IN (…)."""

MUTABLE = tuple(name for name in TURN_FIELDS if name not in IDENTITY)

# Built once: a reply is saved three times a second, and putting a statement together takes longer than running it.
OWNED = sa.select(conversations.c.id).where(
    conversations.c.id == sa.bindparam("in_conversation"), conversations.c.owner == sa.bindparam("of")
)
OWN = turns.update().where(turns.c.id == sa.bindparam("this"), turns.c.conversation_id.in_(OWNED))
"""This turn, in this conversation of this owner; a deleted conversation still takes the rest of its reply, in case of undo."""

RUNNING = OWN.where(turns.c.finish_reason == "")
REASON = sa.select(turns.c.finish_reason).where(turns.c.id == sa.bindparam("this"), turns.c.conversation_id.in_(OWNED))
PROMPT = prompts.update().where(prompts.c.turn_id == sa.bindparam("this"))

EVER = sa.select(conversations).where(conversations.c.id == sa.bindparam("this"), conversations.c.owner == sa.bindparam("of"))
HEAD = EVER.where(conversations.c.deleted.is_(None))
HEADS = {
    (lock, ever): query.with_for_update() if lock else query for ever, query in ((True, EVER), (False, HEAD)) for lock in (True, False)
}
"""(lock, with_deleted) → query"""

PLACE = (
    sa.select(turns.c.seq, turns.c.conversation_id, turns.c.parent_id, turns.c.finish_reason)
    .join(conversations, conversations.c.id == turns.c.conversation_id)
    .where(turns.c.id == sa.bindparam("this"), conversations.c.owner == sa.bindparam("of"), conversations.c.deleted.is_(None))
)
TREE = sa.select(turns.c.id, turns.c.parent_id, turns.c.created, turns.c.seq).where(turns.c.conversation_id == sa.bindparam("this"))
LAST = sa.select(sa.func.max(turns.c.seq)).where(turns.c.conversation_id == sa.bindparam("this"))
SEQS = sa.select(turns.c.seq).where(turns.c.id.in_(sa.bindparam("ids", expanding=True)))
BY_SEQ = conversations.update().where(conversations.c.seq == sa.bindparam("this"))
BY_ID = conversations.update().where(conversations.c.id == sa.bindparam("this"))


def head(connection: sa.Connection, owner: Owner, conversation_id: str, *, lock: bool = False, with_deleted: bool = False) -> sa.Row:
    """The conversation's row, if it is the owner's; `lock` makes other writers of it wait."""
    row = connection.execute(HEADS[lock, with_deleted], {"this": conversation_id, "of": owner}).first()
    if row is None:
        raise NotFound("The conversation")
    return row


def place(connection: sa.Connection, owner: Owner, turn_id: str) -> sa.Row:
    """Where a turn stands (seq, conversation_id, parent_id, finish_reason), if it is the owner's."""
    row = connection.execute(PLACE, {"this": turn_id, "of": owner}).first()
    if row is None:
        raise NotFound("The message")
    return row


def tree(connection: sa.Connection, conversation_id: str) -> dict[str, Node]:
    """All turns of a conversation, without their words."""
    return {row.id: Node(*row) for row in connection.execute(TREE, {"this": conversation_id})}


def whole_turn(connection: sa.Connection, owner: Owner, turn_id: str) -> Turn:
    """One turn, if it is the owner's."""
    place(connection, owner, turn_id)
    return turn_from(connection.execute(WHOLE.where(turns.c.id == turn_id)).mappings().one())


def insert_new(connection: sa.Connection, table: sa.Table) -> Any:
    """INSERT that leaves an existing row alone."""
    return _insert_new(connection.dialect.name, table)


@cache
def _insert_new(dialect: str, table: sa.Table) -> Any:
    return (sqlite if dialect == "sqlite" else postgresql).insert(table).on_conflict_do_nothing()


def begin(connection: sa.Connection, turn: Turn, runner: str, model: str | None) -> None:
    """The question, and its conversation when new, which `model` answers."""
    now = time.time()
    row = dict(id=turn.conversation_id, owner=turn.owner, title=title_of(turn.user), created=now, updated=now, pinned=False, leaf=None)
    row["model"] = model
    is_new = connection.execute(insert_new(connection, conversations), row).rowcount == 1
    seq = head(connection, turn.owner, turn.conversation_id, lock=True).seq
    if turn.parent_id is not None and place(connection, turn.owner, turn.parent_id).conversation_id != turn.conversation_id:
        raise NotFound("The message")
    last = connection.execute(LAST, {"this": turn.conversation_id}).scalar()
    number = (last or seq * ROOM) + 1
    if number // ROOM != seq:
        raise ChatError(f"This conversation has {ROOM - 1} messages, the most it can hold. Begin a new one.", status=409)
    connection.execute(turns.insert(), turn_row(turn, TURN_FIELDS) | {"runner": runner, "seq": number})
    connection.execute(prompts.insert(), turn_row(turn, PROMPT_FIELDS) | {"turn_id": turn.id})
    connection.execute(BY_SEQ, {"this": seq, "leaf": turn.id, "updated": now})
    index(connection, [turn.id])
    if is_new:
        search.put_titles(connection, [seq])


def prompt_state(turn: Turn) -> tuple[Any, ...]:
    """Changes when something besides the reply changes: then progress() writes all of the turn. Cheap: no copies."""
    return (
        len(turn.prompt_ids),
        len(turn.prompt_text),
        turn.prefix_tokens,
        turn.prefix_text,
        turn.model,
        turn.revision,
        turn.engine,
        turn.dropped_messages,
    )


def progress(connection: sa.Connection, turn: Turn, whole: bool) -> FinishReason:
    """The reply so far, unless somebody else has ended the turn: then why. Raises NotFound when it is gone."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")  # at most 0.6 s lost, and only if the server itself dies
    names = [name for name in (MUTABLE if whole else REPLY_FIELDS) if name != "finish_reason"]
    done = connection.execute(RUNNING, turn_row(turn, names) | _whose(turn)).rowcount
    if whole and done:
        connection.execute(PROMPT, turn_row(turn, PROMPT_FIELDS) | {"this": turn.id})
    return "" if done else reason(connection, turn)


def reason(connection: sa.Connection, turn: Turn) -> FinishReason:
    """Why the stored turn has ended, '' while it runs. Raises NotFound when it is gone."""
    found = connection.execute(REASON, _whose(turn)).scalar()
    if found is None:
        raise NotFound("The message")
    return found


def finish(connection: sa.Connection, turn: Turn) -> None:
    """The final state, searchable; from now on nobody writes it. Raises NotFound when it is gone."""
    if not connection.execute(OWN, turn_row(turn, MUTABLE) | {"runner": ""} | _whose(turn)).rowcount:
        raise NotFound("The message")
    connection.execute(PROMPT, turn_row(turn, PROMPT_FIELDS) | {"this": turn.id})
    connection.execute(BY_ID, {"this": turn.conversation_id, "updated": time.time()})
    index(connection, [turn.id])


def _whose(turn: Turn) -> dict[str, str]:
    return {"this": turn.id, "in_conversation": turn.conversation_id, "of": turn.owner}


def index(connection: sa.Connection, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), CHUNK):
        seqs = connection.execute(SEQS, {"ids": ids[start : start + CHUNK]}).scalars().all()
        search.index_turns(connection, seqs)


def interrupt(connection: sa.Connection, alive: Callable[[str], bool]) -> int:
    """Running turns whose process is dead become 'interrupted'; how many."""
    running = connection.execute(sa.select(turns.c.id, turns.c.runner).where(turns.c.finish_reason == "")).all()
    dead = {runner for runner in {row.runner for row in running} if not alive(runner)}
    ids = [row.id for row in running if row.runner in dead]
    for start in range(0, len(ids), CHUNK):
        some = turns.c.id.in_(ids[start : start + CHUNK])
        connection.execute(turns.update().where(some).values(finish_reason="interrupted"))
    index(connection, ids)
    return len(ids)


def change(connection: sa.Connection, owner: Owner, conversation_id: str, *, with_deleted: bool = False, **values: Any) -> int:
    """Set columns of a conversation; its seq."""
    seq = head(connection, owner, conversation_id, lock=True, with_deleted=with_deleted).seq
    connection.execute(BY_SEQ, {"this": seq, **values})
    return seq


def add(connection: sa.Connection, owner: Owner, new: Sequence[Conversation]) -> list[str]:
    """Whole conversations, in bulk."""
    taken = _taken(connection, conversations, [c.id for c in new]) | _taken(connection, turns, [t.id for c in new for t in c.turns])
    fresh = [c.copied() if c.id in taken or any(t.id in taken for t in c.turns) else c for c in new]
    for start in range(0, len(fresh), 100):
        _add(connection, owner, fresh[start : start + 100])
    return [c.id for c in fresh]


def _add(connection: sa.Connection, owner: Owner, some: Sequence[Conversation]) -> None:
    names = "id", "title", "created", "updated", "pinned", "leaf", "model"
    connection.execute(conversations.insert(), [{n: getattr(c, n) for n in names} | {"owner": owner} for c in some])
    rows = connection.execute(sa.select(conversations.c.id, conversations.c.seq).where(conversations.c.id.in_([c.id for c in some])))
    seqs = {row.id: row.seq for row in rows}
    numbered = [(seqs[c.id] * ROOM + n, turn) for c in some for n, turn in enumerate(parents_first(c.turns), 1)]
    if numbered:
        connection.execute(turns.insert(), [turn_row(turn, TURN_FIELDS) | {"runner": "", "seq": seq} for seq, turn in numbered])
        connection.execute(prompts.insert(), [turn_row(turn, PROMPT_FIELDS) | {"turn_id": turn.id} for _, turn in numbered])
    words = [(seq, f"{turn.user}\n{turn.reply}") for seq, turn in numbered] + [(seqs[c.id] * ROOM, c.title) for c in some]
    search.put(connection, [(seq, search.document(owner, text)) for seq, text in words])


def _taken(connection: sa.Connection, table: sa.Table, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        found.update(connection.execute(sa.select(table.c.id).where(table.c.id.in_(ids[start : start + CHUNK]))).scalars())
    return found
