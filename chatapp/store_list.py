"""The list of conversations, as the sidebar shows it: the latest ones, or those a search finds, with the words marked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from chatapp.store_schema import conversations, turns
from chatapp.store_search import find
from chatapp.store_snippet import Ranges, marked, needles, snippet

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


RUNNING = sa.exists().where(turns.c.conversation_id == conversations.c.id, turns.c.stop_reason == "")
COLUMNS = sa.select(*(conversations.c[name] for name in ("id", "title", "updated", "created", "pinned")), RUNNING.label("running")).where(
    conversations.c.deleted.is_(None)
)


def latest(connection: sa.Connection, owner: str, limit: int) -> list[Summary]:
    """Pinned first, then the latest."""
    query = COLUMNS.where(conversations.c.owner == owner)
    order = conversations.c.pinned.desc(), conversations.c.updated.desc(), conversations.c.seq.desc()
    return [_summary(row) for row in connection.execute(query.order_by(*order).limit(limit))]


def some(connection: sa.Connection, owner: str, ids: Sequence[str]) -> list[Summary]:
    """These conversations, in no order."""
    found: list[Summary] = []
    for start in range(0, len(ids), CHUNK):
        query = COLUMNS.where(conversations.c.owner == owner, conversations.c.id.in_(ids[start : start + CHUNK]))
        found.extend(_summary(row) for row in connection.execute(query))
    return found


def found(connection: sa.Connection, owner: str, query: str, limit: int) -> list[Summary]:
    """Where the words of `query` occur, in the order of latest()."""
    pattern = needles(query)
    hits = find(connection, owner, query, limit)
    if pattern is None or not hits:
        return []
    rows = sorted(some(connection, owner, list(hits)), key=lambda s: (s.pinned, s.updated), reverse=True)[:limit]
    texts = _texts(connection, [hits[row.id] for row in rows if hits[row.id] is not None])
    return [_marked(row, hits[row.id], texts, pattern) for row in rows]


def _summary(row: sa.Row) -> Summary:
    values = row._mapping
    return Summary(**{**values, "running": bool(values["running"])})


def _texts(connection: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    texts: dict[str, tuple[str, str]] = {}
    columns = turns.c.id, turns.c.user, turns.c.prefill_text, turns.c.reply_text
    for start in range(0, len(ids), CHUNK):
        for row in connection.execute(sa.select(*columns).where(turns.c.id.in_(ids[start : start + CHUNK]))):
            texts[row.id] = (row.user, row.prefill_text + row.reply_text)
    return texts


def _marked(row: Summary, turn_id: str | None, texts: dict[str, tuple[str, str]], pattern) -> Summary:
    title, ranges = marked(row.title, pattern)
    text, found = snippet(texts[turn_id], pattern) if turn_id is not None else ("", ())
    return replace(row, title=title, title_ranges=ranges, snippet=text, snippet_ranges=found, found=turn_id)
