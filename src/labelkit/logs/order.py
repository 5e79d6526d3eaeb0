"""Is a log written page by page? Most are, and then a comparison with the row above is enough.

A log in page order proves itself free of repeated impressions, and tells skips apart without
grouping its pages.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class PageOrder:
    """The question whether each page stands in one piece, in strictly rising positions.

    ::

        falls   one bool: a row stands at or above the position of the row before, on its page
        climbs  one bool: ids rise from page to page, so that no page can begin twice
        starts  one hash per run of rows of one page, lazy
    """

    falls: pl.Expr
    climbs: pl.Expr
    starts: pl.LazyFrame

    @classmethod
    def of(cls, rows: pl.LazyFrame, page: Sequence[str]) -> PageOrder:
        """The question for pages that the columns ``page`` tell apart."""
        import polars as pl

        same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in page)
        falls = (same & (pl.col("position") <= pl.col("position").shift(1))).any()
        # Text and categories have orders of their own; comparing them costs more than hashing.
        if rows.collect_schema()[page[0]].is_integer():
            ids = pl.col(page[0])
            stays_or_rises = (same | (ids > ids.shift(1))).fill_null(False)
            # The first row has none above it, so it alone may fail to.
            climbs = ((~stays_or_rises).sum() <= 1) & (ids.null_count() == 0)
        else:
            climbs = pl.lit(False)
        starts = rows.select(*page, same.fill_null(False).alias("__same__"))
        return cls(falls, climbs, starts.filter(~pl.col("__same__")).select(row_hash(page)))

    def starts_differ(self) -> bool:
        """Whether no page begins twice. A chance meeting of two hashes says no, never yes."""
        hashes = self.starts.collect(engine="streaming").to_series()
        return hashes.n_unique() == len(hashes)


def row_hash(columns: Sequence[str]) -> pl.Expr:
    """64 bits from the values of ``columns``; only good within one process."""
    import polars as pl

    parts = (pl.col(name).hash(seed) for seed, name in enumerate(columns))
    return functools.reduce(operator.xor, parts).alias("__hash__")


def count_repeats(rows: pl.LazyFrame, columns: Sequence[str]) -> int:
    """How many rows repeat an earlier row in all ``columns``, whatever the order of rows.

    Rows are compared by their hashes, and only if two hashes meet are they grouped.
    """
    import polars as pl

    hashes = rows.select(row_hash(columns)).collect(engine="streaming").to_series()
    if hashes.n_unique() == len(hashes):
        return 0
    groups = rows.group_by(columns).agg(pl.len().alias("n")).filter(pl.col("n") > 1)
    repeated = groups.select((pl.col("n") - 1).sum()).collect(engine="streaming")
    return int(repeated.item() or 0)
