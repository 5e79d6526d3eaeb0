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
    return (values * FIXED_POINT).round(0).cast(nw.Int64)


def sum_cells(frame: nw.LazyFrame[Any], columns: tuple[str, ...]) -> nw.DataFrame[Any]:
    """Impressions, clicks and other sums per cell, sorted by query, item and position."""
    clicked = nw.col("clicked").cast(nw.Int64)
    derived = [*(nw.col(name) for name in CELL), clicked.alias("clicks")]
    sums = [nw.len().alias("impressions"), nw.col("clicks").sum()]
    # The contract of 'clicked' is checked here, in the same pass: 0/1 and never null.
    derived.append(
        nw.when((nw.col("clicked") == 0) | (nw.col("clicked") == 1))
        .then(nw.lit(0))
        .otherwise(nw.lit(1))
        .cast(nw.Int64)
        .alias("n_bad")
    )
    sums.append(nw.col("n_bad").sum())
    if "dwell" in columns:
        dwell = nw.col("dwell").cast(nw.Float64)
        derived += [
            (dwell * 1000).round(0).cast(nw.Int64).alias("dwell_ms"),
            (~dwell.is_null()).cast(nw.Int64).alias("dwell_n"),
            dwell.alias("dwell_max"),
            dwell.alias("dwell_min"),
        ]
        sums += [
            nw.col("dwell_n").sum(),
            nw.col("dwell_ms").sum(),
            nw.col("dwell_max").max(),
            nw.col("dwell_min").min(),
        ]
    if "conversion" in columns:
        derived.append(nw.col("conversion").cast(nw.Int64).alias("conversions"))
        derived.append(_out_of_01("conversion").alias("n_bad_conversion"))
        sums += [nw.col("conversions").sum(), nw.col("n_bad_conversion").sum()]
    if "timestamp" in columns:
        derived += [nw.col("timestamp").alias("first_seen"), nw.col("timestamp").alias("last_seen")]
        sums += [nw.col("first_seen").min(), nw.col("last_seen").max()]
    if "propensity" in columns:
        p = nw.col("propensity").cast(nw.Float64)
        in_range = (p > 0) & (p <= 1)
        derived += [
            fixed_point(p).alias("propensity_fp"),
            fixed_point(nw.when(in_range).then(nw.col("clicked") / p)).alias("ips_clicks_fp"),
            nw.when(in_range).then(nw.lit(0)).otherwise(nw.lit(1)).alias("n_bad_propensity"),
        ]
        sums += [
            nw.col("propensity_fp").sum(),
            nw.col("ips_clicks_fp").sum(),
            nw.col("n_bad_propensity").sum(),
        ]
    if "randomised" in columns:
        derived += [
            nw.col("randomised").cast(nw.Int64).alias("randomised_impressions"),
            (nw.col("randomised") * clicked).cast(nw.Int64).alias("randomised_clicks"),
            _out_of_01("randomised").alias("n_bad_randomised"),
        ]
        sums += [
            nw.col("randomised_impressions").sum(),
            nw.col("randomised_clicks").sum(),
            nw.col("n_bad_randomised").sum(),
        ]
    grouped = frame.select(*derived).group_by(*CELL).agg(*sums)
    cells = collect(grouped)
    # Engines sum and count whole numbers into types of their own (DuckDB into 128 bits).
    whole = [n for n in cells.columns if n not in (*CELL, *NOT_COUNTED)]
    cells = cells.with_columns(nw.col(*whole).cast(nw.Int64))
    return cells.sort(*CELL)


def _out_of_01(name: str) -> nw.Expr:
    column = nw.col(name)
    return (
        nw.when((column == 0) | (column == 1) | column.is_null())
        .then(nw.lit(0))
        .otherwise(nw.lit(1))
        .cast(nw.Int64)
    )
