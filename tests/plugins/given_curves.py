"""Engines, and curves that are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import polars as pl

from labelkit.bias import Propensities

ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "pandas": lambda frame: frame.to_pandas(),
    "pyarrow": lambda frame: frame.to_arrow(),
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


def collected(native: Any) -> pl.DataFrame:
    """A result of any engine as a sorted Polars frame."""
    narwhal = nw.from_native(native)
    frame = narwhal.lazy().collect().to_polars()
    if narwhal.implementation.is_pandas():
        # pandas has no other way to say that a number is missing.
        frame = frame.fill_nan(None)
    return frame.sort("query", "item")


def known_curve(
    theta: list[float],
    *,
    covariance: Any = None,
    background: list[float] | None = None,
    context: dict[str, Any] | None = None,
    positions: list[int] | None = None,
    df: float = 1e6,
) -> Propensities:
    """A curve as it is given, with or without errors."""
    size = len(theta)
    return Propensities(
        positions=np.array(positions or range(1, size + 1), dtype=np.int64),
        theta=np.array(theta, dtype=np.float64),
        covariance=np.zeros((size, size)) if covariance is None else covariance,
        df=df,
        method="given",
        interval="given",
        context=context or {},
        background=np.zeros(0) if background is None else np.array(background),
    )
