"""Weights as columns: one row per example."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.estimator import PositionBias
from labelkit.bias.propensities import Propensities
from labelkit.bias.weights.schemes import Scheme, weigh
from labelkit.bias.weights.slots import DEFAULT_CLIP, SlotCounts, curve_of
from labelkit.engine import NativeFrame, collect, lazy, to_native_like
from labelkit.errors import LogError
from labelkit.logs import InteractionLog

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]


def example_weights(
    log: InteractionLog,
    bias: PositionBias | Propensities,
    *,
    scheme: Scheme = "self_normalised",
    clip: float = DEFAULT_CLIP,
    baseline: NativeFrame | None = None,
) -> NativeFrame:
    """One row per (query, item): the weights of its two labels, and the rate that they imply.

    Parameters
    ----------
    scheme : how clicks are weighted; see :mod:`labelkit.bias.weights.schemes`
    clip : largest weight of a click
    baseline : for "doubly_robust": frame with ``query``, ``item`` and ``baseline``, a rate in
        [0, 1] from a model that did not see the example's clicks; by default the debiased rate of
        the other items of the query

    Returns
    -------
    frame of the kind that the log was read from, sorted by query and item: ``query``, ``item``,
    ``impressions``, ``clicks``, ``positive``, ``negative`` (weights of the labels 1 and 0 in
    training), ``rate``, ``standard_error`` (by the chance of clicks alone; the curve's own
    uncertainty is shared by all examples, see ``weight_report``), ``ess`` = (Σw)²/Σw² over clicks.
    ``rate`` is null where no impression has a known propensity.

    Examples
    --------
    >>> import labelkit as lk
    >>> from labelkit.bias import example_weights
    >>> log = lk.read_log(lk.simulate(n_impressions=20_000, seed=1).frame)
    >>> bias = lk.PositionBias("power").fit(log)
    >>> weights = example_weights(log, bias)
    >>> weights.columns[4:7]
    ['positive', 'negative', 'rate']
    """
    import polars as pl

    cells = SlotCounts.of(log, curve_of(bias))
    keys = example_keys(log)
    sums = weigh(cells, scheme, clip=clip, baseline=align_baseline(baseline, keys))
    columns = {
        "positive": sums.positive,
        "negative": sums.negative,
        "rate": sums.rate,
        "standard_error": np.sqrt(sums.variance),
        "ess": sums.ess,
    }
    counted = pl.DataFrame(
        {
            "impressions": sums.impressions.astype(np.int64),
            "clicks": sums.clicks.astype(np.int64),
            **{name: pl.Series(values, nan_to_null=True) for name, values in columns.items()},
        }
    )
    frame = pl.concat([keys, counted], how="horizontal")
    return to_native_like(nw.from_native(frame, eager_only=True), log.native)


def example_keys(log: InteractionLog) -> pl.DataFrame:
    """``query`` and ``item`` of every example, in the order in which counts number them."""
    return log.cells.select("query", "item").to_polars().unique(maintain_order=True)


def align_baseline(baseline: NativeFrame | None, keys: pl.DataFrame) -> FloatArray | None:
    """The ``baseline`` of every example, (n_examples,).

    Raises
    ------
    LogError
        A column is missing, an example is missing or there twice, or a rate is not in [0, 1].
    """
    if baseline is None:
        return None
    import polars as pl

    table = collect(lazy(baseline)).to_polars()
    lacking = [name for name in ("query", "item", "baseline") if name not in table.columns]
    if lacking:
        raise LogError(
            f"A baseline has the columns query, item and baseline; it lacks {lacking[0]!r} and has "
            f"{', '.join(table.columns)}."
        )
    twice = table.filter(table.select("query", "item").is_duplicated())
    if len(twice):
        raise LogError(
            f"baseline has {len(twice):,} rows that share their query and item (first: "
            f"{twice.select('query', 'item').row(0)})."
        )
    table = table.with_columns(pl.col(name).cast(keys.schema[name]) for name in ("query", "item"))
    joined = keys.join(table, on=["query", "item"], how="left", maintain_order="left")
    bad = joined.filter(~pl.col("baseline").is_between(0, 1).fill_null(False))
    if len(bad):
        first = bad.select("query", "item", "baseline").row(0)
        raise LogError(
            f"baseline is a rate in [0, 1] for every example; {len(bad):,} of {len(joined):,} are "
            f"missing or outside (first: query {first[0]!r}, item {first[1]!r}: {first[2]})."
        )
    return joined["baseline"].cast(pl.Float64).to_numpy()
