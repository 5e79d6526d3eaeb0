"""EM for confusion matrices: prior, steps, and the range in which they are kept.

What `dawid_skene` fits, as functions on arrays. Parameters of all LFs stand in one array
``Confusion`` (m, k, k) or (m, k, k + 1): [j, y, v] is P(LF j votes v | Y = y, it votes), and
[j, y, k], if it is there, is P(LF j votes | Y = y).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels.onecoin import OneCoinProblem, e_step
from labelkit.labelmodels.posterior import LogLinear
from labelkit.labelmodels.squarem import Ascent, squarem
from labelkit.labelmodels.statistics import FloatArray, VoteStatistics

Confusion: TypeAlias = FloatArray

# Imagined votes in every cell even without a prior, and the distance of rates from 0 and 1: no
# probability is 0, and a row of which nothing is known is uniform.
_FLOOR = 1e-6
_BISECTIONS = 60


@dataclass(frozen=True)
class ConfusionPrior:
    """Where confusion matrices are expected, and how firmly.

    Parameters
    ----------
    mode : (m, k, k) rows sum to 1
    strength : (m, k) imagined votes behind each row
    rate_strength : (k,) imagined examples behind each voting rate
    fixed : (m,) LFs whose matrix is not estimated but is ``mode``
    lowest : least sum of an LF's accuracies in the k classes
    voting : (m, k) expected P(LF j votes | Y = y); None where abstentions are ignored
    """

    mode: FloatArray
    strength: FloatArray
    rate_strength: FloatArray
    fixed: npt.NDArray[np.bool_]
    lowest: float
    voting: FloatArray | None

    @property
    def start(self) -> Confusion:
        """Parameters at the mode."""
        if self.voting is None:
            return self.mode
        return np.concatenate([self.mode, self.voting[:, :, None]], axis=2)

    def log_density(self, parameters: Confusion, discount: FloatArray) -> float:
        """Σ_j discount_j · log density of LF j's parameters, up to a constant."""
        k = self.mode.shape[1]
        firm = self.strength[:, :, None]
        estimated = np.where(self.fixed, 0.0, discount)
        imagined = firm * self.mode + _FLOOR
        each = (imagined * np.log(parameters[:, :, :k])).sum(axis=(1, 2))
        density = float(estimated @ each)
        if self.voting is not None:
            rate = parameters[:, :, k]
            of_rate = self.voting * np.log(rate) + (1 - self.voting) * np.log1p(-rate)
            density += float(discount @ (of_rate @ self.rate_strength))
        return density


@dataclass(frozen=True)
class ConfusionProblem:
    """What confusion matrices are fitted to.

    Parameters
    ----------
    statistics : votes
    balance : (k,) class balance
    prior : of every LF's parameters
    discount : (m,) weight of each LF's log-likelihood and prior, in (0, 1]
    """

    statistics: VoteStatistics
    balance: FloatArray
    prior: ConfusionPrior
    discount: FloatArray


def prior_around(
    one_coin: OneCoinProblem,
    accuracy: FloatArray,
    *,
    strength: float,
    imagined_votes: float,
    margin: float,
    one_sided: npt.NDArray[np.bool_],
    informative: bool,
) -> ConfusionPrior:
    """The prior around one accuracy per LF (m,).

    LFs that vote for one class only keep the one-coin matrix: their votes cannot tell how often
    they would be right of another class. Where abstentions are informative they keep a matrix
    without contrast instead, because all their contrast is in when they vote.
    """
    statistics, balance = one_coin.statistics, one_coin.balance
    m, k = statistics.m, statistics.cardinality
    mode: FloatArray = np.empty((m, k, k))
    mode[:] = ((1 - accuracy) / (k - 1))[:, None, None]
    mode[:, np.arange(k), np.arange(k)] = accuracy[:, None]
    voting = None
    if informative:
        mass, _ = e_step(one_coin, accuracy)
        cast = statistics.tallies(mass).sum(axis=1)
        voting = np.clip(cast / np.maximum(mass.sum(axis=0), _FLOOR), _FLOOR, 1 - _FLOOR)
        only = statistics.votes_cast.argmax(axis=1)
        column = np.full((m, k, k), _FLOOR)
        column[np.arange(m), :, only] = 1 - (k - 1) * _FLOOR
        mode = np.where(one_sided[:, None, None], column, mode)
    # An infinite share is a matrix that no vote can move.
    firm = bool(np.isinf(strength))
    share = 0.0 if firm else strength
    cast = statistics.votes_cast.sum(axis=1)
    return ConfusionPrior(
        mode=mode,
        strength=share * cast[:, None] * balance + imagined_votes,
        rate_strength=share * statistics.n * balance + imagined_votes,
        fixed=np.ones(m, dtype=bool) if firm else one_sided,
        lowest=1 + margin * (k - 1),
        voting=voting,
    )


def log_linear(problem: ConfusionProblem, parameters: Confusion) -> LogLinear:
    """Class scores of the votes cast; silence, where it is evidence, moves to the intercept."""
    k = len(problem.balance)
    log_odds = np.log(parameters[:, :, :k]).transpose(0, 2, 1)
    intercept = np.log(problem.balance)
    if problem.prior.voting is not None:
        silent = np.log1p(-parameters[:, :, k])
        log_odds = log_odds + (np.log(parameters[:, :, k]) - silent)[:, None, :]
        intercept = intercept + problem.discount @ silent
    return LogLinear(intercept, log_odds * problem.discount[:, None, None])


def em_climb(problem: ConfusionProblem, parameters: Confusion) -> tuple[float, Confusion]:
    """The log posterior at ``parameters``, and the parameters after one step of EM."""
    statistics = problem.statistics
    scores = log_linear(problem, parameters).scores(statistics)
    top = scores.max(axis=1)
    likelihood = np.exp(scores - top[:, None])
    total = likelihood.sum(axis=1)
    height = float(statistics.counts @ (np.log(total) + top))
    height += problem.prior.log_density(parameters, problem.discount)
    mass = likelihood * (statistics.counts / total)[:, None]
    return height, m_step(problem, mass)


def m_step(problem: ConfusionProblem, mass: FloatArray) -> Confusion:
    """Most probable parameters given expected class counts ``mass`` (p, k).

    Votes and prior of an LF have the same discount, which therefore moves no maximum.
    """
    prior = problem.prior
    votes = problem.statistics.tallies(mass).transpose(0, 2, 1)
    imagined = prior.strength[:, :, None] * prior.mode
    matrix = constrained_rows(votes + imagined + _FLOOR, prior.lowest)
    matrix[prior.fixed] = prior.mode[prior.fixed]
    if prior.voting is None:
        return matrix
    cast = votes.sum(axis=2) + prior.rate_strength * prior.voting
    rate = cast / np.maximum(mass.sum(axis=0) + prior.rate_strength, _FLOOR)
    rate = np.clip(rate, _FLOOR, 1 - _FLOOR)
    return np.concatenate([matrix, rate[:, :, None]], axis=2)


def constrained_rows(amount: FloatArray, lowest: float) -> FloatArray:
    """Row-stochastic C (m, k, k) that maximises Σ amount·log C with trace(C_j) ≥ ``lowest``.

    Lagrange: C[y, v] = amount / λ_y off the diagonal and amount / (λ_y - μ) on it, μ ≥ 0 the
    price of the constraint; λ_y solves a quadratic, and the trace grows with μ, which is bisected.
    """
    k = amount.shape[1]
    own = np.arange(k)
    total = amount.sum(axis=2)
    right = amount[:, own, own]
    short = np.flatnonzero((right / total).sum(axis=1) < lowest)
    rows = amount / total[:, :, None]
    if not len(short):
        return np.asarray(rows)
    total, right = total[short], right[short]

    def multipliers(price: FloatArray) -> FloatArray:
        half = (price[:, None] + total) / 2
        root = np.sqrt(np.maximum(half**2 - (total - right) * price[:, None], 0))
        return np.asarray(half + root)

    low: FloatArray = np.zeros(len(short))
    high: FloatArray = np.maximum(total.sum(axis=1), 1.0)
    for _ in range(_BISECTIONS):
        reached = (right / (multipliers(high) - high[:, None])).sum(axis=1) >= lowest
        if reached.all():
            break
        high = np.where(reached, high, 2 * high)
    for _ in range(_BISECTIONS):
        price = (low + high) / 2
        reached = (right / (multipliers(price) - price[:, None])).sum(axis=1) >= lowest
        low, high = np.where(reached, low, price), np.where(reached, price, high)
    multiplier = multipliers(high)
    rows[short] = amount[short] / multiplier[:, :, None]
    rows[short[:, None], own, own] = right / (multiplier - high[:, None])
    rows[short] /= rows[short].sum(axis=2, keepdims=True)
    return np.asarray(rows)


def fit_confusion(
    problem: ConfusionProblem,
    *,
    start: Confusion | None = None,
    max_iter: int,
    tolerance: float,
) -> Ascent:
    """EM from the mode of the prior, or from ``start``, until no probability moves."""
    k = len(problem.balance)
    prior = problem.prior

    def feasible(jump: Confusion, fallback: Confusion) -> Confusion:
        # The allowed set is convex: from the fallback straight towards the jump, to its border.
        away = jump - fallback
        matrix, aim = fallback[:, :, :k], away[:, :, :k]
        falling = np.minimum(aim, -1e-300)
        far = (0.99 * matrix / -falling).min(axis=(1, 2))
        trace, slope = (np.trace(part, axis1=1, axis2=2) for part in (matrix, aim))
        far = np.minimum(far, np.maximum(trace - prior.lowest, 0) / np.maximum(-slope, 1e-300))
        moved = fallback + np.minimum(far, 1.0)[:, None, None] * away
        moved[:, :, k:] = np.clip(moved[:, :, k:], _FLOOR, 1 - _FLOOR)
        return np.asarray(moved)

    return squarem(
        lambda parameters: em_climb(problem, parameters),
        prior.start if start is None else start,
        feasible=feasible,
        max_iter=max_iter,
        tolerance=tolerance,
    )
