"""Weighted majority: each LF's vote weighs by how often it agrees with what the others say."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import ConvergenceWarning
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.onecoin import AccuracyPrior
from labelkit.labelmodels.posterior import LogLinear
from labelkit.labelmodels.redundancy import redundant_pairs
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

# Scores this near to the largest are as large, whatever the order in which they were summed.
_TIE = 1e-9


@dataclass(frozen=True)
class WeightedFit:
    """Agreement (m,) of each LF with the weighted majority of the others, and how it was found.

    ``n_iter`` rounds; ``converged`` if the rounds came back to where they had been.
    """

    agreement: FloatArray
    n_iter: int
    converged: bool


def log_odds(agreement: FloatArray, cardinality: int) -> FloatArray:
    """Weights (m,) log (k - 1)·a / (1 - a) of LFs that are right with probability a."""
    return np.asarray(np.log((cardinality - 1) * agreement) - np.log1p(-agreement))


def vote_weights(weight: FloatArray, cardinality: int) -> FloatArray:
    """``weight`` (m,) for the class that is voted for and 0 for the others, (m, k, k)."""
    return np.asarray(weight[:, None, None] * np.eye(cardinality))


def agreement_with_others(
    statistics: VoteStatistics,
    weight: FloatArray,
    together: npt.NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray]:
    """How many of each LF's votes the weighted majority of the others shares.

    Parameters
    ----------
    weight : (m,) of the LFs
    together : (m, m) LFs that say the same; none of them counts among the others of another

    Returns
    -------
    agreeing, judged : (m,) votes that agree, and votes on examples on which another voted. Where
        h classes tie among the others, a vote for one of them agrees by 1/h.
    """
    k = statistics.cardinality
    own = vote_weights(weight, k)
    scores = statistics.log_scores(own)
    present = statistics.log_scores(np.ones((statistics.m, k, 1)))[:, 0]
    agreeing, judged = np.zeros(statistics.m), np.zeros(statistics.m)
    for j in range(statistics.m):
        rows = np.flatnonzero(statistics.rows[:, j] >= 0)
        others, number = scores[rows].copy(), present[rows].copy()
        for i in np.flatnonzero(together[j]):
            vote = statistics.rows[rows, i]
            voted = np.flatnonzero(vote >= 0)
            others[voted, vote[voted]] -= weight[i]
            number[voted] -= 1
        top = others >= others.max(axis=1, keepdims=True) - _TIE
        share = top[np.arange(len(rows)), statistics.rows[rows, j]] / top.sum(axis=1)
        counted = statistics.counts[rows] * (number > 0)
        agreeing[j], judged[j] = counted @ share, counted.sum()
    return agreeing, judged


def fit_weighted(
    statistics: VoteStatistics,
    prior: AccuracyPrior,
    together: npt.NDArray[np.bool_],
    *,
    start: FloatArray | None = None,
    max_iter: int,
) -> WeightedFit:
    """Weights and majorities by turns, until they repeat.

    Labels are hard, so that the rounds end in a fixed point or, rarely, go in a circle; then the
    mean over the circle is taken, which depends on no starting point in it.
    """
    k = statistics.cardinality
    discount = 1 / together.sum(axis=1)
    agreement: FloatArray = np.full(statistics.m, prior.centre) if start is None else start
    seen = [agreement]
    for n_iter in range(1, max_iter + 1):
        agreeing, judged = agreement_with_others(
            statistics, discount * log_odds(agreement, k), together
        )
        smoothed = agreeing + prior.strength * prior.centre
        agreement = np.clip(smoothed / (judged + prior.strength), prior.lowest, prior.highest)
        for back, before in enumerate(reversed(seen), start=1):
            if np.allclose(agreement, before, rtol=0, atol=1e-12):
                circle = np.mean(seen[len(seen) - back :], axis=0)
                return WeightedFit(np.asarray(circle), n_iter, True)
        seen.append(agreement)
    return WeightedFit(agreement, max_iter, False)


class WeightedMajority(VoteModel):
    """P(Y = y | votes) ∝ p_y exp(Σ_j w_j 1[λ_j = y]), w_j the log-odds that LF j is right.

    How often LF j is right is taken from how often it agrees with the weighted majority of the
    *others* (its own vote, and those of LFs that say the same, are left out), with ``strength``
    imagined votes at ``centre``; weights and majorities follow each other until they repeat. The
    majority of the others errs too, and so the agreement is lower than the accuracy: labels are
    humbler than those of `OneCoin`, and no likelihood has to be believed.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    centre : agreement expected of an LF before any vote is seen, above 1/k
    strength : imagined votes behind that expectation
    margin : agreements stay above chance by this share of the way from chance to certainty
    redundancy : as in `OneCoin`
    max_iter : bound on the rounds
    seed : for bootstrap intervals and the tie policy "true-random"

    Attributes
    ----------
    agreement_ : (m,) smoothed share of each LF's votes that the others' majority shares
    weights_ : (m,) log-odds, shared among LFs that say the same
    n_iter_, converged_ : rounds, and whether they came to repeat

    References
    ----------
    Li & Yu 2014, "Error rate bounds and iterative weighted majority voting for crowdsourcing";
    log-odds weights: Nitzan & Paroush 1982.
    """

    _n_replicates = 50

    def __init__(
        self,
        cardinality: int = 2,
        *,
        centre: float = 0.8,
        strength: float = 20.0,
        margin: float = 0.05,
        redundancy: float | None = 0.9,
        max_iter: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.centre = centre
        self.strength = strength
        self.margin = margin
        self.redundancy = redundancy
        self.max_iter = max_iter

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> LogLinear:
        if self.redundancy is None:
            self._together = np.eye(statistics.m, dtype=bool)
        else:
            self._together = redundant_pairs(statistics, self.redundancy)
        fit = fit_weighted(statistics, self._prior(), self._together, max_iter=self.max_iter)
        if not fit.converged:
            warnings.warn(
                f"The weights had not settled after {self.max_iter} rounds; raise max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self.agreement_, self.n_iter_, self.converged_ = fit.agreement, fit.n_iter, fit.converged
        self.weights_ = self._weights(fit.agreement)
        return self._scorer(fit.agreement, balance)

    def _prior(self) -> AccuracyPrior:
        chance = 1 / self.cardinality
        lowest = chance + self.margin * (1 - chance)
        return AccuracyPrior(self.centre, self.strength, lowest)

    def _weights(self, agreement: FloatArray) -> FloatArray:
        share = 1 / self._together.sum(axis=1)
        return np.asarray(share * log_odds(agreement, self.cardinality))

    def _scorer(self, agreement: FloatArray, balance: FloatArray) -> LogLinear:
        return LogLinear(np.log(balance), vote_weights(self._weights(agreement), self.cardinality))

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], LogLinear]:
        prior, together = self._prior(), self._together

        def refit(resampled: VoteStatistics) -> LogLinear:
            fit = fit_weighted(
                resampled, prior, together, start=self.agreement_, max_iter=self.max_iter
            )
            return self._scorer(fit.agreement, balance)

        return refit
