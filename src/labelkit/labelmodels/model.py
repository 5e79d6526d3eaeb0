"""``LabelModel``: the one label model that most users need."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import narwhals as nw

from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import LabelModelError, NotFittedError
from labelkit.labelmodels.auto import (
    MAX_EXCESS,
    MIN_LFS,
    Choice,
    FitScorer,
    Method,
    Trial,
    choose_by_fit,
    choose_by_gold,
    choose_by_votes,
    doubt,
    sample_of,
)
from labelkit.labelmodels.balance import ClassBalance, balance_from_gold, balance_from_votes
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.dawid_skene import DawidSkene
from labelkit.labelmodels.dependencies import PairResiduals
from labelkit.labelmodels.diagnostics import Diagnosis, diagnose_fit
from labelkit.labelmodels.majority import MajorityVote
from labelkit.labelmodels.moments import SnorkelMoments
from labelkit.labelmodels.onecoin import OneCoin
from labelkit.labelmodels.posterior import Calibration, Posterior, Scorer
from labelkit.labelmodels.rates import VoteRates
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VotesLike, VoteStatistics
from labelkit.labelmodels.triplets import Triplets
from labelkit.labelmodels.weighted import WeightedMajority

if TYPE_CHECKING:
    import polars as pl

MethodName: TypeAlias = Literal["auto"] | Method
METHODS: dict[Method, Callable[..., VoteModel]] = {
    "majority": MajorityVote,
    "weighted_majority": WeightedMajority,
    "onecoin": OneCoin,
    "rates": VoteRates,
    "snorkel": SnorkelMoments,
    "dawid_skene": DawidSkene,
    "triplets": Triplets,
}


class LabelModel(VoteModel):
    """Votes in, probabilities out, by the method that suits them.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    method : "auto" picks from what the votes can carry, and from gold where there is enough, and
        says why; "majority", "weighted_majority", "onecoin", "rates", "snorkel", "dawid_skene"
        and "triplets" are `MajorityVote`, `WeightedMajority`, `OneCoin`, `VoteRates`,
        `SnorkelMoments`, `DawidSkene` and `Triplets` with their defaults
    seed : for bootstrap intervals, cross-validation on gold and the tie policy "true-random"

    Attributes
    ----------
    method_ : the method that was fitted
    reason_ : one sentence on why
    model_ : the model of that method, with what it learned (not kept when saved)
    class_balance_table_ : shares of the classes with intervals, and what they rest on
    class_balance_, lf_accuracies_, posterior_, lf_names_ : as in every label model
    """

    _balance: ClassBalance | None = None
    _gold: GoldSample | None = None

    def __init__(self, cardinality: int = 2, method: MethodName = "auto", *, seed: int = 0) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.method = method

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> Scorer:
        choice = self._choose(statistics, balance, gold)
        self.method_, self.reason_ = choice.method, choice.reason
        self.model_ = self._model(choice.method)
        self._n_replicates = self.model_._n_replicates
        self._gold, self._balance = gold, None
        return self.model_._fit_scorer(statistics, balance, gold)

    def _choose(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> Choice:
        if self.method != "auto":
            if self.method not in METHODS:
                known = ", ".join(map(repr, ("auto", *METHODS)))
                raise LabelModelError(f"method={self.method!r} is none of {known}.")
            self._why_no_balance = f"method={self.method!r} does not estimate it"
            return Choice(self.method, "asked for by name")
        choice = choose_by_votes(statistics)
        self._why_no_balance = choice.reason
        if choice.method == "onecoin":
            richer = choose_by_fit(
                self._trials(statistics, balance),
                n_margins=int((statistics.votes_cast > 0).sum()),
                n=statistics.n,
            )
            choice = richer if isinstance(richer, Choice) else choice
            self._why_no_balance = richer.reason if isinstance(richer, Choice) else richer
        if choice.method == "onecoin":
            model = OneCoin(self.cardinality, seed=self.seed)
            scorer = model._fit_scorer(statistics, balance, None)
            proba = Posterior(scorer, Calibration.identity(self.cardinality), balance)
            reason = doubt(statistics, proba.proba(statistics), model.worthless_)
            choice = choice if reason is None else Choice("majority", reason)
        if gold is None:
            return choice
        methods: list[Method] = ["onecoin", "majority"]
        if choice.method not in methods and choice.method != "snorkel":
            methods.append(choice.method)
        if statistics.m >= MIN_LFS:
            methods.append("snorkel")
        candidates: dict[Method, FitScorer] = {
            method: self._model(method)._fit_scorer for method in methods
        }
        return choose_by_gold(
            statistics, gold, balance, candidates, preferred=choice, seed=self.seed
        )

    def _trials(self, statistics: VoteStatistics, balance: FloatArray) -> list[Trial]:
        """Rates of voting and confusions, fitted on trial."""
        sample = sample_of(statistics, self.seed)
        rates = VoteRates(self.cardinality, seed=self.seed)
        fit = rates.look(sample, balance if self._balance_given else None)
        trials = [
            Trial(
                "rates",
                fit,
                rates.n_parameters_,
                "given the class, functions vote and fall silent independently of each other, so "
                "that their rates of voting and the class balance can be learned",
            )
        ]
        if fit.excess <= MAX_EXCESS or statistics.one_sided.all():
            return trials
        # One-sided functions have no confusion to learn; where all are, this is the one-coin model.
        confusions = DawidSkene(self.cardinality, seed=self.seed)
        scorer = confusions._fit_scorer(sample, balance, None)
        proba = Posterior(scorer, Calibration.identity(self.cardinality), balance).proba(sample)
        several = int((~statistics.one_sided & (statistics.votes_cast.sum(axis=1) > 0)).sum())
        trials.append(
            Trial(
                "dawid_skene",
                PairResiduals.of(sample, proba).fit(rates.copies_),
                # How often it is right in each class; the rest of a row is shrunk to even shares.
                several * self.cardinality + int(statistics.one_sided.sum()),
                "functions err independently, each by habits of its own, class by class",
            )
        )
        return trials

    def _without_votes(self, scorer: Scorer, balance: FloatArray) -> FloatArray:
        return self.model_._without_votes(scorer, balance)

    def _balance_from_votes(self) -> FloatArray | None:
        return self.model_._balance_from_votes()

    # --- what it rests on ---------------------------------------------------------------------

    @property
    def class_balance_table_(self) -> NativeFrame:
        """Shares of the classes with 95 % intervals: ``class``, ``share``, ``low``, ``high`` and
        ``source`` ("votes", "gold", "given" or "assumed"); worked out when first asked for.
        """
        self._check_fitted()
        return to_native_like(nw.from_native(self._class_balance().table()), self._native)

    @property
    def class_balance_reason_(self) -> str:
        """One sentence on what the class balance rests on, or why it could not be estimated."""
        return self._class_balance().reason

    def diagnose(self, votes_or_L: VotesLike | None = None) -> Diagnosis:
        """What to doubt in the fit, each with a sentence of advice, and LFs that err together.

        Parameters
        ----------
        votes_or_L : votes of the same LFs; those that the model was fitted to unless given
        """
        self._check_fitted()
        if votes_or_L is not None:
            return diagnose_fit(self, VoteStatistics.of(self._known(votes_or_L)))
        if self._statistics is None:
            raise NotFittedError("This model was saved without its votes: give them to diagnose.")
        return diagnose_fit(self, self._statistics)

    def _class_balance(self) -> ClassBalance:
        if self._balance is None:
            if self._statistics is None:
                raise NotFittedError("This model was saved without its class balance.")
            self._balance = self._estimated_class_balance()
        return self._balance

    def _estimated_class_balance(self) -> ClassBalance:
        if self._balance_given:
            share = self._assumed_balance
            return ClassBalance.without_interval(share, "given", "given by the caller")
        if self._gold is not None:
            return balance_from_gold(self._gold, self.cardinality)
        statistics = self._statistics
        if isinstance(self.model_, VoteRates) and statistics is not None:
            return balance_from_votes(statistics, self.model_, reason=self.reason_, seed=self.seed)
        return ClassBalance.without_interval(
            self.class_balance_,
            "assumed",
            f"classes are taken for equally frequent; not estimated: {self._why_no_balance}",
        )

    def _model(self, method: Method) -> VoteModel:
        model = METHODS[method](self.cardinality, seed=self.seed)
        model._balance_given = self._balance_given
        return model

    def _own_accuracies(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> pl.DataFrame | None:
        return self.model_._own_accuracies(statistics, balance)

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], Scorer] | None:
        return self.model_._refitter(statistics, balance)

    def to_dict(self) -> dict[str, Any]:
        balance = self._class_balance()
        return super().to_dict() | {
            "method": self.method_,
            "reason": self.reason_,
            "balance": {
                "source": balance.source,
                "reason": balance.reason,
                "table": balance.table().drop("source").to_dicts(),
            },
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        model = super().from_dict(plain)
        model.method_, model.reason_ = plain["method"], plain["reason"]
        model._balance = ClassBalance.of_table(**plain["balance"]) if "balance" in plain else None
        return model
