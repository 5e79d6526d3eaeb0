"""How a ledger of an older schema becomes one of today's.

``env`` is what Alembic runs, ``versions`` holds one file a step, oldest first by its name. A step
says its tables in full and imports nothing of labelkit's schema: it must do the same for ever.
"""
