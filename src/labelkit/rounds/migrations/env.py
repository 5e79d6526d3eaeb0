"""How a ledger of an older schema becomes one of today's: what Alembic runs, for ``migrate``.

``versions`` holds one file a step, oldest first by its name. A step says its tables in full and
does the same for ever: it imports nothing of labelkit's that could change under it. All steps that
are missing run in the one transaction that they are given.

No package: these files are Alembic's to load, by their path.
"""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
)
context.run_migrations()
