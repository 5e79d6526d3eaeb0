"""MAP one-coin: every LF is right with one probability, found by EM on vote patterns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelkit.errors import ConvergenceWarning
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.intervals import interval_table
from labelkit.labelmodels.posterior import LogLinear
from labelkit.labelmodels.redundancy import discounts
from labelkit.labelmodels.squarem import squarem
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

if TYPE_CHECKING:
    import polars as pl

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

    def log_density(self, accuracy: FloatArray, discount: FloatArray) -> float:
        """Σ_j discount_j · log density of the accuracies (m,), up to a constant."""
        right = self.centre * np.log(accuracy)
        wrong = (1 - self.centre) * np.log1p(-accuracy)
        return float(self.strength * (discount @ (right + wrong)))


@dataclass(frozen=True)
class OneCoinFit:
    """Accuracies (m,), the log posterior after each EM step, and whether it had settled."""

    accuracy: FloatArray
    log_posterior: FloatArray
    converged: bool


@dataclass(frozen=True)
class OneCoinProblem:
    """What a one-coin model is fitted to.

    Parameters
    ----------
    statistics : votes
    balance : (k,) class balance
    prior : of every LF's accuracy
    discount : (m,) weight of each LF's log-likelihood and prior, in (0, 1]
    """

    statistics: VoteStatistics
    balance: FloatArray
    prior: AccuracyPrior
    discount: FloatArray


def one_coin_weights(
    accuracy: FloatArray, cardinality: int, discount: FloatArray | float = 1.0
) -> FloatArray:
    """log P(λ_j = v | Y = y, LF j votes) · discount_j, (m, k, k)."""
    m, k = len(accuracy), cardinality
    weights = np.empty((m, k, k))
    weights[:] = np.log((1 - accuracy) / (k - 1))[:, None, None]
    weights[:, np.arange(k), np.arange(k)] = np.log(accuracy)[:, None]
    return np.asarray(weights * np.broadcast_to(discount, m)[:, None, None])


def e_step(problem: OneCoinProblem, accuracy: FloatArray) -> tuple[FloatArray, float]:
    """Expected number of examples of each pattern in each class (p, k), and the log likelihood."""
    statistics = problem.statistics
    weights = one_coin_weights(accuracy, statistics.cardinality, problem.discount)
    scores = statistics.log_scores(weights) + np.log(problem.balance)
    top = scores.max(axis=1)
    likelihood = np.exp(scores - top[:, None])
    total = likelihood.sum(axis=1)
    mass = likelihood * (statistics.counts / total)[:, None]
    return mass, float(statistics.counts @ (np.log(total) + top))


def m_step(problem: OneCoinProblem, mass: FloatArray) -> FloatArray:
    """Most probable accuracies (m,) given expected class counts ``mass`` (p, k).

    The objective is concave in each accuracy, so that clipping its maximum to the allowed range
    gives the maximum within the range. An LF's discount weighs its votes and its prior alike, and
    so moves no maximum here.
    """
    prior = problem.prior
    right = np.trace(problem.statistics.tallies(mass), axis1=1, axis2=2)
    cast = problem.statistics.votes_cast.sum(axis=1)
    accuracy = (right + prior.strength * prior.centre) / (cast + prior.strength)
    return np.asarray(np.clip(accuracy, prior.lowest, prior.highest))


def em_step(problem: OneCoinProblem, accuracy: FloatArray) -> FloatArray:
    """The accuracies (m,) after one step of EM."""
    return m_step(problem, e_step(problem, accuracy)[0])


def fit_one_coin(
    problem: OneCoinProblem, *, max_iter: int = 500, tolerance: float = 1e-7
) -> OneCoinFit:
    """EM from equal accuracies until no accuracy moves by more than ``tolerance``.

    Each step raises log posterior = Σ_r n_r log Σ_y p_y Π_{j votes} P(λ_rj | y)^discount_j
    + Σ_j discount_j log prior(a_j); see `squarem` for how it is sped up.
    """
    prior = problem.prior

    def within_range(jump: FloatArray, fallback: FloatArray) -> FloatArray:
        return np.asarray(np.clip(jump, prior.lowest, prior.highest))

    ascent = squarem(
        lambda accuracy: _climb(problem, accuracy),
        np.full(problem.statistics.m, prior.centre),
        feasible=within_range,
        max_iter=max_iter,
        tolerance=tolerance,
    )
    return OneCoinFit(ascent.parameters, ascent.log_posterior, ascent.converged)


def _climb(problem: OneCoinProblem, accuracy: FloatArray) -> tuple[float, FloatArray]:
    """The log posterior at ``accuracy``, and where the next step of EM leads."""
    mass, log_likelihood = e_step(problem, accuracy)
    log_prior = problem.prior.log_density(accuracy, problem.discount)
    return log_likelihood + log_prior, m_step(problem, mass)


def newton_matrix(
    problem: OneCoinProblem, accuracy: FloatArray, *, width: float = 1e-4
) -> FloatArray:
    """(I - J)⁻¹ with J the derivative of an EM step at its fixed point, (m, m).

    EM covers only a part of the way to a new maximum; (I - J)⁻¹ times its first step covers the
    whole way to first order (Louis 1982; Meng & Rubin 1991), so that a bootstrap replicate costs
    two steps.
    """
    m = len(accuracy)
    here = em_step(problem, accuracy)
    jacobian = np.zeros((m, m))
    for j in np.flatnonzero(problem.statistics.votes_cast.sum(axis=1)):
        moved = accuracy.copy()
        moved[j] -= width
        jacobian[:, j] = (here - em_step(problem, moved)) / width
    return np.asarray(np.linalg.pinv(np.eye(m) - jacobian))


class OneCoin(VoteModel):
    """One accuracy per LF, maximum a posteriori.

    P(λ_j = v | Y = y, LF j votes) is a_j if v = y and (1 - a_j)/(k - 1) otherwise; whether an LF
    votes says nothing. LFs that repeat each other share one vote's weight (see ``redundancy``).
    a_j has a Beta prior with mode ``centre`` and ``strength`` · n imagined votes, which keeps the
    accuracies of LFs that rarely meet another from running away. Gold does not enter EM: used
    there and again for calibration, a hundred labels would make the model too sure of them.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    centre : accuracy expected of an LF before any vote is seen, above 1/k
    strength : weight of that expectation, as a share of the number of examples
    margin : accuracies stay above chance by this share of the way from chance to certainty
    redundancy : how surely the vote of one LF must imply that of another (0 … 1, beyond chance)
        for the two to share their weight; None takes all LFs for independent witnesses
    max_iter, tolerance : EM ends when no accuracy moves by more than ``tolerance``
    seed : for bootstrap intervals and the tie policy "true-random"

    Attributes
    ----------
    accuracy_ : (m,) most probable accuracies
    worthless_ : (m,) which LFs ended at the lowest accuracy that is allowed, a hair above chance
    discount_ : (m,) one over the number of LFs that say the same, 1 for a witness of its own
    log_posterior_ : (steps,) log posterior on the way; rises monotonically
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
        strength: float = 0.05,
        margin: float = 0.05,
        redundancy: float | None = 0.9,
        max_iter: int = 500,
        tolerance: float = 1e-7,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.centre = centre
        self.strength = strength
        self.margin = margin
        self.redundancy = redundancy
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
        self.discount_ = discounts(statistics, self.redundancy)
        problem = self._problem(statistics, balance)
        fit = fit_one_coin(problem, max_iter=self.max_iter, tolerance=self.tolerance)
        if not fit.converged:
            warnings.warn(
                f"EM had not settled after {self.max_iter} iterations; raise max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self.accuracy_ = fit.accuracy
        self.worthless_ = fit.accuracy <= problem.prior.lowest + 1e-3
        self.log_posterior_ = fit.log_posterior
        self.converged_ = fit.converged
        return self._scorer(fit.accuracy, balance)

    def _problem(self, statistics: VoteStatistics, balance: FloatArray) -> OneCoinProblem:
        return OneCoinProblem(statistics, balance, self._prior(statistics.n), self.discount_)

    def _scorer(self, accuracy: FloatArray, balance: FloatArray) -> LogLinear:
        weights = one_coin_weights(accuracy, self.cardinality, self.discount_)
        return LogLinear(np.log(balance), weights)

    def _own_accuracies(self, statistics: VoteStatistics, balance: FloatArray) -> pl.DataFrame:
        from labelkit.labelmodels.onecoin_intervals import likelihood_interval

        return interval_table(
            statistics.lf_names, *likelihood_interval(self._problem(statistics, balance))
        )

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], LogLinear]:
        newton = newton_matrix(self._problem(statistics, balance), self.accuracy_)

        def refit(resampled: VoteStatistics) -> LogLinear:
            problem = self._problem(resampled, balance)
            step = em_step(problem, self.accuracy_) - self.accuracy_
            jump = self.accuracy_ + newton @ step
            inside = np.clip(jump, problem.prior.lowest, problem.prior.highest)
            return self._scorer(em_step(problem, inside), balance)

        return refit
