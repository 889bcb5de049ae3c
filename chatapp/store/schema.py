"""The tables as they are now, the compact column types, and the way between a Turn and its rows."""

import json
import math
import re
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, MetaData, Table
from sqlalchemy.types import TypeDecorator

from chatapp.sampling import Sampling
from chatapp.store.limits import TIME, within
from chatapp.turn import Message, Span, Timings, Turn

HEAD = "0005"
"""The newest migration. A database that says so is used without loading Alembic."""

ESCAPE = "\ufdd0"  # a code point that Unicode promises never to assign
ODD = re.compile(f"[\x00{ESCAPE}\ud800-\udfff]")
ESCAPED = re.compile(ESCAPE + "(.{4})", re.DOTALL)


def plain(stored: str) -> str:
    """The text itself, from what a Text column holds."""
    return ESCAPED.sub(lambda m: chr(int(m[1], 16)), stored) if ESCAPE in stored else stored


class Text(TypeDecorator):
    """Any Python string, exactly: PostgreSQL takes no NUL and UTF-8 no lone surrogate, so these are escaped."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value and ODD.sub(lambda m: f"{ESCAPE}{ord(m[0]):04x}", value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return plain(value) if value else value


def _bytes(values: array) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _array(kind: str, data: bytes) -> array:
    values = array(kind)
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


class Time(TypeDecorator):
    """Unix seconds. An older program imported any number as a time, even infinity: such a one comes back as the nearest allowed."""

    impl = sa.Double
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: sa.Dialect) -> float:
        return within(value, TIME)


class Ids(TypeDecorator):
    """Token ids as little-endian int32, 4 bytes each; comes back as `kind` (list or tuple)."""

    impl = sa.LargeBinary
    cache_ok = True

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Sequence[int], dialect: sa.Dialect) -> bytes:
        return _bytes(array("i", value))

    def process_result_value(self, value: bytes, dialect: sa.Dialect) -> Sequence[int]:
        return self.kind(_array("i", value))


class Floats(TypeDecorator):
    """Log-probabilities as little-endian float32; None is stored as NaN, which a log-probability never is."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Sequence[float | None], dialect: sa.Dialect) -> bytes:
        return _bytes(array("f", [math.nan if v is None else v for v in value]))

    def process_result_value(self, value: bytes, dialect: sa.Dialect) -> list[float | None]:
        return [None if math.isnan(v) else v for v in _array("f", value)]


class Json(TypeDecorator):
    """A small structure as ASCII JSON text; pack and unpack are its two directions."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
        super().__init__()
        self.pack, self.unpack = pack, unpack

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        return json.dumps(self.pack(value), separators=(",", ":"))

    def process_result_value(self, value: str, dialect: sa.Dialect) -> Any:
        return self.unpack(json.loads(value))


def _rows(values: Sequence[Message | Span]) -> list[list[Any]]:
    return [list(vars(v).values()) for v in values]


def _messages(rows: list[list[Any]]) -> tuple[Message, ...]:
    return tuple(Message(*row) for row in rows)


def _spans(rows: list[list[Any]]) -> tuple[Span, ...]:
    return tuple(Span(*row) for row in rows)


def _sampling(values: dict[str, Any]) -> Sampling:
    return Sampling(**values)


def _timings(values: dict[str, Any]) -> Timings:
    return Timings(**{name: None if name == "first_token" and value is None else within(value, TIME) for name, value in values.items()})


metadata = MetaData()
Seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # only INTEGER is SQLite's rowid

conversations = Table(
    "conversations",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=True),
    Column("id", sa.Text, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("created", Time, nullable=False),
    Column("updated", Time, nullable=False),
    Column("pinned", sa.Boolean, nullable=False),
    Column("deleted", sa.Double),  # Unix time of the soft delete
    Column("leaf", sa.Text),
    Column("model", Text),  # the public id of the one that answers; NULL for the first
)
Index("conversations_by_owner", conversations.c.owner, conversations.c.pinned, conversations.c.updated)

ROOM = 2**20
"""Turns in one conversation. A turn's seq is its conversation's seq * ROOM + its number there (1, 2, …): so the turns of one
conversation lie together on disk, and a hit of the search, whose rowid is that seq, names its conversation. Number 0 is the title."""

# Columns keep the names that they were made with; `key` is the name of a Turn's field where that is another one.
turns = Table(
    "turns",
    metadata,
    Column("seq", Seq, primary_key=True, autoincrement=False),
    Column("id", sa.Text, nullable=False, unique=True),
    Column("conversation_id", sa.Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", sa.Text, ForeignKey("turns.id")),
    Column("stop_reason", sa.Text, key="finish_reason", nullable=False),
    Column("runner", sa.Text, nullable=False),  # which process generates it, see store/runner.py
    Column("created", Time, nullable=False),
    Column("user", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("given", Json(_rows, _messages), key="history", nullable=False),
    Column("sampling", Json(vars, _sampling), nullable=False),
    Column("dropped", sa.Integer, key="dropped_messages", nullable=False),
    Column("guarded", Json(list, tuple), key="escaped_special_tokens", nullable=False),
    Column("date", Text, nullable=False),
    Column("seed", sa.BigInteger),
    Column("prefilled", sa.Integer, key="prefix_tokens", nullable=False),
    Column("prefill_text", Text, key="prefix_text", nullable=False),
    Column("continues", sa.Text),
    Column("error", Text, nullable=False),
    Column("reused", sa.Integer, key="cached_prompt_tokens", nullable=False),
    Column("timings", Json(vars, _timings), nullable=False),
    Column("model", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("dtype", Text, nullable=False),
    Column("versions", Json(dict, dict), nullable=False),
    Column("reply_text", Text, nullable=False),
    Column("reply_ids", Ids(list), nullable=False),
    Column("logprobs", Floats, nullable=False),
    Column("heard", Text, nullable=False, server_default=""),
)
Index("turns_by_conversation", turns.c.conversation_id, turns.c.parent_id)
Index("turns_by_parent", turns.c.parent_id)
Index("turns_running", turns.c.conversation_id, sqlite_where=turns.c.finish_reason == "", postgresql_where=turns.c.finish_reason == "")

# The prompt grows with the conversation and never changes, so it stands apart from the row that each flush of a reply rewrites.
prompts = Table(
    "prompts",
    metadata,
    Column("turn_id", sa.Text, ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
    Column("prompt_text", Text, nullable=False),
    Column("prompt_ids", Ids(tuple), nullable=False),
    Column("spans", Json(_rows, _spans), nullable=False),
)

drafts = Table(
    "drafts",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("updated", sa.Double, nullable=False),
)

TURN_FIELDS = tuple(f.name for f in fields(Turn) if f.name in turns.c)
PROMPT_FIELDS = tuple(f.name for f in fields(Turn) if f.name in prompts.c)
REPLY_FIELDS = ("reply_text", "reply_ids", "logprobs", "cached_prompt_tokens", "timings", "error", "heard")
IDENTITY = ("id", "conversation_id", "parent_id", "created")

WHOLE = (
    sa.select(conversations.c.owner, *(turns.c[n].label(n) for n in TURN_FIELDS), *(prompts.c[n] for n in PROMPT_FIELDS))
    .join(conversations, conversations.c.id == turns.c.conversation_id)
    .join(prompts, prompts.c.turn_id == turns.c.id)
)
"""Every field of turns; add a where()."""


def turn_row(turn: Turn, names: Sequence[str]) -> dict[str, Any]:
    """Those fields of a turn, by column."""
    return {name: getattr(turn, name) for name in names}


def turn_from(row: Mapping[str, Any]) -> Turn:
    """A Turn from a row of WHOLE."""
    return Turn(**row)
