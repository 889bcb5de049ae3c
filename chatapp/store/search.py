"""Full-text search that finds the same on SQLite and PostgreSQL, because the words are cut here and not by the database.

A document is one turn (question and reply) or one title. Its tokens are its distinct words, without case and accents; writing without
spaces (Chinese, Japanese, Thai, emoji …) is cut into overlapping pairs, so that any piece of it is found. A query finds the documents
that have all its words, each as a whole word, then as the beginning of one, then anywhere in one (finding.py); what is in quotes stands so.
There is no other query syntax: stars and AND are just separators and words. Not found: words beyond MAX_TOKEN_CHARS of distinct tokens.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import sqlalchemy as sa

from chatapp.identity import Owner
from chatapp.store.schema import ROOM, plain

MAX_WORD = 64  # longer words are indexed and looked up by their beginning
MAX_TOKEN_CHARS = 200_000  # per document; PostgreSQL's tsvector ends at 1 MB
MAX_TERMS = 16
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\u2600-\u27bf\U0001f000-\U0001faff\U00020000-\U0003ffff"
)


class Fold(dict):
    """One character → its plain lower-case one: É → e, Ａ → a. Never changes the length, so that positions stay true."""

    def __missing__(self, code: int) -> int:
        char = chr(code)
        parts = unicodedata.normalize("NFKD", char) if not 0x3040 <= code <= 0xD7FF else char
        plain = parts[0] if all(unicodedata.combining(c) for c in parts[1:]) else char
        lower = plain.lower()
        self[code] = ord(lower) if len(lower) == 1 else code
        return self[code]


FOLD = Fold()


def fold(text: str) -> str:
    """As searched. Same length as unicodedata.normalize('NFC', text)."""
    return unicodedata.normalize("NFC", text).translate(FOLD)


@lru_cache
def pieces() -> re.Pattern[str]:
    """Group 1: a run of unspaced writing; group 2: a word, with the marks that Indic and other scripts write between letters."""
    marks = "".join(chr(c) for c in range(0x300, 0x2000) if unicodedata.category(chr(c)) in ("Mn", "Mc"))
    return re.compile(f"([{UNSPACED}]+)|((?:[^\\W_{UNSPACED}][{marks}]*)+)")


def tokens(text: str) -> set[str]:
    """The distinct tokens of a document."""
    found: set[str] = set()
    for match in pieces().finditer(fold(text)):
        run = match[1]
        if run is None:
            found.add(match[2][:MAX_WORD])
        else:
            found.update(run[i : i + 2] for i in range(len(run)))  # the last one is a single character
    return found


def terms(query: str) -> list[tuple[str, bool]]:
    """The tokens a document must have: (token, also as the beginning of a longer one)."""
    found: dict[str, bool] = {}
    for match in pieces().finditer(fold(query)):
        run, word = match.groups()
        if run is None:
            found[word[:MAX_WORD]] = len(word) > 1
        elif len(run) == 1:
            found[run] = True
        else:
            found.update((run[i : i + 2], False) for i in range(len(run) - 1))
    return list(found.items())[:MAX_TERMS]


def owner_token(owner: Owner) -> str:
    """Makes the index itself skip other people's rows; the join checks the owner all the same."""
    return "zzo" + hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def document(owner: Owner, text: str) -> str:
    """What the index stores: the tokens, separated by spaces."""
    kept, room = [owner_token(owner)], MAX_TOKEN_CHARS
    for token in sorted(tokens(text)):
        room -= len(token)
        if room < 0:
            break
        kept.append(token)
    return " ".join(kept)


TURN_TEXTS = sa.text(
    'SELECT t.seq, c.owner, t."user", t.prefill_text, t.reply_text FROM turns t JOIN conversations c ON c.id = t.conversation_id '
    "WHERE t.seq IN :seqs AND c.deleted IS NULL"
).bindparams(sa.bindparam("seqs", expanding=True))
TITLES = sa.text("SELECT seq, owner, title FROM conversations WHERE seq IN :seqs AND deleted IS NULL").bindparams(
    sa.bindparam("seqs", expanding=True)
)


def index_turns(connection: sa.Connection, seqs: Sequence[int]) -> None:
    """Read these turns and index them anew. Plain SQL, because migration 0002 calls it on the schema of its day."""
    rows = connection.execute(TURN_TEXTS, {"seqs": seqs}).all()
    put(connection, [(r.seq, document(plain(r.owner), plain(f"{r.user}\n{r.prefill_text}{r.reply_text}"))) for r in rows])


def put_titles(connection: sa.Connection, seqs: Sequence[int]) -> None:
    """Read the titles of these conversations and index them anew."""
    for start in range(0, len(seqs), 500):
        rows = connection.execute(TITLES, {"seqs": seqs[start : start + 500]}).all()
        put(connection, [(r.seq * ROOM, document(plain(r.owner), plain(r.title))) for r in rows])


def put(connection: sa.Connection, documents: Sequence[tuple[int, str]]) -> None:
    """Insert or replace (rowid, tokens)."""
    if not documents:
        return
    if connection.dialect.name == "sqlite":
        statement = "INSERT OR REPLACE INTO search (rowid, tokens) VALUES (:id, :tokens)"
    else:
        statement = (
            "INSERT INTO search (rowid, tokens) VALUES (:id, CAST(:tokens AS tsvector)) "
            "ON CONFLICT (rowid) DO UPDATE SET tokens = excluded.tokens"
        )
    connection.execute(sa.text(statement), [{"id": id, "tokens": text} for id, text in documents])


def remove(connection: sa.Connection, rowids: Iterable[int]) -> None:
    """Forget these documents."""
    rows = [{"id": id} for id in rowids]
    if rows:
        connection.execute(sa.text("DELETE FROM search WHERE rowid = :id"), rows)


def remove_conversations(connection: sa.Connection, seqs: Iterable[int]) -> None:
    """Forget these conversations, their titles too."""
    rows = [{"start": seq * ROOM, "end": (seq + 1) * ROOM} for seq in seqs]
    if rows:
        connection.execute(sa.text("DELETE FROM search WHERE rowid >= :start AND rowid < :end"), rows)


def index_conversation(connection: sa.Connection, seq: int) -> None:
    """Read a whole conversation and index it anew."""
    put_titles(connection, [seq])
    inside = sa.text("SELECT seq FROM turns WHERE seq >= :start AND seq < :end")
    seqs = connection.execute(inside, {"start": seq * ROOM, "end": (seq + 1) * ROOM}).scalars().all()
    for start in range(0, len(seqs), 500):
        index_turns(connection, seqs[start : start + 500])
