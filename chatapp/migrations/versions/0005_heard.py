"""What another server said of a reply that it wrote. Empty in older ones, which were all written here."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("turns", sa.Column("heard", sa.Text, nullable=False, server_default=""))
