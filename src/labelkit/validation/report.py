"""``ValidationReport``: metrics with intervals, and what they say in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame, to_native_like
from labelkit.validation.estimators import Measured

LOWER_IS_BETTER = frozenset({"log_loss", "calibration_error"})
SLICE = "all"


@dataclass(frozen=True)
class ValidationReport:
    """How good labels are.

    ::

        frame       labels, metric, slice, estimate, low, high, n, effective_n, method
        difference  labels, baseline, metric, slice, estimate, low, high, n, effective_n, method,
                    verdict: weak labels minus baseline on the same gold, paired
        target      what the numbers speak about, in one sentence
        level       of the intervals, for example 0.95
        n_gold      gold labels used

    ``estimate``, ``low`` and ``high`` are null where the gold cannot tell; ``method`` then says
    why. Both frames are of the kind of the weak labels.
    """

    frame: NativeFrame
    difference: NativeFrame
    target: str
    level: float
    n_gold: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict of each comparison."""
        return tuple(str(s) for s in nw.from_native(self.difference)["verdict"].to_list())


@dataclass(frozen=True)
class Row:
    """One line of the report's table."""

    labels: str
    baseline: str
    measured: Measured
    method: str
    verdict: str = ""


def rows_frame(rows: list[Row], level: float, like: NativeFrame, *, compared: bool) -> NativeFrame:
    """Lines as a native frame of the kind of ``like``; numbers that are not known are null."""
    import polars as pl

    numbers: dict[str, list[float | None]] = {"estimate": [], "low": [], "high": []}
    for row in rows:
        measured = row.measured
        values: tuple[float | None, ...] = (None, None, None)
        if not measured.reason:
            values = (measured.estimate, *measured.interval(level))
        for name, number in zip(numbers, values, strict=True):
            numbers[name].append(number)
    columns: dict[str, Any] = {
        "labels": [r.labels for r in rows],
        "baseline": [r.baseline for r in rows],
        "metric": [r.measured.metric for r in rows],
        "slice": [SLICE for _ in rows],
        **{name: pl.Series(name, values, dtype=pl.Float64) for name, values in numbers.items()},
        "n": pl.Series("n", [r.measured.n for r in rows], dtype=pl.Int64),
        "effective_n": pl.Series("n", [r.measured.effective_n for r in rows], dtype=pl.Float64),
        "method": pl.Series("method", [r.method for r in rows], dtype=pl.String),
        "verdict": pl.Series("verdict", [r.verdict for r in rows], dtype=pl.String),
    }
    for name in ("labels", "baseline", "metric", "slice"):
        columns[name] = pl.Series(name, columns[name], dtype=pl.String)
    if not compared:
        del columns["baseline"], columns["verdict"]
    frame = nw.from_native(pl.DataFrame(columns), eager_only=True)
    return to_native_like(frame, like)


def compare(ours: Measured, theirs: Measured) -> Measured:
    """Paired difference ours − theirs: the draws belong together, replicate by replicate."""
    n, effective = min(ours.n, theirs.n), min(ours.effective_n, theirs.effective_n)
    reason = ours.reason or theirs.reason
    if reason:
        return Measured(ours.metric, np.nan, np.empty(0), n, effective, reason)
    gap = ours.estimate - theirs.estimate
    return Measured(ours.metric, gap, ours.draws - theirs.draws, n, effective)


def verdict(gap: Measured, level: float, *, ours: str, theirs: str) -> str:
    """One sentence: better, worse, or that nobody knows yet."""
    metric = gap.metric
    if gap.reason:
        return f"{metric}: nobody knows yet, {gap.reason}."
    low, high = gap.interval(level)
    numbers = f"{gap.estimate:+.3f} [{low:+.3f}, {high:+.3f}]"
    if low <= 0 <= high:
        return f"{metric}: nobody knows yet whether {ours} beat {theirs}: {numbers}."
    better = (gap.estimate < 0) == (metric in LOWER_IS_BETTER)
    return f"{metric}: {ours} are {'better' if better else 'worse'} than {theirs}: {numbers}."
