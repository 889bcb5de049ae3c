"""Full-text search: one row of tokens per turn (rowid = its seq) and per title (number 0 of its conversation)."""

import sqlalchemy as sa
from alembic import op

from chatapp.store.search import index_conversation

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # the tokens are made by search.tokens, never by the database, so that both find the same; see there
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE search USING fts5(tokens, tokenize='ascii', detail=none, columnsize=0, prefix='2 3')")
    else:
        op.execute("CREATE TABLE search (rowid bigint PRIMARY KEY, tokens tsvector NOT NULL)")
        # without the pending list a search costs the same after many writes
        op.execute("CREATE INDEX search_tokens ON search USING gin (tokens) WITH (fastupdate = off)")
    connection = op.get_bind()
    for seq in connection.execute(sa.text("SELECT seq FROM conversations WHERE deleted IS NULL ORDER BY seq")).scalars().all():
        index_conversation(connection, seq)
