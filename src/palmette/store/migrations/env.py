"""Run the migrations on the connection that the store hands over, in its transaction."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # SQLite's DDL is transactional too once Python's driver does not begin transactions by itself.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
