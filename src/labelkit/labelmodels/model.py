"""``LabelModel``: the one label model that most users need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self, TypeAlias, get_args

from labelkit.errors import LabelModelError
from labelkit.labelmodels.auto import (
    MIN_LFS,
    Choice,
    FitScorer,
    Method,
    choose_by_gold,
    choose_by_votes,
    choose_rates,
    doubt,
    sample_of,
)
from labelkit.labelmodels.base import VoteModel
from labelkit.labelmodels.majority import MajorityVote
from labelkit.labelmodels.moments import SnorkelMoments
from labelkit.labelmodels.onecoin import OneCoin
from labelkit.labelmodels.posterior import Calibration, Posterior, Scorer
from labelkit.labelmodels.rates import VoteRates
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

MethodName: TypeAlias = Literal["auto", "majority", "onecoin", "snorkel", "rates"]


class LabelModel(VoteModel):
    """Votes in, probabilities out, by the method that suits them.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    method : "auto" picks from what the votes can carry, and from gold where there is enough, and
        says why; "majority", "onecoin", "snorkel" and "rates" are `MajorityVote`, `OneCoin`,
        `SnorkelMoments` and `VoteRates` with their defaults
    seed : for bootstrap intervals, cross-validation on gold and the tie policy "true-random"

    Attributes
    ----------
    method_ : the method that was fitted
    reason_ : one sentence on why
    model_ : the model of that method, with what it learned (not kept when saved)
    class_balance_, lf_accuracies_, posterior_, lf_names_ : as in every label model
    """

    def __init__(self, cardinality: int = 2, method: MethodName = "auto", *, seed: int = 0) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.method = method

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> Scorer:
        choice = self._choose(statistics, balance, gold)
        self.method_, self.reason_ = choice.method, choice.reason
        self.model_ = self._model(choice.method)
        self.model_._balance_given = self._balance_given
        self._n_replicates = self.model_._n_replicates
        return self.model_._fit_scorer(statistics, balance, gold)

    def _choose(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> Choice:
        if self.method not in get_args(MethodName):
            known = ", ".join(map(repr, get_args(MethodName)))
            raise LabelModelError(f"method={self.method!r} is none of {known}.")
        if self.method != "auto":
            return Choice(self.method, "asked for by name")
        choice = choose_by_votes(statistics)
        rates = self._rates(statistics, balance) if choice.method == "onecoin" else None
        if rates is not None:
            choice = rates
        elif choice.method == "onecoin":
            model = OneCoin(self.cardinality, seed=self.seed)
            scorer = model._fit_scorer(statistics, balance, None)
            proba = Posterior(scorer, Calibration.identity(self.cardinality), balance)
            reason = doubt(statistics, proba.proba(statistics), model.worthless_)
            choice = choice if reason is None else Choice("majority", reason)
        if gold is None:
            return choice
        methods: list[Method] = ["onecoin", "majority"]
        if choice.method == "rates":
            methods.append("rates")
        if statistics.m >= MIN_LFS:
            methods.append("snorkel")
        candidates: dict[Method, FitScorer] = {
            method: self._model(method)._fit_scorer for method in methods
        }
        return choose_by_gold(
            statistics, gold, balance, candidates, preferred=choice, seed=self.seed
        )

    def _rates(self, statistics: VoteStatistics, balance: FloatArray) -> Choice | None:
        sample = sample_of(statistics, self.seed)
        model = VoteRates(self.cardinality, seed=self.seed)
        fit = model.look(sample, balance if self._balance_given else None)
        return choose_rates(
            fit,
            n_parameters=model.n_parameters_,
            n_margins=int((statistics.votes_cast > 0).sum()),
            n=sample.n,
        )

    def _without_votes(self, scorer: Scorer, assumed: FloatArray) -> FloatArray:
        return self.model_._without_votes(scorer, assumed)

    def _balance_from_votes(self) -> FloatArray | None:
        return self.model_._balance_from_votes()

    def _model(self, method: Method) -> VoteModel:
        if method == "rates":
            model = VoteRates(self.cardinality, seed=self.seed)
            model._balance_given = self._balance_given
            return model
        if method == "majority":
            return MajorityVote(self.cardinality, seed=self.seed)
        if method == "onecoin":
            return OneCoin(self.cardinality, seed=self.seed)
        return SnorkelMoments(self.cardinality, seed=self.seed)

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], Scorer] | None:
        return self.model_._refitter(statistics, balance)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"method": self.method_, "reason": self.reason_}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        model = super().from_dict(plain)
        model.method_, model.reason_ = plain["method"], plain["reason"]
        return model
