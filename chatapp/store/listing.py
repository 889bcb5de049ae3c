"""The list of conversations, as the sidebar shows it: the latest ones, or those a search finds, with the words marked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from chatapp.identity import Owner
from chatapp.store.finding import find
from chatapp.store.schema import conversations, turns
from chatapp.store.snippet import Ranges, marked, needles, snippet

CHUNK = 500


@dataclass(frozen=True)
class Summary:
    """One line of the list. Times are Unix seconds. Ranges are (start, end) in characters of the plain text they stand beside.

    snippet, snippet_ranges  of a search: the piece of turn `found`; title_ranges mark `title`
    """

    id: str
    title: str
    updated: float
    created: float
    pinned: bool
    running: bool
    snippet: str = ""
    snippet_ranges: Ranges = ()
    title_ranges: Ranges = ()
    found: str | None = None


RUNNING = sa.exists().where(turns.c.conversation_id == conversations.c.id, turns.c.finish_reason == "")
NAMES = "seq", "id", "title", "updated", "created", "pinned"
COLUMNS = sa.select(*(conversations.c[name] for name in NAMES), RUNNING.label("running")).where(conversations.c.deleted.is_(None))

LATEST = (
    COLUMNS.where(conversations.c.owner == sa.bindparam("of"))
    .order_by(conversations.c.pinned.desc(), conversations.c.updated.desc(), conversations.c.seq.desc())
    .limit(sa.bindparam("most"))
)
COUNT = sa.select(sa.func.count()).where(conversations.c.owner == sa.bindparam("of"), conversations.c.deleted.is_(None))


def latest(connection: sa.Connection, owner: Owner, limit: int) -> list[Summary]:
    """Pinned first, then the latest."""
    return [_summary(row) for row in connection.execute(LATEST, {"of": owner, "most": limit})]


def count(connection: sa.Connection, owner: Owner) -> int:
    """How many the owner has."""
    return connection.execute(COUNT, {"of": owner}).scalar_one()


def one(connection: sa.Connection, owner: Owner, conversation_id: str) -> Summary:
    """A conversation that is there."""
    query = COLUMNS.where(conversations.c.owner == owner, conversations.c.id == conversation_id)
    return _summary(connection.execute(query).one())


def sizes(connection: sa.Connection, owner: Owner, ids: Sequence[str]) -> dict[str, int]:
    """Conversation id → turns, of those that are there and the owner's."""
    count = sa.select(conversations.c.id, sa.func.count(turns.c.id)).outerjoin(turns, turns.c.conversation_id == conversations.c.id)
    mine = count.where(conversations.c.owner == owner, conversations.c.deleted.is_(None)).group_by(conversations.c.id)
    found: dict[str, int] = {}
    for start in range(0, len(ids), CHUNK):
        found.update((row.id, row[1]) for row in connection.execute(mine.where(conversations.c.id.in_(ids[start : start + CHUNK]))))
    return found


def found(connection: sa.Connection, owner: Owner, query: str, limit: int) -> list[Summary]:
    """Where the words of `query` occur, in the order of latest()."""
    pattern = needles(query)
    hits = find(connection, owner, query, limit)
    if pattern is None or not hits:
        return []
    rows = _these(connection, owner, list(hits))[:limit]
    texts = _texts(connection, [hits[row.seq] for row in rows])
    return [_marked(_summary(row), texts.get(hits[row.seq]), pattern) for row in rows]


def _summary(row: sa.Row) -> Summary:
    return Summary(row.id, row.title, row.updated, row.created, row.pinned, bool(row.running))


def _these(connection: sa.Connection, owner: Owner, seqs: Sequence[int]) -> list[sa.Row]:
    rows: list[sa.Row] = []
    for start in range(0, len(seqs), CHUNK):
        query = COLUMNS.where(conversations.c.owner == owner, conversations.c.seq.in_(seqs[start : start + CHUNK]))
        rows.extend(connection.execute(query))
    return sorted(rows, key=lambda row: (row.pinned, row.updated, row.seq), reverse=True)


def _texts(connection: sa.Connection, seqs: Sequence[int]) -> dict[int, tuple[str, str, str]]:
    """seq → turn id, question, reply. A title's number is no turn's, so it has none."""
    texts: dict[int, tuple[str, str, str]] = {}
    columns = turns.c.seq, turns.c.id, turns.c.user, turns.c.prefix_text.label("prefix_text"), turns.c.reply_text
    for start in range(0, len(seqs), CHUNK):
        for row in connection.execute(sa.select(*columns).where(turns.c.seq.in_(seqs[start : start + CHUNK]))):
            texts[row.seq] = row.id, row.user, row.prefix_text + row.reply_text
    return texts


def _marked(row: Summary, hit: tuple[str, str, str] | None, pattern: re.Pattern[str]) -> Summary:
    title, ranges = marked(row.title, pattern)
    row = replace(row, title=title, title_ranges=ranges)
    if hit is None:
        return row
    turn_id, *texts = hit
    text, found = snippet(texts, pattern)
    return replace(row, snippet=text, snippet_ranges=found, found=turn_id)
