"""The one group-by that everything starts from: sums per (query, item, position).

All sums are of whole numbers, so that they do not depend on the order in which an engine adds:
seconds become milliseconds and probabilities 32-bit fixed point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import narwhals as nw

from labelkit.engine import collect

FIXED_POINT = 2**32
CELL = ("query", "item", "position")
# Lowest and highest value of each column of ``CELL``.
Ranges: TypeAlias = "tuple[tuple[int, int], ...]"
# Two counts share one 64-bit sum: clicks in its lower half, impressions above.
HALF = 2**32


def fixed_point(values: nw.Expr) -> nw.Expr:
    """Real numbers as whole multiples of 2⁻³²: sums are exact in any order."""
    return _whole(values * FIXED_POINT)


def _remainder(whole: nw.Expr, quotient: nw.Expr, divisor: int) -> nw.Expr:
    # pandas has no % on Arrow columns.
    return whole - quotient * divisor


def _whole(values: nw.Expr) -> nw.Expr:
    # pandas cannot cast a column with gaps to whole numbers; a gap adds nothing to a sum.
    return values.fill_null(0).round(0).cast(nw.Int64)


@dataclass(frozen=True)
class PackedKey:
    """Key columns of whole numbers as one whole number, ``key``, that sorts as they do.

    Grouping by one 64-bit number takes half the time of grouping by two or three columns.
    """

    columns: tuple[str, ...]
    ranges: Ranges

    @classmethod
    def of(cls, columns: tuple[str, ...], ranges: Ranges | None) -> PackedKey | None:
        """None where the ids do not fit into one number, as hashes do not."""
        if ranges is None or any(abs(end) >= 2**62 for pair in ranges for end in pair):
            return None
        n_values = math.prod(high - low + 1 for low, high in ranges)
        return cls(columns, ranges) if n_values < 2**62 else None

    def pack(self) -> nw.Expr:
        packed = nw.lit(0).cast(nw.Int64)
        for name, (low, high) in zip(self.columns, self.ranges, strict=True):
            packed = packed * (high - low + 1) + (nw.col(name).cast(nw.Int64) - low)
        return packed.alias("key")

    def unpack(self, table: nw.DataFrame[Any], schema: nw.Schema) -> nw.DataFrame[Any]:
        """``table`` with the key's columns in its place, of the types that ``schema`` has."""
        columns, rest = [], nw.col("key")
        for name, (low, high) in reversed(list(zip(self.columns, self.ranges, strict=True))):
            width = high - low + 1
            above = rest // width
            columns.append((_remainder(rest, above, width) + low).cast(schema[name]).alias(name))
            rest = above
        others = [name for name in table.columns if name != "key"]
        return table.with_columns(*columns).select(*self.columns, *others)


def sum_cells(
    frame: nw.LazyFrame[Any],
    columns: tuple[str, ...],
    ranges: Ranges | None = None,
    context: tuple[str, ...] = (),
) -> nw.DataFrame[Any]:
    """Impressions, clicks and other sums per cell, sorted by query, item, position and context.

    Times and people are not among them: they cost more than all the rest together, and evidence
    that needs them takes a second pass.

    Parameters
    ----------
    ranges : of the key columns, if they are known to be whole numbers without a gap; the result is
        the same without, later
    context : more columns in the key of a cell
    """
    packed = PackedKey.of(CELL, ranges)
    keys = (*(CELL if packed is None else ("key",)), *context)
    clicked = nw.col("clicked").cast(nw.Int64)
    derived = [nw.col(name) for name in keys]
    if packed is not None:
        derived[0] = packed.pack()
    derived.append((clicked + HALF).alias("both"))
    sums = [nw.col("both").sum()]
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
    cells = collect(frame.select(*derived).group_by(*keys).agg(*sums)).sort(*keys)
    rest = [name for name in cells.columns if name not in (*keys, "both")]
    # Engines sum whole numbers into types of their own (DuckDB into 128 bits).
    whole = [name for name in ("both", *rest) if name != "dwell_max"]
    cells = cells.with_columns(nw.col(*whole).cast(nw.Int64))
    if packed is not None:
        cells = packed.unpack(cells, frame.collect_schema())
    impressions = nw.col("both") // HALF
    clicks = _remainder(nw.col("both"), impressions, HALF)
    return cells.select(
        *CELL, *context, impressions.alias("impressions"), clicks.alias("clicks"), *rest
    )
