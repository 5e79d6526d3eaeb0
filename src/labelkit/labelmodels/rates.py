"""Rates of voting: a function for one class speaks by keeping silent too."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from labelkit.errors import ConvergenceWarning
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.dependencies import (
    STRONG,
    PairFit,
    PairResiduals,
    clearest,
    dependence,
    effective_discounts,
)
from labelkit.labelmodels.posterior import LogLinear, Scorer, normalised
from labelkit.labelmodels.rate_fit import (
    RateProblem,
    Rates,
    first_rates,
    fit_rates,
    rate_scores,
)
from labelkit.labelmodels.redundancy import redundant_pairs
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

# Each round discounts the clearest dependent pairs and fits again, so that what they distorted
# is not taken for dependence of others.
_MAX_ROUNDS = 8
# Iterations and tolerance of the fits between which dependent pairs are looked for.
_COARSE = (300, 1e-5)


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
        self.look(statistics, given)
        # What dependence there is was found with a coarse fit; this is the fit.
        residuals = self._climb(statistics, given, self.max_iter, self.tolerance)
        self.pair_fit_ = residuals.fit(self.copies_ | self._strong())
        if not self.converged_:
            warnings.warn(
                f"EM had not settled after {self.max_iter} iterations; raise max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )
        problem = self._problem(statistics, given)
        worthless = self.rates_.accuracy <= problem.lowest + 1e-3
        ratio = self.rates_.hit / self.rates_.false
        s = problem.one_sided
        worthless[s] = ratio[s] <= problem.lowest_ratio + 1e-3
        self.worthless_ = worthless
        return rate_scores(problem, self.rates_)

    def look(self, statistics: VoteStatistics, given: FloatArray | None) -> PairFit:
        """Find the LFs that err together, and how well the model explains the others.

        Coarse fits suffice for that: this is what ``auto`` asks before it believes the model.

        Parameters
        ----------
        given : (k,) class balance, or None if it is to be estimated
        """
        self.copies_ = np.eye(statistics.m, dtype=bool)
        if self.redundancy is not None:
            self.copies_ = redundant_pairs(statistics, self.redundancy)
        self.rates_ = first_rates(self._problem(statistics, given, np.ones(statistics.m)))
        found: FloatArray = np.zeros((statistics.m, statistics.m))
        self.discount_ = effective_discounts(self.copies_, found)
        residuals = self._climb(statistics, given, *_COARSE)
        for _ in range(_MAX_ROUNDS if self.redundancy is not None else 0):
            more = clearest(self.dependence_, known=(found > 0) | self.copies_)
            if not more.any():
                break
            found = np.where((found > 0) | more, self.dependence_.correlation, 0.0)
            self.discount_ = effective_discounts(self.copies_, found)
            residuals = self._climb(statistics, given, *_COARSE)
        self._found = found
        self.n_parameters_ = self._problem(statistics, given).n_parameters
        self.pair_fit_ = residuals.fit(self.copies_ | self._strong())
        return self.pair_fit_

    def _strong(self) -> npt.NDArray[np.bool_]:
        """Pairs (m, m) whose dependence was found and is strong."""
        return np.asarray((self._found >= STRONG) & self.dependence_.together)

    def _climb(
        self,
        statistics: VoteStatistics,
        given: FloatArray | None,
        max_iter: int,
        tolerance: float,
    ) -> PairResiduals:
        """Fit from where the last fit ended, and see what pairs do beyond it."""
        problem = self._problem(statistics, given)
        fit = fit_rates(problem, start=self.rates_, max_iter=max_iter, tolerance=tolerance)
        self.rates_, self.log_posterior_ = fit.rates, fit.log_posterior
        self.converged_ = fit.converged
        proba = normalised(rate_scores(problem, fit.rates).scores(statistics))
        residuals = PairResiduals.of(statistics, proba)
        self.dependence_ = dependence(residuals, statistics.m)
        return residuals

    def _problem(
        self,
        statistics: VoteStatistics,
        given: FloatArray | None,
        discount: FloatArray | None = None,
    ) -> RateProblem:
        weight = self.discount_ if discount is None else discount
        return RateProblem(statistics, given, weight, self.centre, self.imagined, self.margin)

    def _without_votes(self, scorer: Scorer, balance: FloatArray) -> FloatArray:
        # Silence is evidence, and its evidence is in the intercept.
        return normalised(scorer.intercept[None])[0] if isinstance(scorer, LogLinear) else balance

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
            return fit_rates(problem, start=self.rates_, max_iter=100, tolerance=1e-4).rates

        return refit
