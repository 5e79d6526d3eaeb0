"""Effective sample size and clipping: what weighting the clicks costs, in one value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.estimator import PositionBias
from labelkit.bias.propensities import Propensities
from labelkit.bias.weights.slots import DEFAULT_CLIP, SlotCounts, check_clip, curve_of
from labelkit.logs import InteractionLog

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WeightSummary:
    """What weighting costs.

    Parameters
    ----------
    n : clicked impressions at positions whose propensity is known
    effective_n : (Σw)²/Σw² over them (Kish 1965); far below ``n`` means few clicks decide
    largest : the largest weight after clipping
    n_clipped : clicks whose weight was cut
    clipped_mass : share of the total weight that clipping removed, in [0, 1]
    clip : the bound
    top_share : share of the total weight that the heaviest 1 % of the clicks hold, in [0, 1]
    """

    n: int
    effective_n: float
    largest: float
    n_clipped: int
    clipped_mass: float
    clip: float
    top_share: float


def summarise_weights(
    log: InteractionLog, bias: PositionBias | Propensities, *, clip: float = DEFAULT_CLIP
) -> WeightSummary:
    """Effective sample size and clipping of the weights of clicked impressions, from counts."""
    return summarise(SlotCounts.of(log, curve_of(bias)), clip)


def summarise(cells: SlotCounts, clip: float = DEFAULT_CLIP) -> WeightSummary:
    """The same from cells that are laid out already."""
    raw = 1 / cells.theta
    cut = np.minimum(raw, check_clip(clip))
    clicks = cells.clicks
    total, square = float(clicks @ cut), float(clicks @ cut**2)
    return WeightSummary(
        n=int(clicks.sum()),
        effective_n=total**2 / square if square else 0.0,
        largest=float(cut[clicks > 0].max(initial=0)),
        n_clipped=int(clicks[raw > clip].sum()),
        clipped_mass=1 - total / float(clicks @ raw) if total else 0.0,
        clip=clip,
        top_share=_held_by_the_top(cut, clicks, 0.01),
    )


def _held_by_the_top(
    weight: FloatArray,
    clicks: FloatArray,
    share: float,
) -> float:
    """Share of Σ clicks·weight that the heaviest ``share`` of the clicks hold."""
    order = np.argsort(-weight, kind="stable")
    reached = np.cumsum(clicks[order])
    if not len(reached) or reached[-1] == 0:
        return 0.0
    # The last group of equal weights counts in part.
    counted = np.clip(share * reached[-1] - (reached - clicks[order]), 0.0, clicks[order])
    return float(counted @ weight[order]) / float(clicks @ weight)
