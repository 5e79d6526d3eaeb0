"""Weights for scikit-learn: rows of a feature table with a label and a ``sample_weight`` each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.estimator import PositionBias
from labelkit.bias.propensities import Propensities
from labelkit.bias.weights.examples import align_baseline, example_keys
from labelkit.bias.weights.schemes import Scheme, click_weights, weigh
from labelkit.bias.weights.slots import DEFAULT_CLIP, SlotCounts, curve_of
from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import LogError
from labelkit.logs import InteractionLog

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TrainingArrays:
    """What ``fit(X, y, sample_weight=…)`` takes, aligned to a table of features.

    ::

        row            (r,) int64 row of the feature table: X = features[row]
        y              (r,) int64 label, 0 or 1
        sample_weight  (r,) float64 > 0
        group          (r,) int64 query, for GroupKFold: no query on both sides of a split

    Parameters
    ----------
    n_aside : examples of the log that the feature table lacks
    """

    row: IntArray
    y: IntArray
    sample_weight: FloatArray
    group: IntArray
    n_aside: int


def training_arrays(
    log: InteractionLog,
    bias: PositionBias | Propensities,
    features: NativeFrame,
    *,
    unit: Literal["example", "impression"] = "example",
    scheme: Scheme = "self_normalised",
    clip: float = DEFAULT_CLIP,
    baseline: NativeFrame | None = None,
) -> TrainingArrays:
    """Labels and ``sample_weight`` of a click model's training set, for any scikit-learn estimator.

    Parameters
    ----------
    features : frame with ``query`` and ``item``, one row per example, in any order
    unit : "example" has at most two rows per example, label 1 with weight ``positive`` and label 0
        with ``negative``; "impression" has one row per cell (example, slot) and label, each
        standing for its impressions. Both add up to the same weights per example, so that an
        estimator whose loss is a weighted sum is fitted alike; the example is the smaller table
    scheme, clip, baseline : as in ``example_weights``

    Raises
    ------
    LogError
        ``features`` lacks a key column, repeats an example, or shares none with the log.

    Notes
    -----
    Σ_i w_i c_i ℓ(1) + (1 − w_i c_i) ℓ(0) estimates the loss on attractiveness without bias
    (Saito et al. 2020), but has weights below zero wherever a click weighs more than 1. Within an
    example they add up to ``positive`` and ``negative``, which are below zero only by chance and
    are cut at zero there.

    Examples
    --------
    >>> import labelkit as lk
    >>> from labelkit.bias import training_arrays
    >>> simulated = lk.simulate(n_impressions=20_000, seed=1)
    >>> log = lk.read_log(simulated.frame)
    >>> features = simulated.truth.attractiveness
    >>> arrays = training_arrays(log, lk.PositionBias("power").fit(log), features)
    >>> X = features.select("attractiveness").to_numpy()[arrays.row]
    >>> len(X) == len(arrays.y) == len(arrays.sample_weight)
    True
    """
    if unit not in ("example", "impression"):
        raise LogError(f"unit is 'example' or 'impression', not {unit!r}.")
    keys = example_keys(log)
    cells = SlotCounts.of(log, curve_of(bias))
    sums = weigh(cells, scheme, clip=clip, baseline=align_baseline(baseline, keys))
    row = _rows(keys, features)
    query = keys["query"].rle_id().to_numpy().astype(np.int64)
    if unit == "example":
        example = np.tile(np.arange(len(keys)), 2)
        weight = np.concatenate([sums.positive, sums.negative])
        y = np.repeat([1, 0], len(keys))
    else:
        example = np.tile(cells.example, 2)
        clicked = click_weights(cells, scheme, clip) * cells.clicks
        unclicked = cells.n - cells.clicks
        weight = np.concatenate(
            [
                _share_out(sums.positive, clicked, cells),
                _share_out(sums.negative, unclicked, cells),
            ]
        )
        y = np.repeat([1, 0], len(cells.example))
    keep = (weight > 0) & (row[example] >= 0)
    example = example[keep]
    return TrainingArrays(
        row=row[example],
        y=y[keep].astype(np.int64),
        sample_weight=weight[keep],
        group=query[example],
        n_aside=int(np.sum(row < 0)),
    )


def _share_out(total: FloatArray, amount: FloatArray, cells: SlotCounts) -> FloatArray:
    """Each example's ``total`` spread over its cells in proportion to ``amount``.

    Where an example has none of it (no click, yet a positive weight from a baseline), impressions
    take its place.
    """
    whole = cells.by_example(amount)
    amount = np.where(whole[cells.example] > 0, amount, cells.n)
    whole = cells.by_example(amount)
    return total[cells.example] * amount / whole[cells.example]


def _rows(keys: NativeFrame, features: NativeFrame) -> IntArray:
    """For each example its row in ``features``, (n_examples,); -1 where there is none."""
    import polars as pl

    frame = nw.from_native(features)
    lacking = [name for name in ("query", "item") if name not in frame.collect_schema()]
    if lacking:
        raise LogError(
            f"The feature table has no column {lacking[0]!r}; it has: "
            f"{', '.join(frame.collect_schema())}."
        )
    table = collect(lazy(features).select("query", "item")).to_polars()
    twice = table.is_duplicated()
    if twice.any():
        raise LogError(
            f"The feature table has {int(twice.sum()):,} rows that share their query and item "
            f"(first: {table.filter(twice).row(0)}). It must have one row per example."
        )
    table = table.with_columns(pl.col(name).cast(keys.schema[name]) for name in ("query", "item"))
    numbered = table.with_row_index("row")
    joined = keys.join(numbered, on=["query", "item"], how="left", maintain_order="left")
    row = joined["row"].cast(pl.Int64).fill_null(-1).to_numpy()
    if len(row) and np.all(row < 0):
        raise LogError(
            f"None of the {len(row):,} examples of the log is in the feature table (first: "
            f"{keys.row(0)}). Check that both name queries and items alike."
        )
    return np.asarray(row, dtype=np.int64)
