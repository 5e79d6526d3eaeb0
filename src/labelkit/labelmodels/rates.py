"""Rates of voting: a function for one class speaks by keeping silent too."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labelkit.errors import ConvergenceWarning
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.dependencies import (
    STRONG,
    PairResiduals,
    clearest,
    dependence,
    effective_discounts,
)
from labelkit.labelmodels.onecoin import one_coin_weights
from labelkit.labelmodels.posterior import LogLinear, Scorer, normalised
from labelkit.labelmodels.redundancy import redundant_pairs
from labelkit.labelmodels.squarem import ascend
from labelkit.labelmodels.statistics import FloatArray, GoldSample, IntArray, VoteStatistics

_EDGE = 1e-6
# Each round discounts the clearest dependent pairs and fits again, so that what they distorted
# is not taken for dependence of others.
_MAX_ROUNDS = 6


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
    ascent = ascend(
        lambda flat: rate_step(problem, flat),
        (first_rates(problem) if start is None else start).flat(),
        inside=lambda flat: _within(problem, flat),
        max_iter=max_iter,
        tolerance=tolerance,
    )
    return RateFit(Rates.of(ascent.point, problem.statistics.m), ascent.objective, ascent.converged)


class VoteRates(VoteModel):
    """Rates of voting per class, and the class balance, maximum a posteriori.

    An LF that votes for one class only does so at one rate within that class and at a lower one
    outside: both its vote and its silence are evidence. An LF that votes for several classes has
    one accuracy, and its silence says nothing, as in `OneCoin`. The class balance is estimated
    with the rest unless it is given, and examples without a vote are judged by the silence.

    Sharper than `OneCoin` where LFs err independently, above all where classes are unequally
    frequent; where LFs fall silent together for other reasons than the class (short texts, rare
    words), it takes that reason for the class. ``pair_fit_`` tells the two apart.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    centre : accuracy expected of an LF among equally frequent classes
    imagined : examples of each class behind that expectation, and behind the balance
    margin : LFs stay better than chance by this share of the way from chance to certainty
    redundancy : how surely the vote of one LF must imply that of another to be a copy; None takes
        all LFs for independent witnesses, and looks for no dependence
    max_iter, tolerance : EM ends when no parameter moves by more than ``tolerance``
    seed : for bootstrap intervals and the tie policy "true-random"

    Attributes
    ----------
    rates_ : `Rates`
    discount_ : (m,) how much of an independent witness each LF counts for
    copies_ : (m, m) pairs in which one vote implies the other almost surely
    dependence_ : residual correlation of each pair given the class, with corrected p-values
    pair_fit_ : `PairFit`, how much of what pairs of LFs do together the model explains, copies
        and pairs with a strong dependence of their own left out
    n_parameters_ : how many numbers were estimated
    worthless_ : (m,) which LFs ended as near to chance as is allowed
    log_posterior_, converged_ : as in `OneCoin`

    References
    ----------
    Latent class analysis: Lazarsfeld & Henry 1968; Hui & Walter 1980 for tests without a gold
    standard; residuals of pairs as its check: Vermunt & Magidson 2005, Qu, Tan & Kutner 1996.
    """

    # Each replicate is a fit of its own, begun at the estimate.
    _n_replicates = 50

    def __init__(
        self,
        cardinality: int = 2,
        *,
        centre: float = 0.8,
        imagined: float = 2.0,
        margin: float = 0.05,
        redundancy: float | None = 0.9,
        max_iter: int = 2000,
        tolerance: float = 1e-7,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.centre = centre
        self.imagined = imagined
        self.margin = margin
        self.redundancy = redundancy
        self.max_iter = max_iter
        self.tolerance = tolerance

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> LogLinear:
        given = balance if self._balance_given else None
        self.copies_ = np.eye(statistics.m, dtype=bool)
        if self.redundancy is not None:
            self.copies_ = redundant_pairs(statistics, self.redundancy)
        found: FloatArray = np.zeros((statistics.m, statistics.m))
        residuals = self._climb(statistics, given, found, None)
        for _ in range(_MAX_ROUNDS if self.redundancy is not None else 0):
            more = clearest(self.dependence_, known=(found > 0) | self.copies_)
            if not more.any():
                break
            found = np.where((found > 0) | more, self.dependence_.correlation, 0.0)
            residuals = self._climb(statistics, given, found, self.rates_)
        if not self.converged_:
            warnings.warn(
                f"EM had not settled after {self.max_iter} iterations; raise max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )
        strong = (found >= STRONG) & self.dependence_.together
        self.pair_fit_ = residuals.fit(self.copies_ | strong)
        problem = self._problem(statistics, given)
        self.n_parameters_ = problem.n_parameters
        worthless = self.rates_.accuracy <= problem.lowest + 1e-3
        ratio = self.rates_.hit / self.rates_.false
        s = problem.one_sided
        worthless[s] = ratio[s] <= problem.lowest_ratio + 1e-3
        self.worthless_ = worthless
        return rate_scores(problem, self.rates_)

    def _climb(
        self,
        statistics: VoteStatistics,
        given: FloatArray | None,
        found: FloatArray,
        start: Rates | None,
    ) -> PairResiduals:
        """Fit with the dependence ``found`` (m, m) so far, and see what is left."""
        self.discount_ = effective_discounts(self.copies_, found)
        problem = self._problem(statistics, given)
        fit = fit_rates(problem, start=start, max_iter=self.max_iter, tolerance=self.tolerance)
        self.rates_, self.log_posterior_ = fit.rates, fit.log_posterior
        self.converged_ = fit.converged
        proba = normalised(rate_scores(problem, fit.rates).scores(statistics))
        residuals = PairResiduals.of(statistics, proba)
        self.dependence_ = dependence(residuals, statistics.m)
        return residuals

    def _problem(self, statistics: VoteStatistics, given: FloatArray | None) -> RateProblem:
        return RateProblem(
            statistics, given, self.discount_, self.centre, self.imagined, self.margin
        )

    def _without_votes(self, scorer: Scorer, assumed: FloatArray) -> FloatArray:
        # Silence is evidence, and its evidence is in the intercept.
        return normalised(scorer.intercept[None])[0] if isinstance(scorer, LogLinear) else assumed

    def _balance_from_votes(self) -> FloatArray | None:
        return None if self._balance_given else self.rates_.balance

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], LogLinear]:
        refit = self.refitted_rates(balance)

        def scored(resampled: VoteStatistics) -> LogLinear:
            return rate_scores(self._problem(resampled, None), refit(resampled))

        return scored

    def refitted_rates(self, balance: FloatArray) -> Callable[[VoteStatistics], Rates]:
        """How to fit again to resampled counts, from the estimate on; discounts are kept."""
        given = balance if self._balance_given else None

        def refit(resampled: VoteStatistics) -> Rates:
            problem = self._problem(resampled, given)
            return fit_rates(problem, start=self.rates_, max_iter=200, tolerance=1e-5).rates

        return refit
