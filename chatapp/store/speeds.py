"""How fast a model wrote here: read from the records of its latest replies, whoever asked for them. Nothing of what they say is read."""

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


def speeds(database: Database, model: ModelId, engine: str) -> list[float]:
    """Tokens a second of the latest replies, the newest first, that came from these weights by this engine."""
    names = ("timings", "reply_ids")
    asked = sa.select(*(turns.c[name].label(name) for name in names)).where(
        turns.c.model == model.name,
        turns.c.revision == model.revision,
        turns.c.engine == engine,
        sa.func.length(turns.c.reply_ids) >= 4 * ENOUGH,
        turns.c.finish_reason != "",
    )
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
