"""How fast a model wrote here: read from the records of its latest replies, whoever asked for them. Nothing of what they say is read."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

import sqlalchemy as sa

from chatapp.models.identity import ModelId
from chatapp.store.database import Database
from chatapp.store.errors import StoreError
from chatapp.store.schema import turns
from chatapp.turn import Turn

if TYPE_CHECKING:
    from chatapp.settings import Settings

LATEST = 20
ENOUGH = 16
"""Tokens below which a reply says nothing of speed."""

ENDED = sa.func.length(turns.c.reply_ids) >= 4 * ENOUGH, turns.c.finish_reason != ""


def speeds(database: Database, model: ModelId, engine: str) -> list[float]:
    """Tokens a second of the latest replies, the newest first, that came from these weights by this engine."""
    return _timed(database, _by(model.name, model.revision, engine))


def beside(database: Database, since: float, spans: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Tokens a second of the latest replies since a moment, and of those by the same model at none of these times; the newest first."""
    latest = sa.select(turns.c.model, turns.c.revision, turns.c.engine).where(*ENDED, turns.c.created >= since)
    with database.read() as connection:
        by = connection.execute(latest.order_by(turns.c.seq.desc()).limit(1)).first()
    if by is None:
        return [], []
    during = _timed(database, [*_by(*by), turns.c.created >= since])
    busy = [sa.not_(turns.c.created.between(*span)) for span in spans]
    alone = _timed(database, [*_by(*by), turns.c.created < since, *busy])
    return during, alone


def _by(name: str, revision: str, engine: str) -> list[sa.ColumnElement[bool]]:
    return [turns.c.model == name, turns.c.revision == revision, turns.c.engine == engine]


def _timed(database: Database, which: list[sa.ColumnElement[bool]]) -> list[float]:
    names = ("timings", "reply_ids")
    asked = sa.select(*(turns.c[name].label(name) for name in names)).where(*ENDED, *which)
    with database.read() as connection:
        rows = connection.execute(asked.order_by(turns.c.seq.desc()).limit(LATEST)).mappings().all()
    found = (Turn("", "", "", timings=row["timings"], reply_ids=row["reply_ids"]).tokens_per_second for row in rows)
    return [speed for speed in found if speed]


def recorded(settings: "Settings", model: ModelId, engine: str) -> list[float]:
    """The same from the data folder of an app that need not run; none where there is no database of this version."""
    url, file = settings.database_url.get_secret_value(), settings.data_dir / "chat.db"
    if not url and not file.is_file():
        return []
    database = Database(url or sa.URL.create("sqlite", database=str(file)))
    try:
        return speeds(database, model, engine)
    except StoreError:
        return []
    finally:
        database.close()


def in_words(found: list[float]) -> str:
    """'' for none."""
    many = f"the latest {len(found)} replies" if len(found) > 1 else "one reply"
    return f"{median(found):,.0f} tokens a second, measured in {many}" if found else ""
