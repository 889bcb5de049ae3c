"""Conversations, their turns, the prompts the model saw, and unsent drafts. Frozen: later changes are later migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    conversations()
    turns()
    prompts()
    drafts()


def conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("seq", SEQ, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("deleted", sa.Double),
        sa.Column("leaf", sa.Text),
    )
    op.create_index("conversations_by_owner", "conversations", ["owner", "pinned", "updated"])


def turns() -> None:
    texts = ["user", "system", "given", "sampling", "guarded", "date", "prefill_text", "error", "timings", "model", "revision"]
    texts += ["engine", "device", "dtype", "versions", "reply_text"]
    op.create_table(
        "turns",
        # conversations.seq * 2**20 + the turn's number there: the turns of a conversation lie together
        sa.Column("seq", SEQ, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("conversation_id", sa.Text, sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
        sa.Column("parent_id", sa.Text, sa.ForeignKey("turns.id")),
        sa.Column("stop_reason", sa.Text, nullable=False),
        sa.Column("runner", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("dropped", sa.Integer, nullable=False),
        sa.Column("prefilled", sa.Integer, nullable=False),
        sa.Column("reused", sa.Integer, nullable=False),
        sa.Column("continues", sa.Text),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("reply_ids", sa.LargeBinary, nullable=False),
        sa.Column("logprobs", sa.LargeBinary, nullable=False),
    )
    running = sa.text("stop_reason = ''")
    op.create_index("turns_by_conversation", "turns", ["conversation_id", "parent_id"])
    op.create_index("turns_by_parent", "turns", ["parent_id"])  # deleting a turn asks who its children are
    op.create_index("turns_running", "turns", ["conversation_id"], sqlite_where=running, postgresql_where=running)


def prompts() -> None:
    op.create_table(
        "prompts",
        sa.Column("turn_id", sa.Text, sa.ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("prompt_text", sa.Text, nullable=False),
        sa.Column("prompt_ids", sa.LargeBinary, nullable=False),
        sa.Column("spans", sa.Text, nullable=False),
    )


def drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
    )
