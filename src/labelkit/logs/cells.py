"""The one group-by that everything starts from: sums per (query, item, position).

All sums are of whole numbers, so that they do not depend on the order in which an engine adds:
seconds become milliseconds and probabilities 32-bit fixed point.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw

from labelkit.engine import collect

FIXED_POINT = 2**32
CELL = ("query", "item", "position")
NOT_COUNTED = ("dwell_max", "dwell_min", "first_seen", "last_seen")


def fixed_point(values: nw.Expr) -> nw.Expr:
    """Real numbers as whole multiples of 2⁻³²: sums are exact in any order."""
    return _whole(values * FIXED_POINT)


def _whole(values: nw.Expr) -> nw.Expr:
    # pandas cannot cast a column with gaps to whole numbers; a gap adds nothing to a sum.
    return values.fill_null(0).round(0).cast(nw.Int64)


def sum_cells(
    frame: nw.LazyFrame[Any], columns: tuple[str, ...], context: tuple[str, ...] = ()
) -> nw.DataFrame[Any]:
    """Impressions, clicks and other sums per cell, sorted by query, item, position and context.

    Times and people are not among them: they cost more than all the rest together, and evidence
    that needs them takes a second pass.
    """
    clicked = nw.col("clicked").cast(nw.Int64)
    key = (*CELL, *context)
    derived = [*(nw.col(name) for name in key), clicked.alias("clicks")]
    sums = [nw.len().alias("impressions"), nw.col("clicks").sum()]
    if "dwell" in columns:
        dwell = nw.col("dwell").cast(nw.Float64)
        derived += [
            _whole(dwell * 1000).alias("dwell_ms"),
            (~dwell.is_null()).cast(nw.Int64).alias("dwell_n"),
            dwell.alias("dwell_max"),
        ]
        sums += [nw.col("dwell_ms").sum(), nw.col("dwell_n").sum(), nw.col("dwell_max").max()]
    if "conversion" in columns:
        derived.append(_whole(nw.col("conversion")).alias("conversions"))
        sums.append(nw.col("conversions").sum())
    if "propensity" in columns:
        p = nw.col("propensity").cast(nw.Float64)
        derived += [
            fixed_point(p).alias("propensity_fp"),
            fixed_point(nw.col("clicked") / p).alias("ips_clicks_fp"),
        ]
        sums += [nw.col("propensity_fp").sum(), nw.col("ips_clicks_fp").sum()]
    if "randomised" in columns:
        flag = _whole(nw.col("randomised"))
        derived += [
            flag.alias("randomised_impressions"),
            (flag * clicked).alias("randomised_clicks"),
        ]
        sums += [nw.col("randomised_impressions").sum(), nw.col("randomised_clicks").sum()]
    cells = collect(frame.select(*derived).group_by(*key).agg(*sums))
    # Engines sum and count whole numbers into types of their own (DuckDB into 128 bits).
    whole = [name for name in cells.columns if name not in (*key, "dwell_max")]
    return cells.with_columns(nw.col(*whole).cast(nw.Int64)).sort(*key)
