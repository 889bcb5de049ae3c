"""The model that a conversation is answered by: its public id. Empty in older ones, which the first model answers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("model", sa.Text))
