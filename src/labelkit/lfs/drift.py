"""Drift: what LFs did on two sets of examples, and whether the difference is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like, to_polars_lazy
from labelkit.errors import LFError
from labelkit.lfs.clusters import ratio_difference
from labelkit.lfs.gold import align_gold
from labelkit.lfs.patterns import ABSTAIN
from labelkit.lfs.votes import Votes

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Figure:
    """One ratio: its LF, what it measures, and both parts as expressions over the votes."""

    lf: str
    figure: str
    numerator: pl.Expr
    denominator: pl.Expr


def lf_drift(
    before: Votes,
    after: Votes,
    *,
    gold_before: NativeFrame | None = None,
    gold_after: NativeFrame | None = None,
    cluster: str | None = None,
) -> NativeFrame:
    """Coverage, vote shares, agreement and accuracy of each LF, before and after.

    Parameters
    ----------
    before, after : votes on two sets of examples, which may share some or all; LFs that only one
        of them has are left out
    gold_before, gold_after : gold beside the votes, as in `analyze`
    cluster : key column whose examples belong together; the first key unless given. Without keys
        every example stands for itself

    Returns
    -------
    Frame of the kind that the examples came in, one row per LF and figure: ``lf``, ``figure``,
    ``before``, ``after``, ``change``, ``change_low``, ``change_high`` (95 %), ``p_value``,
    ``adjusted_p`` (below 0.05: at most one in twenty of such rows is a false alarm). Figures:

    - ``coverage``: share of examples on which it votes
    - ``votes c``: share of its votes that are for class c (of an LF that votes for several; for
      class 1 only, if there are two)
    - ``agreement``: share of the other LFs' votes on its examples that are the same as its own
    - ``accuracy``: share of its votes that gold confirms; where both sides have gold

    Notes
    -----
    Differences of ratios with the clusters as units (`clusters.ratio_difference`); false
    discoveries among all rows are held at 5 % by Benjamini & Yekutieli 2001, which allows any
    dependence between them: figures of LFs on the same examples are anything but independent.
    """
    import polars as pl
    from scipy.stats import false_discovery_control

    if before.cardinality != after.cardinality:
        raise LFError(
            f"Votes over {before.cardinality} and over {after.cardinality} classes cannot be "
            "compared."
        )
    shared = [name for name in before.lf_names if name in after.lf_names]
    if not shared:
        raise LFError("The two sides have no labeling function in common.")
    if cluster is not None and not (cluster in before.keys and cluster in after.keys):
        raise LFError(f"{cluster!r} is no key of both sides: {before.keys}, {after.keys}.")
    with_gold = gold_before is not None and gold_after is not None
    figures = _figures(shared, before.cardinality, gold=with_gold)
    sides = [
        _sums(votes, figures, gold if with_gold else None, cluster)
        for votes, gold in ((before, gold_before), (after, gold_after))
    ]
    aligned = _aligned(sides, before, after, len(figures))
    found = ratio_difference(*aligned)
    tested = np.isfinite(found.p_value)
    adjusted = np.full(len(figures), np.nan)
    if tested.any():
        adjusted[tested] = false_discovery_control(found.p_value[tested], method="by")
    table = pl.DataFrame(
        {
            "lf": [figure.lf for figure in figures],
            "figure": [figure.figure for figure in figures],
            "before": found.before,
            "after": found.after,
            "change": found.estimate,
            "change_low": found.low,
            "change_high": found.high,
            "p_value": found.p_value,
            "adjusted_p": adjusted,
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    # A figure that neither side can tell is no row: an LF without gold, or without company.
    table = table.filter(~(pl.col("before").is_null() & pl.col("after").is_null()))
    like = after.frame if after.native is None else after.native
    return to_native_like(nw.from_native(table), like)


def _figures(names: list[str], k: int, *, gold: bool) -> list[_Figure]:
    import polars as pl

    one = pl.lit(1.0)
    voted = {name: pl.col(name) != ABSTAIN for name in names}
    figures = []
    for name in names:
        mine = pl.col(name)
        figures.append(_Figure(name, "coverage", voted[name], one))
        # Two shares that add up to one are one figure.
        figures += [
            _Figure(name, f"votes {c}", mine == c, voted[name])
            for c in range(1 if k == 2 else 0, k)
        ]
        others = [other for other in names if other != name]
        if others:
            met = pl.sum_horizontal(voted[other] & voted[name] for other in others)
            same = pl.sum_horizontal((pl.col(other) == mine) & voted[name] for other in others)
            figures.append(_Figure(name, "agreement", same, met))
        if gold:
            known = voted[name] & (pl.col("__gold__") != ABSTAIN)
            right = known & (mine.cast(pl.Int64) == pl.col("__gold__"))
            figures.append(_Figure(name, "accuracy", right, known))
    return figures


def _sums(
    votes: Votes, figures: list[_Figure], gold: NativeFrame | None, cluster: str | None
) -> pl.DataFrame:
    """One row per cluster: numerators ``a0`` … and denominators ``b0`` …."""
    import polars as pl

    frame = to_polars_lazy(votes.frame).collect()
    if gold is not None:
        frame = frame.with_columns(pl.Series("__gold__", align_gold(votes, gold)))
    by = cluster or (votes.keys[0] if votes.keys else None)
    unit = pl.int_range(pl.len()) if by is None else pl.col(by)
    parts = [
        expression.cast(pl.Float64).alias(f"{part}{i}")
        for i, figure in enumerate(figures)
        for part, expression in (("a", figure.numerator), ("b", figure.denominator))
    ]
    return (
        frame.lazy()
        .select(unit.alias("__cluster__"), *parts)
        .group_by("__cluster__")
        .sum()
        .collect(engine="streaming")
        .sort("__cluster__")
    )


def _aligned(
    sides: list[pl.DataFrame], before: Votes, after: Votes, t: int
) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    """Both sides over the clusters of either."""
    import polars as pl

    first, second = sides
    if not (before.keys and after.keys):
        # Rows without a name are nobody's twins.
        second = second.with_columns(pl.col("__cluster__") + len(first))
    elif first.schema["__cluster__"] != second.schema["__cluster__"]:
        second = second.cast({"__cluster__": first.schema["__cluster__"]})
    every = pl.concat([first.select("__cluster__"), second.select("__cluster__")]).unique()
    every = every.sort("__cluster__")

    def parts(side: pl.DataFrame) -> tuple[FloatArray, FloatArray]:
        filled = every.join(side, on="__cluster__", how="left", maintain_order="left").fill_null(0)
        above, below = (
            filled.select(f"{part}{i}" for i in range(t)).to_numpy().astype(np.float64)
            for part in ("a", "b")
        )
        return above, below

    return parts(first), parts(second)
