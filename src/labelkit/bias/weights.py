"""Inverse propensity weights: every click counted as often as it was unlikely to be seen."""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.estimator import PositionBias
from labelkit.bias.propensities import Propensities
from labelkit.engine import NativeFrame, collect, to_native_like
from labelkit.errors import LabelkitError, NotFittedError
from labelkit.logs import InteractionLog

FloatArray = npt.NDArray[np.float64]

# A weight of 100 is one click at a position that one in a hundred looks at.
DEFAULT_CLIP = 100.0


@dataclass(frozen=True)
class WeightSummary:
    """What weighting costs.

    Parameters
    ----------
    n : clicked impressions
    effective_n : (Σw)²/Σw² over them (Kish 1965); far below ``n`` means few clicks decide
    largest : the largest weight after clipping
    n_clipped : clicks whose weight was cut
    clipped_mass : share of the total weight that clipping removed, in [0, 1]
    clip : the bound
    """

    n: int
    effective_n: float
    largest: float
    n_clipped: int
    clipped_mass: float
    clip: float


def curve_of(bias: PositionBias | Propensities) -> Propensities:
    """The fitted curve behind either form."""
    if isinstance(bias, Propensities):
        return bias
    if not hasattr(bias, "curve_"):
        raise NotFittedError.of(bias)
    return bias.curve_


def position_weights(curve: Propensities, clip: float = DEFAULT_CLIP) -> FloatArray:
    """Weight min(1/θ_k, clip) per position, (K,); 0 where θ is unknown."""
    if not clip >= 1:
        raise LabelkitError(f"clip bounds weights from above and is at least 1; got {clip}.")
    return np.nan_to_num(np.minimum(1 / curve.theta, clip), nan=0.0)


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
    frame of the kind that the log was read from: ``query``, ``item``, ``position``, ``clicked``,
    ``weight`` = min(1/θ_k, clip). Pass ``weight`` of clicked rows as ``sample_weight``.
    """
    curve = curve_of(bias)
    columns = ["query", "item", "position", "clicked"]
    if curve.per_impression:
        raw = 1 / nw.col("propensity").cast(nw.Float64)
        cut = nw.when(raw > clip).then(nw.lit(float(clip))).otherwise(raw)
        weighted = log.frame.select(*columns, weight=cut)
        rows = collect(weighted)
    else:
        rows = collect(log.frame.select(*columns))
        slot = np.searchsorted(curve.positions, rows["position"].to_numpy())
        weights = position_weights(curve, clip)[slot]
        series = nw.new_series("weight", weights, backend=rows.implementation)
        rows = rows.with_columns(series)
    if self_normalise:
        rows = rows.with_columns(nw.col("weight") / float(rows["weight"].mean()))
    return to_native_like(rows, log.native)


def summarise_weights(
    log: InteractionLog, bias: PositionBias | Propensities, *, clip: float = DEFAULT_CLIP
) -> WeightSummary:
    """Effective sample size and clipping of the weights of clicked impressions, from counts."""
    curve = curve_of(bias)
    if curve.per_impression:
        p = collect(log.frame.filter(nw.col("clicked") == 1).select("propensity"))
        raw: FloatArray = 1 / p["propensity"].to_numpy().astype(np.float64)
        clicks: FloatArray = np.ones(len(raw))
    else:
        slot = np.searchsorted(curve.positions, log.counts.position)
        sums = np.bincount(slot, log.counts.clicks, minlength=len(curve.positions))
        clicks = sums.astype(np.float64)
        raw = np.nan_to_num(1 / curve.theta, nan=0.0)
    cut = np.minimum(raw, clip)
    total, square = float(clicks @ cut), float(clicks @ cut**2)
    return WeightSummary(
        n=int(clicks.sum()),
        effective_n=total**2 / square if square else 0.0,
        largest=float(cut[clicks > 0].max(initial=0)),
        n_clipped=int(clicks[raw > clip].sum()),
        clipped_mass=1 - total / float(clicks @ raw) if total else 0.0,
        clip=clip,
    )
