"""Weights as a column: one row per impression."""

from __future__ import annotations

import narwhals as nw

from labelkit.bias.estimator import PositionBias
from labelkit.bias.propensities import Propensities
from labelkit.bias.weights.slots import (
    DEFAULT_CLIP,
    check_clip,
    curve_of,
    position_weights,
    slot_index,
)
from labelkit.engine import NativeFrame, collect, to_native_like
from labelkit.logs import InteractionLog


def impression_weights(
    log: InteractionLog,
    bias: PositionBias | Propensities,
    *,
    clip: float = DEFAULT_CLIP,
    self_normalise: bool = False,
) -> NativeFrame:
    """One row per impression with its inverse propensity weight, for training.

    Parameters
    ----------
    clip : largest weight; cutting weights trades a little bias for much less variance
        (Strehl et al. 2010)
    self_normalise : divide by the mean weight, so that weights average to 1
        (Swaminathan & Joachims 2015)

    Returns
    -------
    frame of the kind that the log was read from: ``query``, ``item``, ``position``, the context
    columns of the curve if it has any, ``clicked``, ``weight`` = min(1/θ, clip), 0 where θ is
    unknown. Pass ``weight`` of clicked rows as ``sample_weight``; for clicked and unclicked rows
    together see ``training_arrays``. Where the curve has a background β, a click's weight still is
    1/θ: the β/θ per impression that owes nothing to the example is taken off per example, by
    ``example_weights`` and ``training_arrays``.
    """
    curve = curve_of(bias)
    bound = check_clip(clip)
    columns = ["query", "item", *curve.keys, "clicked"]
    if curve.per_impression:
        raw = 1 / nw.col("propensity").cast(nw.Float64)
        cut = nw.when(raw > bound).then(nw.lit(bound)).otherwise(raw)
        rows = collect(log.frame.select(*columns, weight=cut))
    else:
        rows = collect(log.frame.select(*columns))
        keys = {name: rows[name].to_native() for name in curve.context}
        slot = slot_index(curve, {"position": rows["position"].to_numpy(), **keys})
        weights = position_weights(curve, bound)[slot]
        weights[slot < 0] = 0.0
        series = nw.new_series("weight", weights, backend=rows.implementation)
        rows = rows.with_columns(series)
    if self_normalise:
        rows = rows.with_columns(nw.col("weight") / float(rows["weight"].mean()))
    return to_native_like(rows, log.native)
