"""What Alembic runs: all steps that are missing, in the transaction that it is given."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
)
context.run_migrations()
