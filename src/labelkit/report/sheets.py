"""A small frame as text cells, for the terminal and the report; intervals folded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

NOTHING = "–"


@dataclass(frozen=True)
class Sheet:
    """Text cells of a table.

    ::

        header   (c,) column titles
        numeric  (c,) whether the column holds numbers, and so is aligned to the right
        rows     (r, c) cells
    """

    header: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def sheet(frame: pl.DataFrame) -> Sheet:
    """Cells of a frame; ``x, low, high`` and ``x, x_low, x_high`` become ``x [low, high]``.

    Examples
    --------
    >>> import polars as pl
    >>> sheet(pl.DataFrame({"auc": [0.7], "low": [0.65], "high": [0.75]})).rows
    (('0.700 [0.650, 0.750]',),)
    """
    header, numeric, cells = [], [], []
    columns, taken = frame.columns, set[str]()
    for place, name in enumerate(columns):
        if name in taken:
            continue
        bounds = _bounds(columns, place)
        column = frame[name].to_list()
        if bounds:
            taken.update(bounds)
            low, high = (frame[bound].to_list() for bound in bounds)
            cells.append([interval(*row) for row in zip(column, low, high, strict=True)])
        else:
            cells.append([text(value) for value in column])
        header.append(name.replace("_", " "))
        numeric.append(frame.schema[name].is_numeric())
    return Sheet(tuple(header), tuple(numeric), tuple(zip(*cells, strict=True)))


def _bounds(columns: Sequence[str], place: int) -> tuple[str, str] | None:
    name = columns[place]
    if {f"{name}_low", f"{name}_high"} <= set(columns):
        return f"{name}_low", f"{name}_high"
    if tuple(columns[place + 1 : place + 3]) == ("low", "high"):
        return "low", "high"
    return None


def interval(estimate: float | None, low: float | None, high: float | None) -> str:
    """``0.700 [0.650, 0.750]``; the estimate alone where there is no interval."""
    if _missing(low) or _missing(high):
        return text(estimate)
    return f"{text(estimate)} [{text(low)}, {text(high)}]"


def text(value: object) -> str:
    """One value as people read it: three decimals, thousands apart, a dash for nothing.

    >>> text(0.1234), text(1204), text(12345.6), text(None), text(True), text(4e-7)
    ('0.123', '1,204', '12,346', '–', 'yes', '4.00e-07')
    """
    if _missing(value):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value != 0 and abs(value) < 5e-4:
            return f"{value:.2e}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
    if isinstance(value, list | tuple):
        return ", ".join(text(element) for element in value)
    return str(value)


def metrics_side_by_side(validation: pl.DataFrame) -> pl.DataFrame:
    """One row per metric and one column of text per label set, for the terminal."""
    import polars as pl

    rows: dict[str, dict[str, str]] = {}
    for row in validation.filter(pl.col("slice") == "all").to_dicts():
        cells = rows.setdefault(row["metric"], {"metric": row["metric"].replace("_", " ")})
        cells[row["labels"]] = interval(row["estimate"], row["low"], row["high"])
    return pl.DataFrame(list(rows.values()))


def curves_side_by_side(curves: pl.DataFrame, by: str, *, y: str = "propensity") -> pl.DataFrame:
    """One row per position and one column of text per curve.

    Parameters
    ----------
    curves : ``by`` (name of the curve), ``position``, ``y``, ``low``, ``high``
    """
    import polars as pl

    rows: dict[int, dict[str, str]] = {}
    for row in curves.sort("position", maintain_order=True).to_dicts():
        cells = rows.setdefault(row["position"], {"position": str(row["position"])})
        cells[row[by]] = interval(row[y], row["low"], row["high"])
    names = ["position", *curves[by].unique(maintain_order=True)]
    full = [{name: cells.get(name, NOTHING) for name in names} for cells in rows.values()]
    return pl.DataFrame(full, schema=dict.fromkeys(names, pl.String))


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
