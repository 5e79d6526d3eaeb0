"""Real graded relevance and features: LightGBM's ranking example (MIT, see LICENSE)."""

from __future__ import annotations

from importlib.resources import as_file, files

import polars as pl

KEYS = ["query", "item"]
GRADE = "relevance"
# Grades run from 0 to 4; from here upwards an item counts as relevant.
RELEVANT_FROM = 2


def load() -> pl.DataFrame:
    """One row per (query, item): 251 queries, 3,773 items, grades 0–4 and 90 features.

    Features are kept that are not zero in at least half of the rows; there is no text.
    """
    with as_file(files(__name__) / "rank.parquet") as path:
        return pl.read_parquet(path)
