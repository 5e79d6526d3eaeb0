"""MAP one-coin: every LF is right with one probability, found by EM on vote patterns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labelkit.errors import ConvergenceWarning
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.posterior import LogLinear
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

_HIGHEST = 1 - 1e-6


@dataclass(frozen=True)
class AccuracyPrior:
    """Beta prior of an LF's accuracy by its mode and strength, and the range it is kept in.

    Parameters
    ----------
    centre : most probable accuracy
    strength : imagined votes behind it
    lowest, highest : accuracies stay in this range
    """

    centre: float
    strength: float
    lowest: float
    highest: float = _HIGHEST

    def log_density(self, accuracy: FloatArray) -> float:
        """Σ_j log density of the accuracies (m,), up to a constant."""
        right = self.centre * np.log(accuracy)
        wrong = (1 - self.centre) * np.log1p(-accuracy)
        return float(self.strength * (right + wrong).sum())


@dataclass(frozen=True)
class OneCoinFit:
    """Accuracies (m,), the log posterior after each EM step, and whether it had settled."""

    accuracy: FloatArray
    log_posterior: FloatArray
    converged: bool


def one_coin_weights(accuracy: FloatArray, cardinality: int) -> FloatArray:
    """log P(λ_j = v | Y = y, LF j votes) (m, k, k): a_j on the diagonal, the rest shared evenly."""
    m, k = len(accuracy), cardinality
    weights = np.empty((m, k, k))
    weights[:] = np.log((1 - accuracy) / (k - 1))[:, None, None]
    weights[:, np.arange(k), np.arange(k)] = np.log(accuracy)[:, None]
    return weights


def e_step(
    statistics: VoteStatistics, accuracy: FloatArray, balance: FloatArray
) -> tuple[FloatArray, float]:
    """P(Y | votes) (p, k) and the log likelihood of the votes cast."""
    weights = one_coin_weights(accuracy, statistics.cardinality)
    scores = statistics.log_scores(weights) + np.log(balance)
    top = scores.max(axis=1)
    likelihood = np.exp(scores - top[:, None])
    total = likelihood.sum(axis=1)
    return likelihood / total[:, None], float(statistics.counts @ (np.log(total) + top))


def m_step(statistics: VoteStatistics, mass: FloatArray, prior: AccuracyPrior) -> FloatArray:
    """Most probable accuracies (m,) given expected class counts ``mass`` (p, k).

    The objective is concave in each accuracy, so that clipping its maximum to the allowed range
    gives the maximum within the range.
    """
    right = np.trace(statistics.tallies(mass), axis1=1, axis2=2)
    cast = statistics.votes_cast.sum(axis=1)
    accuracy = (right + prior.strength * prior.centre) / (cast + prior.strength)
    return np.asarray(np.clip(accuracy, prior.lowest, prior.highest))


def em_step(
    statistics: VoteStatistics, accuracy: FloatArray, balance: FloatArray, prior: AccuracyPrior
) -> FloatArray:
    """The accuracies (m,) after one step of EM."""
    posterior, _ = e_step(statistics, accuracy, balance)
    return m_step(statistics, posterior * statistics.counts[:, None], prior)


def newton_matrix(
    statistics: VoteStatistics,
    accuracy: FloatArray,
    balance: FloatArray,
    prior: AccuracyPrior,
    *,
    width: float = 1e-4,
) -> FloatArray:
    """(I - J)⁻¹ with J the derivative of an EM step at its fixed point, (m, m).

    EM covers only a part of the way to a new maximum; (I - J)⁻¹ times its first step covers the
    whole way to first order (Louis 1982; Meng & Rubin 1991), so that a bootstrap replicate costs
    two steps.
    """
    m = len(accuracy)
    here = em_step(statistics, accuracy, balance, prior)
    jacobian = np.zeros((m, m))
    for j in np.flatnonzero(statistics.votes_cast.sum(axis=1)):
        moved = accuracy.copy()
        moved[j] -= width
        jacobian[:, j] = (here - em_step(statistics, moved, balance, prior)) / width
    return np.asarray(np.linalg.pinv(np.eye(m) - jacobian))


def fit_one_coin(
    statistics: VoteStatistics,
    balance: FloatArray,
    prior: AccuracyPrior,
    *,
    max_iter: int = 500,
    tolerance: float = 1e-7,
) -> OneCoinFit:
    """EM from equal accuracies until no accuracy moves by more than ``tolerance``.

    Each step raises log posterior = Σ_r n_r log Σ_y p_y Π_{j votes} P(λ_rj | y) + log prior(a)
    (Dempster, Laird, Rubin 1977).
    """
    accuracy: FloatArray = np.full(statistics.m, prior.centre)
    trace: list[float] = []
    for _ in range(max_iter):
        posterior, log_likelihood = e_step(statistics, accuracy, balance)
        trace.append(log_likelihood + prior.log_density(accuracy))
        update = m_step(statistics, posterior * statistics.counts[:, None], prior)
        moved = float(np.abs(update - accuracy).max())
        accuracy = update
        if moved <= tolerance:
            return OneCoinFit(accuracy, np.array(trace), True)
    return OneCoinFit(accuracy, np.array(trace), False)


class OneCoin(VoteModel):
    """One accuracy per LF, maximum a posteriori.

    P(λ_j = v | Y = y, LF j votes) is a_j if v = y and (1 - a_j)/(k - 1) otherwise; whether an LF
    votes says nothing. a_j has a Beta prior with mode ``centre`` and ``strength`` · n imagined
    votes, which is what keeps the accuracies of LFs that rarely meet another from running away.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    centre : accuracy expected of an LF before any vote is seen, above 1/k
    strength : weight of that expectation, as a share of the number of examples
    margin : accuracies stay above chance by this share of the way from chance to certainty
    max_iter, tolerance : EM ends when no accuracy moves by more than ``tolerance``
    seed : for bootstrap intervals and the tie policy "true-random"

    Attributes
    ----------
    accuracy_ : (m,) most probable accuracies
    log_posterior_ : (iterations,) rises monotonically
    converged_ : whether EM ended before ``max_iter``

    References
    ----------
    Dawid & Skene 1979 with one parameter per observer; Li & Yu 2014, "Error rate bounds and
    iterative weighted majority voting for crowdsourcing", for the one-coin form.
    """

    def __init__(
        self,
        cardinality: int = 2,
        *,
        centre: float = 0.8,
        strength: float = 0.02,
        margin: float = 0.05,
        max_iter: int = 500,
        tolerance: float = 1e-7,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.centre = centre
        self.strength = strength
        self.margin = margin
        self.max_iter = max_iter
        self.tolerance = tolerance

    def _prior(self, n: float) -> AccuracyPrior:
        chance = 1 / self.cardinality
        return AccuracyPrior(
            self.centre, self.strength * n, lowest=chance + self.margin * (1 - chance)
        )

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> LogLinear:
        fit = fit_one_coin(
            statistics,
            balance,
            self._prior(statistics.n),
            max_iter=self.max_iter,
            tolerance=self.tolerance,
        )
        if not fit.converged:
            warnings.warn(
                f"EM had not settled after {self.max_iter} iterations; raise max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self.accuracy_ = fit.accuracy
        self.log_posterior_ = fit.log_posterior
        self.converged_ = fit.converged
        weights = one_coin_weights(fit.accuracy, self.cardinality)
        return LogLinear(np.log(balance), weights)

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], LogLinear]:
        newton = newton_matrix(statistics, self.accuracy_, balance, self._prior(statistics.n))

        def refit(resampled: VoteStatistics) -> LogLinear:
            prior = self._prior(resampled.n)
            step = em_step(resampled, self.accuracy_, balance, prior) - self.accuracy_
            jump = np.clip(self.accuracy_ + newton @ step, prior.lowest, prior.highest)
            accuracy = em_step(resampled, jump, balance, prior)
            return LogLinear(np.log(balance), one_coin_weights(accuracy, self.cardinality))

        return refit
