"""Alembic runs this: the migrations go through the connection, lock and transaction that store/migrate.py already holds."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
