"""Looking a query up in the search index: whole words, their beginnings, their middle, and quoted phrases; alike on both databases."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from chatapp.identity import Owner
from chatapp.store.schema import ROOM, plain
from chatapp.store.search import TITLES, TURN_TEXTS, UNSPACED, fold, owner_token, pieces, terms

FIRST_PAGE = {"sqlite": 2000, "postgresql": 250}
"""Matching documents looked at first, newest first; then twice as many, and so on until MAX_LOOKED. PostgreSQL often finds them by walking
backwards through the rows, where fewer are quicker; SQLite pays most for the first one."""
MAX_LOOKED = 16_000

CHUNK = 500

SHORT = 3
"""Characters up to which beginnings of words stand in the index themselves (see migration 0002), and cost no more than whole words;
and from which a word is found in the middle of others, too."""

QUOTED = re.compile(r"[\"“„]([^\"“”„]+)[\"”“]")


@dataclass(frozen=True)
class Lookup:
    """What the index is asked: the database's own query, and pieces that words of a document must contain."""

    match: str
    inside: tuple[str, ...] = ()


def lookups(owner: Owner, query: str, *, sqlite: bool) -> list[Lookup]:
    """From narrow to wide: whole words, beginnings of words, the middle of words. None for a query without a word.

    Tokens hold letters, digits and marks only: nothing to escape.
    """
    wanted = terms(query)
    if not wanted:
        return []
    long = [token for token, prefix in wanted if prefix and len(token) >= SHORT]
    whole = [(token, prefix and len(token) <= SHORT) for token, prefix in wanted]
    rest = [(token, prefix) for token, prefix in wanted if token not in long]
    found = [Lookup(matching(owner, some, sqlite=sqlite)) for some in (whole, wanted)]
    if long:
        found.append(Lookup(matching(owner, rest, sqlite=sqlite), tuple(long)))
    return list(dict.fromkeys(found))


def matching(owner: Owner, wanted: list[tuple[str, bool]], *, sqlite: bool) -> str:
    """All of these tokens, in the database's own words: (token, also as the beginning of a longer one)."""
    if sqlite:
        return " AND ".join([f'"{owner_token(owner)}"', *(f'"{token}"' + "*" * prefix for token, prefix in wanted)])
    return " & ".join([owner_token(owner), *(token + ":*" * prefix for token, prefix in wanted)])


def phrases(query: str) -> list[str]:
    """What stands in quotes, as patterns for folded text: these words, in this order, with nothing but space and signs between."""
    return [_phrase([m[0] for m in pieces().finditer(fold(quoted))]) for quoted in QUOTED.findall(query) if pieces().search(fold(quoted))]


def _phrase(words: list[str]) -> str:
    unspaced = [bool(re.match(f"[{UNSPACED}]", word)) for word in words]
    made = "" if unspaced[0] else r"(?<![^\W_])"
    for n, word in enumerate(words):
        if n:
            made += r"[\W_]*" if unspaced[n] or unspaced[n - 1] else r"[\W_]+"
        made += re.escape(word)
    return made if unspaced[-1] else made + r"(?![^\W_])"


def find(connection: sa.Connection, owner: Owner, query: str, limit: int) -> dict[int, int]:
    """Conversation seq → rowid of its newest matching document, for about `limit` of the newest conversations.

    What is wider costs more: it is asked where the narrower one does not fill the list.
    """
    exact = [re.compile(phrase) for phrase in phrases(query)]
    found: dict[int, int] = {}
    for lookup in lookups(owner, query, sqlite=connection.dialect.name == "sqlite"):
        if len(found) < limit:
            found = _walk(connection, owner, lookup, exact, limit) | found
    return found


def _walk(connection: sa.Connection, owner: Owner, lookup: Lookup, exact: list[re.Pattern[str]], limit: int) -> dict[int, int]:
    """The index is asked alone, because a join would read every matching row; the caller checks the owner of what is found."""
    found: dict[int, int] = {}
    below, looked, page = 2**62, 0, FIRST_PAGE[connection.dialect.name]
    while len(found) < limit and looked < MAX_LOOKED:
        rowids = _page(connection, owner, lookup, below, page)
        for rowid in _saying(connection, rowids, exact) if exact else rowids:
            found.setdefault(rowid // ROOM, rowid)
            if len(found) >= limit:
                break
        if len(rowids) < page:
            break
        below, looked, page = rowids[-1], looked + page, 2 * page
    return found


def _page(connection: sa.Connection, owner: Owner, lookup: Lookup, below: int, page: int) -> list[int]:
    """The middle of words is looked for in the newest MAX_LOOKED documents, which must be read; the index has no part in it."""
    match = "search MATCH :query" if connection.dialect.name == "sqlite" else "tokens @@ CAST(:query AS tsquery)"
    newest = f"SELECT rowid, tokens FROM search WHERE {match} AND rowid < :below ORDER BY rowid DESC LIMIT :newest"
    values = {"query": lookup.match, "below": below, "page": page, "newest": MAX_LOOKED if lookup.inside else page}
    where = "true"
    if lookup.inside:
        values |= {"owner": owner_token(owner)} | {f"inside{n}": f"%{piece}%" for n, piece in enumerate(lookup.inside)}
        where = " AND ".join(f"replace(CAST(tokens AS text), :owner, '') LIKE :inside{n}" for n in range(len(lookup.inside)))
    statement = f"SELECT rowid FROM ({newest}) AS newest WHERE {where} ORDER BY rowid DESC LIMIT :page"
    return list(connection.execute(sa.text(statement), values).scalars())


def _saying(connection: sa.Connection, rowids: list[int], exact: list[re.Pattern[str]]) -> Iterator[int]:
    """Those documents whose text has all the phrases: the index knows words, not their order."""
    for start in range(0, len(rowids), CHUNK):
        texts = _texts(connection, rowids[start : start + CHUNK])
        for rowid in rowids[start : start + CHUNK]:
            text = fold(texts.get(rowid, ""))
            if all(phrase.search(text) for phrase in exact):
                yield rowid


def _texts(connection: sa.Connection, rowids: list[int]) -> dict[int, str]:
    """Document → what was indexed of it."""
    titles = [rowid // ROOM for rowid in rowids if rowid % ROOM == 0]
    seqs = [rowid for rowid in rowids if rowid % ROOM]
    found = {row.seq * ROOM: plain(row.title) for row in connection.execute(TITLES, {"seqs": titles})}
    return found | {r.seq: plain(f"{r.user}\n{r.prefill_text}{r.reply_text}") for r in connection.execute(TURN_TEXTS, {"seqs": seqs})}
