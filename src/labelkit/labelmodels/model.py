"""``LabelModel``: the one label model that most users need."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from labelkit.errors import LabelModelError
from labelkit.labelmodels.auto import choose
from labelkit.labelmodels.base import FittedScorer, VoteModel
from labelkit.labelmodels.majority import MajorityVote
from labelkit.labelmodels.onecoin import OneCoin
from labelkit.labelmodels.statistics import FloatArray, GoldSample, VoteStatistics

MethodName: TypeAlias = Literal["auto", "majority", "onecoin", "snorkel"]


class LabelModel(VoteModel):
    """Votes in, probabilities out, by the method that suits them.

    Parameters
    ----------
    cardinality : number of classes k ≥ 2
    method : "auto" picks from what the votes can carry and says why; "majority", "onecoin" and
        "snorkel" are `MajorityVote`, `OneCoin` and `SnorkelMoments` with their defaults
    seed : for bootstrap intervals and the tie policy "true-random"

    Attributes
    ----------
    method_ : the method that was fitted
    reason_ : one sentence on why
    model_ : the fitted model of that method
    class_balance_, lf_accuracies_, posterior_, lf_names_ : as in every label model
    """

    method: str  # type: ignore[misc]

    def __init__(self, cardinality: int = 2, method: MethodName = "auto", *, seed: int = 0) -> None:
        super().__init__(cardinality=cardinality, seed=seed)
        self.method = method

    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> FittedScorer:
        if self.method not in get_args(MethodName):
            methods = ", ".join(map(repr, get_args(MethodName)))
            raise LabelModelError(f"method={self.method!r} is none of {methods}.")
        if self.method == "auto":
            choice = choose(statistics, gold)
            self.method_, self.reason_ = choice.method, choice.reason
        else:
            self.method_, self.reason_ = self.method, "asked for by name"
        models = {"majority": MajorityVote, "onecoin": OneCoin}
        self.model_ = models[self.method_](self.cardinality, seed=self.seed)
        return self.model_._fit_scorer(statistics, balance, gold)

    def _resampled_scores(self, statistics: VoteStatistics, balance: FloatArray) -> FloatArray:
        self.model_.posterior_ = self.posterior_
        return self.model_._resampled_scores(statistics, balance)
