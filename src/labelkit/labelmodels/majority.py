"""Majority vote: the baseline that a label model has to beat."""

from __future__ import annotations

from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.posterior import VoteShares
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

# With gold the shares are calibrated on the log scale, where a share of 0 needs a floor.
_SMOOTHING_WITH_GOLD = 1.0


class MajorityVote(VoteModel):
    """P(Y = y | votes) = share of the votes cast for y; the class balance where nobody voted.

    Classes with equally many votes have equal probability. With gold the shares are smoothed with
    one vote spread by the class balance, and then calibrated.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    seed : for bootstrap intervals and the tie policy "true-random"
    """

    def __init__(self, cardinality: int = 2, *, seed: int = 0) -> None:
        super().__init__(cardinality=cardinality, seed=seed)

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> VoteShares:
        smoothing = 0.0 if gold is None else _SMOOTHING_WITH_GOLD
        return VoteShares(balance, smoothing)
