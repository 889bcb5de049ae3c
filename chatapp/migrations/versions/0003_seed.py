"""The seed a reply was drawn with, also where nobody asked for one: so that it can be made again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("turns", sa.Column("seed", sa.BigInteger))
