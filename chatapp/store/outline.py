"""A conversation as a page shows it: the turns of one path without their prompts, which grow with the square of its length."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from chatapp.errors import NotFound
from chatapp.identity import Owner
from chatapp.models.identity import ModelId
from chatapp.store import write
from chatapp.store.database import Database
from chatapp.store.schema import TURN_FIELDS, conversations, prompts, turns
from chatapp.store.tree import Tree, children, path_to
from chatapp.turn import Turn

THESE = turns.c.id.in_(sa.bindparam("ids", expanding=True))
WITHOUT_PROMPT = (
    sa.select(
        conversations.c.owner,
        *(turns.c[n].label(n) for n in TURN_FIELDS),
        (sa.func.length(prompts.c.prompt_ids) / 4).label("prompt_tokens"),
    )
    .join(conversations, conversations.c.id == turns.c.conversation_id)
    .join(prompts, prompts.c.turn_id == turns.c.id)
    .where(THESE)
)
"""Ids are stored as four bytes each."""

SAID = "id", "conversation_id", "parent_id", "user", "history", "prefix_text", "reply_text", "finish_reason", "timings"
ONLY_SAID = (
    sa.select(conversations.c.owner, *(turns.c[n].label(n) for n in SAID))
    .join(conversations, conversations.c.id == turns.c.conversation_id)
    .where(THESE)
)
HERE = turns.c.conversation_id == sa.bindparam("this")
MADE = sa.select(turns.c.model, turns.c.revision).where(HERE, turns.c.model != "").distinct()
RUNNING = sa.select(turns.c.id).where(HERE, turns.c.finish_reason == "")


@dataclass(frozen=True)
class Outline:
    """What a page shows of a conversation.

    turns          from the root to the leaf, without their prompts
    prompt_tokens  turn id → how many ids the model was given
    versions       turn id → ids of the turns in its place, oldest first, itself included
    version        another one whenever any of this may be
    model          id of the model that answers in it; None in one from before there were several
    made           the models that wrote in it, other versions' too
    """

    title: str
    turns: list[Turn]
    prompt_tokens: dict[str, int]
    versions: dict[str, list[str]]
    version: str
    model: str | None = None
    made: frozenset[ModelId] = frozenset()


def outline(connection: sa.Connection, owner: Owner, conversation_id: str, leaf: str | None = None) -> Outline:
    """The path to `leaf`, by default to the current one. Raises NotFound."""
    head, tree = write.head(connection, owner, conversation_id), write.tree(connection, conversation_id)
    path = _path(head, tree, leaf)
    found, tokens = _turns(connection, path)
    version = _version(head, tree, _running(connection, conversation_id))
    return Outline(head.title, found, tokens, _versions(tree, path), version, head.model, _made(connection, conversation_id))


def said(database: Database, owner: Owner, conversation_id: str, leaf: str | None = None) -> list[Turn]:
    """The same path with what was said and nothing of how it was drawn: all that the next prompt is made of. Raises NotFound."""
    with database.read() as connection:
        head, tree = write.head(connection, owner, conversation_id), write.tree(connection, conversation_id)
        path = _path(head, tree, leaf)
        found = {row["id"]: Turn(**row) for row in _rows(connection, ONLY_SAID, path)}
    return [found[id] for id in path]


def version(connection: sa.Connection, owner: Owner, conversation_id: str) -> str:
    """Outline.version alone, for somebody who has the outline."""
    head = write.head(connection, owner, conversation_id)
    return _version(head, write.tree(connection, conversation_id), _running(connection, conversation_id))


def _path(head: sa.Row, tree: Tree, leaf: str | None) -> list[str]:
    if leaf is not None and leaf not in tree:
        raise NotFound("The message")
    return path_to(tree, leaf or head.leaf)


def _rows(connection: sa.Connection, query: sa.Select, ids: list[str]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(ids), write.CHUNK):
        yield from map(dict, connection.execute(query, {"ids": ids[start : start + write.CHUNK]}).mappings())


def _turns(connection: sa.Connection, ids: list[str]) -> tuple[list[Turn], dict[str, int]]:
    found: dict[str, Turn] = {}
    tokens: dict[str, int] = {}
    for values in _rows(connection, WITHOUT_PROMPT, ids):
        tokens[values["id"]] = int(values.pop("prompt_tokens"))
        found[values["id"]] = Turn(**values)
    return [found[id] for id in ids], tokens


def _versions(tree: Tree, path: Iterable[str]) -> dict[str, list[str]]:
    below = children(tree)
    return {id: [node.id for node in below[tree[id].parent_id]] for id in path}


def _made(connection: sa.Connection, conversation_id: str) -> frozenset[ModelId]:
    return frozenset(ModelId(*row) for row in connection.execute(MADE, {"this": conversation_id}))


def _running(connection: sa.Connection, conversation_id: str) -> list[str]:
    return sorted(connection.execute(RUNNING, {"this": conversation_id}).scalars())


def _version(head: sa.Row, tree: Tree, running: list[str]) -> str:
    parts = head.title, head.model, head.updated, head.leaf, len(tree), max((node.seq for node in tree.values()), default=0), running
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
