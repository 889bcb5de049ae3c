"""Brings a database to this program's schema at start. Alembic is loaded only when there is something to do."""

from pathlib import Path

import sqlalchemy as sa

from chatapp.store.database import Database
from chatapp.store.errors import NEWER, StoreError
from chatapp.store.schema import HEAD

FOLDER = Path(__file__).parents[1] / "migrations"
LOCK = 0x636861746170  # PostgreSQL advisory lock: one process migrates, the others wait for it


def migrate(database: Database, target: str = HEAD) -> None:
    """Upgrade to `target`, in one transaction, once, however many processes start together."""
    with database.read() as connection:
        if _version(connection, database) == target:
            return
    with database.write() as connection:  # on SQLite this is the lock
        if not database.sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        if _version(connection, database) != target:
            _upgrade(connection, target)


def _version(connection: sa.Connection, database: Database) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    known = {path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*.py")}
    if version is not None and version not in known:
        raise StoreError(
            f"The chats in {database.where} were written by a newer version of this program (schema {version}; this one knows "
            f"up to {HEAD}). Update the program, or start with another --data-dir. Nothing was changed.",
            NEWER,
        )
    return version


def _upgrade(connection: sa.Connection, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, target)
