"""Rates of voting, the mathematics: a log posterior and the EM that climbs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labelkit.labelmodels.onecoin import one_coin_weights
from labelkit.labelmodels.posterior import LogLinear
from labelkit.labelmodels.squarem import squarem
from labelkit.labelmodels.statistics import FloatArray, IntArray, VoteStatistics

_EDGE = 1e-6


@dataclass(frozen=True)
class RateProblem:
    """What rates of voting are fitted to.

    Parameters
    ----------
    statistics : votes
    balance : (k,) class balance, or None if it is to be estimated
    discount : (m,) weight of each LF's log-likelihood and prior, in (0, 1]
    centre : accuracy expected of an LF among equally frequent classes
    imagined : examples of each class behind that expectation, and behind the balance
    margin : accuracies stay above chance by this share of the way to certainty
    """

    statistics: VoteStatistics
    balance: FloatArray | None
    discount: FloatArray
    centre: float
    imagined: float
    margin: float

    @cached_property
    def one_sided(self) -> IntArray:
        """LFs (s,) that vote for a single class."""
        return np.flatnonzero(self.statistics.one_sided)

    @cached_property
    def side(self) -> IntArray:
        """The class that each of them votes for, (s,)."""
        return np.asarray(self.statistics.votes_cast[self.one_sided].argmax(axis=1))

    @property
    def n_parameters(self) -> int:
        """How many numbers are estimated."""
        s = len(self.one_sided)
        free = 0 if self.balance is not None else self.statistics.cardinality - 1
        voting = int((self.statistics.votes_cast.sum(axis=1) > 0).sum())
        return voting + s + free

    @property
    def lowest(self) -> float:
        """The lowest accuracy that is allowed."""
        chance = 1 / self.statistics.cardinality
        return chance + self.margin * (1 - chance)

    @property
    def lowest_ratio(self) -> float:
        """So many times as often an LF votes for its class within it as outside, at least."""
        return self.lowest * (self.statistics.cardinality - 1) / (1 - self.lowest)

    @cached_property
    def expected_rates(self) -> tuple[FloatArray, FloatArray]:
        """Rates (s,) within and outside the class of LFs of accuracy ``centre`` that vote so often.

        Among equally frequent classes.
        """
        k = self.statistics.cardinality
        coverage = self.statistics.votes_cast.sum(axis=1)[self.one_sided] / self.statistics.n
        hit = np.clip(k * self.centre * coverage, _EDGE, 0.95)
        return hit, hit * (1 - self.centre) / (self.centre * (k - 1))


@dataclass(frozen=True)
class Rates:
    """Parameters of the model.

    ::

        accuracy  (m,)  P(vote is right), of LFs that vote for several classes
        hit       (m,)  P(LF votes | its class), of LFs that vote for one class only
        false     (m,)  P(LF votes | another class), likewise
        balance   (k,)  P(Y)

    What does not apply to an LF keeps the value that it began with.
    """

    accuracy: FloatArray
    hit: FloatArray
    false: FloatArray
    balance: FloatArray

    def flat(self) -> FloatArray:
        """All of them in a row, for the climb."""
        return np.concatenate([self.accuracy, self.hit, self.false, self.balance])

    @classmethod
    def of(cls, flat: FloatArray, m: int) -> Rates:
        """The inverse of `flat` for m LFs."""
        return cls(*np.split(flat, [m, 2 * m, 3 * m]))


def first_rates(problem: RateProblem) -> Rates:
    """Every LF as expected, classes equally frequent unless given."""
    k, m = problem.statistics.cardinality, problem.statistics.m
    balance = np.full(k, 1 / k) if problem.balance is None else problem.balance
    return _all_lfs(problem, np.full(m, problem.centre), *problem.expected_rates, balance)


def _all_lfs(
    problem: RateProblem,
    accuracy: FloatArray,
    hit: FloatArray,
    false: FloatArray,
    balance: FloatArray,
) -> Rates:
    """Rates whose ``hit`` and ``false`` (s,) are of the one-sided LFs, brought within bounds."""
    ratio, s = problem.lowest_ratio, problem.one_sided
    false = np.clip(false, _EDGE, (1 - _EDGE) / ratio)
    hit = np.clip(hit, ratio * false, 1 - _EDGE)
    every_hit, every_false = (np.full(problem.statistics.m, 0.5) for _ in range(2))
    every_hit[s], every_false[s] = hit, false
    balance = np.maximum(balance, _EDGE)
    accuracy = np.clip(accuracy, problem.lowest, 1 - _EDGE)
    return Rates(accuracy, every_hit, every_false, balance / balance.sum())


def _within(problem: RateProblem, flat: FloatArray) -> FloatArray:
    s, rates = problem.one_sided, Rates.of(flat, problem.statistics.m)
    return _all_lfs(problem, rates.accuracy, rates.hit[s], rates.false[s], rates.balance).flat()


def rate_scores(problem: RateProblem, rates: Rates) -> LogLinear:
    """log P(Y) + Σ_j discount_j log P(λ_j | Y) with silence in the intercept, as log-linear scores.

    A vote's weight is its log probability less that of the silence which it replaces.
    """
    k, s, v = problem.statistics.cardinality, problem.one_sided, problem.side
    votes, hit, false = one_coin_weights(rates.accuracy, k), rates.hit[s], rates.false[s]
    silent = np.repeat(np.log1p(-false)[:, None], k, axis=1)
    silent[np.arange(len(s)), v] = np.log1p(-hit)
    votes[s] = 0.0
    votes[s, v, :] = np.log(false)[:, None]
    votes[s, v, v] = np.log(hit)
    votes[s, v, :] -= silent
    discount = problem.discount
    intercept = np.log(rates.balance) + discount[s] @ silent
    return LogLinear(intercept, votes * discount[:, None, None])


def rate_step(problem: RateProblem, flat: FloatArray) -> tuple[float, FloatArray]:
    """The log posterior at a point, and where one step of EM leads from there."""
    statistics, rates = problem.statistics, Rates.of(flat, problem.statistics.m)
    scores = rate_scores(problem, rates).scores(statistics)
    top = scores.max(axis=1)
    likelihood = np.exp(scores - top[:, None])
    total = likelihood.sum(axis=1)
    mass = likelihood * (statistics.counts / total)[:, None]
    height = float(statistics.counts @ (np.log(total) + top)) + _log_prior(problem, rates)
    return height, _most_probable(problem, mass).flat()


def _log_prior(problem: RateProblem, rates: Rates) -> float:
    k, imagined, s = problem.statistics.cardinality, problem.imagined, problem.one_sided
    two_sided = ~problem.statistics.one_sided
    hit, false = problem.expected_rates
    accuracy = imagined * k * _log_bernoulli(problem.centre, rates.accuracy)
    inside = imagined * _log_bernoulli(hit, rates.hit[s])
    outside = (k - 1) * imagined * _log_bernoulli(false, rates.false[s])
    balance = imagined * np.log(rates.balance).sum() if problem.balance is None else 0.0
    voting = problem.discount[two_sided] @ accuracy[two_sided]
    return float(voting + problem.discount[s] @ (inside + outside) + balance)


def _log_bernoulli(share: FloatArray | float, p: FloatArray) -> FloatArray:
    return np.asarray(share * np.log(p) + (1 - share) * np.log1p(-p))


def _most_probable(problem: RateProblem, mass: FloatArray) -> Rates:
    """Parameters of highest posterior given expected class counts ``mass`` (p, k)."""
    statistics, imagined = problem.statistics, problem.imagined
    k, s, v = statistics.cardinality, problem.one_sided, problem.side
    members = mass.sum(axis=0)
    tallies = statistics.tallies(mass)
    cast = statistics.votes_cast.sum(axis=1)
    right = np.trace(tallies, axis1=1, axis2=2)
    strength = imagined * k
    accuracy = (right + strength * problem.centre) / (cast + strength)
    expected_hit, expected_false = problem.expected_rates
    # Imagined examples join the expected counts: voted within and outside, and silent.
    hits = right[s] + imagined * expected_hit
    misses = members[v] + imagined - hits
    alarms = cast[s] - right[s] + (k - 1) * imagined * expected_false
    quiet = members.sum() - members[v] + (k - 1) * imagined - alarms
    hit, false = hits / (hits + misses), alarms / (alarms + quiet)
    edge = hit < problem.lowest_ratio * false
    false = np.where(edge, _rate_on_edge(hits + alarms, misses, quiet, problem.lowest_ratio), false)
    hit = np.where(edge, problem.lowest_ratio * false, hit)
    balance = problem.balance
    if balance is None:
        balance = (members + imagined) / (members.sum() + k * imagined)
    return _all_lfs(problem, accuracy, hit, false, balance)


def _rate_on_edge(
    voted: FloatArray, misses: FloatArray, quiet: FloatArray, ratio: float
) -> FloatArray:
    """The most probable rate outside the class when that within is ``ratio`` times as high.

    The objective is concave, and so its maximum under hit ≥ ratio · false lies on the edge if it
    is not inside: voted/f = ratio·misses/(1 - ratio·f) + quiet/(1 - f), quadratic in f.
    """
    a = ratio * (voted + misses + quiet)
    b = voted * (1 + ratio) + ratio * misses + quiet
    return np.asarray((b - np.sqrt(np.maximum(b**2 - 4 * a * voted, 0.0))) / (2 * a))


@dataclass(frozen=True)
class RateFit:
    """Rates at the maximum, the log posterior on the way there, and whether EM had settled."""

    rates: Rates
    log_posterior: FloatArray
    converged: bool


def fit_rates(
    problem: RateProblem,
    *,
    start: Rates | None = None,
    max_iter: int = 2000,
    tolerance: float = 1e-7,
) -> RateFit:
    """EM for log posterior = Σ_r n_r log Σ_y p_y Π_j P(λ_rj | y)^discount_j + log prior."""
    ascent = squarem(
        lambda flat: rate_step(problem, flat),
        (first_rates(problem) if start is None else start).flat(),
        feasible=lambda jump, _: _within(problem, jump),
        max_iter=max_iter,
        tolerance=tolerance,
    )
    return RateFit(
        Rates.of(ascent.parameters, problem.statistics.m), ascent.log_posterior, ascent.converged
    )
