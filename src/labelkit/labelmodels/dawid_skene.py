"""Dawid–Skene: a confusion matrix per LF, shrunk towards one accuracy, found by EM on patterns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame, collect, to_native_like
from labelkit.errors import ConvergenceWarning, LabelModelError, NotFittedError
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.confusion import (
    Confusion,
    ConfusionPrior,
    ConfusionProblem,
    fit_confusion,
    log_linear,
    prior_around,
)
from labelkit.labelmodels.intervals import confusion_table
from labelkit.labelmodels.onecoin import (
    AccuracyPrior,
    OneCoinProblem,
    em_step,
    fit_one_coin,
    newton_matrix,
)
from labelkit.labelmodels.posterior import LogLinear, Scorer, normalised
from labelkit.labelmodels.redundancy import discounts
from labelkit.labelmodels.squarem import Ascent
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

if TYPE_CHECKING:
    import polars as pl

# The one-coin fit that the confusion matrices are shrunk towards. `OneCoin`'s own prior is firmer,
# and would pull confusions further than their intervals can cover.
_CENTRE, _STRENGTH = 0.8, 0.02

Abstentions: TypeAlias = Literal["ignored", "informative"]

# A bootstrap replicate starts where the fit ended, and needs to be no better than its own noise.
_REPLICATE_STEPS, _REPLICATE_TOLERANCE = 60, 1e-4


class DawidSkene(VoteModel):
    """One confusion matrix per LF, maximum a posteriori, that knows what an abstention is.

    P(λ_j = v | Y = y, LF j votes) is C_j[y, v]. Each row has a Dirichlet prior whose mode is what
    one accuracy for the LF would give, a_j on the diagonal and the rest spread evenly, so that
    the diagonal dominates. Behind it stand two kinds of imagined votes: ``imagined_votes`` in
    each row, against noise in LFs that vote rarely, and the share ``strength`` of the LF's own
    votes, against what does not fade with n: LFs that err together look like witnesses whose
    confusion explains it, however many examples there are.

    An LF that votes for one class only shows no contrast when it votes, and keeps the one-coin
    matrix; with ``abstentions="informative"`` its contrast is in when it votes.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    strength : imagined votes behind the prior of an LF, as a share of the votes that it casts;
        infinity is `OneCoin` of strength 0.02
    imagined_votes : votes behind each row of the prior, for each LF and class; with both at 0
        this is Dawid and Skene's maximum likelihood (within ``margin``)
    centre : accuracy a_j that the matrices are shrunk towards, above 1/k; by default each LF's
        own, from a one-coin fit
    abstentions : "ignored": whether an LF votes says nothing of the class. "informative": the
        rate at which it votes is estimated for each class (towards what the one-coin fit expects,
        with ``strength`` as a share of all examples), and silence is evidence
    margin : an LF's accuracies in the k classes sum to at least 1 + margin · (k - 1), that is to
        more than chance; one class alone may be worse
    redundancy : as in `OneCoin`
    max_iter, tolerance : EM ends when no probability moves by more than ``tolerance``
    seed : for bootstrap intervals and the tie policy "true-random"

    Attributes
    ----------
    conditional_ : (m, k, k) C_j[y, v], most probable
    voting_rate_ : (m, k) P(LF j votes | Y = y) where abstentions are informative, else None
    centre_ : (m,) accuracies that the matrices are shrunk towards
    discount_ : (m,) one over the number of LFs that say the same, 1 for a witness of its own
    log_posterior_ : (steps,) log posterior on the way; rises monotonically
    converged_ : whether EM ended before ``max_iter``
    confusion_ : frame with ``lf``, ``class``, ``vote``, ``probability``, ``low``, ``high``

    References
    ----------
    Dawid & Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM
    algorithm".
    """

    _n_replicates = 50

    def __init__(
        self,
        cardinality: int = 2,
        *,
        strength: float = 0.5,
        imagined_votes: float = 20.0,
        centre: float | None = None,
        abstentions: Abstentions = "ignored",
        margin: float = 0.05,
        redundancy: float | None = 0.9,
        max_iter: int = 1000,
        tolerance: float = 1e-6,
        seed: int = 0,
    ) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.strength = strength
        self.imagined_votes = imagined_votes
        self.centre = centre
        self.abstentions = abstentions
        self.margin = margin
        self.redundancy = redundancy
        self.max_iter = max_iter
        self.tolerance = tolerance

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> LogLinear:
        self._check_settings()
        self.discount_ = discounts(statistics, self.redundancy)
        self._one_sided = statistics.one_sided
        self.centre_ = self._centres(statistics, balance)
        problem = self._problem(statistics, balance, self.centre_)
        ascent = fit_confusion(problem, max_iter=self.max_iter, tolerance=self.tolerance)
        if not ascent.converged:
            warnings.warn(
                f"EM had not settled after {self.max_iter} iterations; raise max_iter.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self._keep(ascent)
        return log_linear(problem, self._fitted)

    def _keep(self, ascent: Ascent) -> None:
        self._fitted: Confusion = ascent.parameters
        k = self.cardinality
        self.conditional_ = self._fitted[:, :, :k]
        informative = self.abstentions == "informative"
        self.voting_rate_ = self._fitted[:, :, k] if informative else None
        self.log_posterior_ = ascent.log_posterior
        self.converged_ = ascent.converged
        self._confusion: pl.DataFrame | None = None

    def _check_settings(self) -> None:
        chance = 1 / self.cardinality
        if not self.strength >= 0:
            raise LabelModelError(f"strength={self.strength} is a share of the votes: 0 or more.")
        if not 0 <= self.imagined_votes < np.inf:
            raise LabelModelError(f"imagined_votes={self.imagined_votes} is a number of 0 or more.")
        if self.centre is not None and not chance < self.centre < 1:
            raise LabelModelError(
                f"centre={self.centre} is an accuracy between chance ({chance:.3g}) and 1."
            )
        if not 0 <= self.margin < 1:
            raise LabelModelError(f"margin={self.margin} is in [0, 1).")
        if self.abstentions not in get_args(Abstentions):
            raise LabelModelError(
                f"abstentions={self.abstentions!r} is neither 'ignored' nor 'informative'."
            )

    # --- the prior ----------------------------------------------------------------------------

    def _one_coin(self, statistics: VoteStatistics, balance: FloatArray) -> OneCoinProblem:
        chance = 1 / self.cardinality
        lowest = chance + self.margin * (1 - chance)
        prior = AccuracyPrior(max(_CENTRE, lowest), _STRENGTH * statistics.n, lowest=lowest)
        return OneCoinProblem(statistics, balance, prior, self.discount_)

    def _centres(self, statistics: VoteStatistics, balance: FloatArray) -> FloatArray:
        if self.centre is not None:
            return np.full(statistics.m, self.centre)
        return fit_one_coin(self._one_coin(statistics, balance)).accuracy

    def _problem(
        self, statistics: VoteStatistics, balance: FloatArray, centre: FloatArray
    ) -> ConfusionProblem:
        prior: ConfusionPrior = prior_around(
            self._one_coin(statistics, balance),
            centre,
            strength=self.strength,
            imagined_votes=self.imagined_votes,
            margin=self.margin,
            one_sided=self._one_sided,
            informative=self.abstentions == "informative",
        )
        return ConfusionProblem(statistics, balance, prior, self.discount_)

    # --- what the shell asks for ----------------------------------------------------------------

    def _without_votes(self, scorer: Scorer, balance: FloatArray) -> FloatArray:
        # Where abstentions are informative, an example on which all are silent is not unknown.
        if self.abstentions == "informative" and isinstance(scorer, LogLinear):
            return np.asarray(normalised(scorer.intercept[None, :])[0])
        return balance

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], LogLinear]:
        own = self.centre is None
        newton: FloatArray = np.zeros(0)
        if own:
            newton = newton_matrix(self._one_coin(statistics, balance), self.centre_)

        def refit(resampled: VoteStatistics) -> LogLinear:
            centre: FloatArray = self.centre_
            if own:
                one_coin = self._one_coin(resampled, balance)
                jump = centre + newton @ (em_step(one_coin, centre) - centre)
                inside = np.clip(jump, one_coin.prior.lowest, one_coin.prior.highest)
                centre = em_step(one_coin, np.asarray(inside))
            problem = self._problem(resampled, balance, centre)
            ascent = fit_confusion(
                problem,
                start=self._fitted,
                max_iter=_REPLICATE_STEPS,
                tolerance=_REPLICATE_TOLERANCE,
            )
            return log_linear(problem, ascent.parameters)

        return refit

    @property
    def confusion_(self) -> NativeFrame:
        """Per LF, true class and vote, P(vote | class, the LF votes), with a 95 % interval.

        As the fitted posterior sees it: expected votes of each kind over expected votes, like
        ``lf_accuracies_`` (``conditional_`` is the same drawn towards the prior). Bootstrap over
        examples through their vote patterns; computed when first asked for.
        """
        self._check_fitted()
        if self._confusion is None:
            if self._statistics is None:
                raise NotFittedError("This model was saved without its confusion matrices.")
            self._confusion = confusion_table(
                self._statistics,
                self.posterior_,
                lambda sample: self._refitter(sample, self._assumed_balance),
                n_replicates=self._n_replicates,
                seed=self.seed,
            )
        return to_native_like(nw.from_native(self._confusion), self._native)

    def to_dict(self) -> dict[str, Any]:
        """As of every label model, and the confusion matrices."""
        table = collect(nw.from_native(self.confusion_)).to_polars()
        return super().to_dict() | {"confusion": table.to_dict(as_series=False)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The model that `to_dict` described."""
        import polars as pl

        model = super().from_dict(plain)
        schema = {"lf": pl.String, "class": pl.Int64, "vote": pl.Int64}
        schema |= dict.fromkeys(("probability", "low", "high"), pl.Float64)
        model._confusion = pl.DataFrame(plain["confusion"], schema=schema)
        return model
