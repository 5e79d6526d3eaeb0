"""The contract of every label model, and the shell that they share.

A model file holds the mathematics as functions on arrays, and a thin class that says which
scores its fit ends in; votes in all their forms, gold, calibration, probabilities, tables and
expressions are the same for all models, and live here.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, collect, to_native_like
from labelkit.errors import LabelModelError, NotFittedError
from labelkit.labelmodels.calibration import answer_without_votes, calibrate_on
from labelkit.labelmodels.in_engine import label_query
from labelkit.labelmodels.intervals import accuracy_table
from labelkit.labelmodels.judged import JudgedByGold, SeenGold
from labelkit.labelmodels.posterior import Calibration, Posterior, Scorer
from labelkit.labelmodels.prediction import TieBreak, break_ties, label_table, probabilities
from labelkit.labelmodels.saving import read_model, write_model
from labelkit.labelmodels.scoring import Judged, scores_on_gold
from labelkit.labelmodels.statistics import (
    FloatArray,
    GoldSample,
    VotesLike,
    VoteStatistics,
    as_votes,
    checked_balance,
    gold_sample,
)
from labelkit.lfs import ABSTAIN, Votes, align_gold

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1


class VoteModel(JudgedByGold, ABC):
    """A model of P(Y | votes), in scikit-learn's manners.

    Parameters are stored untouched, ``fit`` returns the model, what was learned ends in ``_``,
    and ``sklearn.base.clone`` works, without scikit-learn being imported here.

    Attributes
    ----------
    posterior_ : `Posterior`, all that prediction needs
    class_balance_ : (k,) share of each class: as given, or else estimated from gold, or uniform
    lf_names_ : names of the LFs that it was fitted to, in order
    n_examples_, n_gold_ : how much it was fitted to
    lf_accuracies_ : frame with ``lf``, ``accuracy``, ``low``, ``high``
    """

    # Each replicate of the bootstrap refits the model: dear models take fewer.
    _n_replicates: int = 100
    # Whether the class balance was given; a model that estimates it asks.
    _balance_given: bool = False

    def __init__(self, *, cardinality: int, seed: int) -> None:
        self.cardinality = cardinality
        self.seed = seed

    # --- what a model file provides ---------------------------------------------------------

    @abstractmethod
    def _fit_scorer(
        self, statistics: VoteStatistics, balance: FloatArray, gold: GoldSample | None
    ) -> Scorer:
        """Fit to votes (and gold, if the model can use it) and return class scores."""

    def _refitter(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> Callable[[VoteStatistics], Scorer] | None:
        """How to fit again, quickly, to resampled counts; None if there is nothing to fit."""
        return None

    def _without_votes(self, scorer: Scorer, balance: FloatArray) -> FloatArray:
        """P(Y) (k,) where every LF abstains: the class balance, unless silence is evidence."""
        return balance

    def _balance_from_votes(self) -> FloatArray | None:
        """The class balance (k,), if the model estimated it from votes."""
        return None

    def _calibrate(
        self, scorer: Scorer, statistics: VoteStatistics, gold: GoldSample, balance: FloatArray
    ) -> Calibration:
        """What gold has to say about scores that have not seen it."""
        return calibrate_on(scorer, statistics, gold, balance)

    def _own_accuracies(
        self, statistics: VoteStatistics, balance: FloatArray
    ) -> pl.DataFrame | None:
        """LF accuracies with intervals by the model's own likelihood; None: by the bootstrap."""
        return None

    # --- fitting ------------------------------------------------------------------------------

    def fit(
        self,
        votes_or_L: VotesLike,
        gold: NativeFrame | None = None,
        class_balance: Sequence[float] | FloatArray | None = None,
    ) -> Self:
        """Fit to votes, and to gold labels where there are any.

        Parameters
        ----------
        votes_or_L : `Votes`, or Snorkel's label matrix L (n, m), -1 abstains
        gold : frame with the key columns, ``label`` and perhaps ``inclusion_probability``, or an
            array (n,) with -1 where there is no gold
        class_balance : (k,) shares of the classes, if they are known; uniform unless given, and
            corrected by gold where there is any

        Raises
        ------
        LabelModelError
            The votes do not suit the model.
        GoldError
            Gold does not suit the votes.
        """
        if self.cardinality < 2:
            raise LabelModelError(
                f"cardinality is {self.cardinality}; there are 2 classes or more."
            )
        votes = as_votes(votes_or_L, self.cardinality)
        statistics = VoteStatistics.of(votes)
        if not statistics.n:
            raise LabelModelError("There is no example in these votes.")
        sample = None if gold is None else gold_sample(votes, gold)
        balance = None if class_balance is None else np.asarray(class_balance, float)
        self._fit_statistics(statistics, sample, balance)
        self._seen_gold = None if gold is None else SeenGold.of(votes, gold)
        self._native: NativeFrame = votes.frame if votes.native is None else votes.native
        return self

    def _fit_statistics(
        self, statistics: VoteStatistics, gold: GoldSample | None, balance: FloatArray | None
    ) -> None:
        gold = gold if gold is not None and len(gold) else None
        # Gold's estimate of the balance is not used for fitting to votes: from a hundred labels it
        # is noisy, and it moves the LFs' accuracies; the calibration's shift carries it instead.
        assumed: FloatArray = np.full(self.cardinality, 1 / self.cardinality)
        if balance is not None:
            assumed = checked_balance(balance, self.cardinality)
        self._balance_given = balance is not None
        scorer = self._fit_scorer(statistics, assumed, gold)
        unvoted = self._without_votes(scorer, assumed)
        from_votes = self._balance_from_votes()
        self.class_balance_ = assumed if from_votes is None else from_votes
        calibration = Calibration.identity(self.cardinality)
        if gold is not None:
            calibration = self._calibrate(scorer, statistics, gold, self.class_balance_)
            unvoted = answer_without_votes(calibration, unvoted, statistics, gold)
        if gold is not None and balance is None:
            self.class_balance_ = gold.balance(self.cardinality)
        self._assumed_balance = assumed
        self.posterior_ = Posterior(scorer, calibration, unvoted)
        self.lf_names_ = statistics.lf_names
        self.n_examples_ = round(statistics.n)
        self.n_gold_ = 0 if gold is None else len(gold)
        self._statistics: VoteStatistics | None = statistics
        self._accuracies: pl.DataFrame | None = None

    # --- prediction ---------------------------------------------------------------------------

    def predict_proba(self, votes_or_L: VotesLike) -> FloatArray:
        """P(Y | votes) (n, k), in the order of the examples."""
        votes = self._known(votes_or_L)
        return probabilities(votes, self.posterior_)

    def predict(
        self, votes_or_L: VotesLike, *, tie_break: TieBreak = "first"
    ) -> npt.NDArray[np.int64]:
        """The most probable class (n,), ties broken by a stated rule.

        Parameters
        ----------
        tie_break : what happens when classes are within 1e-5 of the most probable:
            "first" takes the lowest of them, so that the answer depends on the votes alone;
            "abstain" (-1), "random" (by a hash of the row number) and "true-random" (drawn from
            the model's seed) are Snorkel's policies
        """
        return break_ties(self.predict_proba(votes_or_L), tie_break, seed=self.seed)

    def score(
        self,
        votes_or_L: VotesLike,
        gold: NativeFrame,
        metrics: Sequence[str] = ("accuracy",),
        *,
        tie_break: TieBreak = "first",
    ) -> dict[str, float]:
        """How good the predictions are on gold, as Snorkel's ``LabelModel.score``.

        Parameters
        ----------
        votes_or_L : votes of the gold examples, or of more
        gold : as in ``fit``; examples without gold are left out, and weights 1 /
            ``inclusion_probability`` are used where they are given
        metrics : any of "accuracy", "coverage", "precision", "recall", "f1" (of class 1; two
            classes), "f1_micro", "f1_macro", "matthews_corrcoef", "roc_auc" (two classes) and
            "log_loss", by scikit-learn
        tie_break : as in ``predict``. Uncovered examples have the answer for no vote like any
            other, a tie if it is uniform. By "first" every gold example is judged. By "abstain",
            Snorkel's rule, ties count for "coverage" alone, which flatters the rest

        Returns
        -------
        Each metric by name. `labelkit.validate` gives them with intervals.
        """
        votes = self._known(votes_or_L)
        sample = gold_sample(votes, gold)
        known = np.flatnonzero(align_gold(votes, gold) != ABSTAIN)
        proba = probabilities(votes, self.posterior_)
        predicted = break_ties(proba, tie_break, seed=self.seed)
        judged = Judged(sample.label, predicted[known], proba[known], sample.weight)
        return scores_on_gold(judged, metrics)

    def label(self, votes: VotesLike) -> NativeFrame:
        """Weak labels as a table of the kind that the examples came in, sorted by key.

        Returns
        -------
        Frame with the key columns, ``p_0`` … ``p_{k-1}``, ``label`` (the most probable class, the
        lowest on a tie), ``margin`` (largest minus second largest probability), ``covered``
        (whether any LF voted; where none did, all examples get one answer: the class balance, or
        what gold says of them) and ``prior_share`` (share of what there was to find out that the
        votes left to that answer; 1 where uncovered, 0 where no doubt is left).
        """
        return label_table(self._known(votes), self.posterior_)

    def label_in_engine(self, votes: Votes) -> NativeFrame:
        """The table of `label` as a query of the engine in which the votes are: lazy if they are.

        For votes that are too many to collect. Rows come in no order; they are the same as those
        of `label` on every engine, to the last bit. `to_expression` gives probabilities over any
        frame with the vote columns, whether its votes have been seen or not.
        """
        return label_query(self._known(votes), self.posterior_)

    def to_expression(self) -> list[nw.Expr]:
        """Expressions ``p_0`` … ``p_{k-1}`` over the LF columns, for any engine."""
        self._check_fitted()
        return self.posterior_.exprs(self.lf_names_)

    @property
    def lf_accuracies_(self) -> NativeFrame:
        """Per LF the estimated probability that its vote is right, with a 95 % interval.

        By the likelihood where the model has one for it and no gold, otherwise by a bootstrap over
        examples through their vote patterns; computed when first asked for.
        """
        self._check_fitted()
        if self._accuracies is None:
            if self._statistics is None:
                raise NotFittedError("This model was saved without its LF accuracies.")
            # With gold the question is how good votes are by the labels that gold corrected.
            own = None
            if not self.n_gold_:
                own = self._own_accuracies(self._statistics, self._assumed_balance)
            self._accuracies = own if own is not None else self._bootstrapped(self._statistics)
        return to_native_like(nw.from_native(self._accuracies), self._native)

    def _bootstrapped(self, statistics: VoteStatistics) -> pl.DataFrame:
        return accuracy_table(
            statistics,
            self.posterior_,
            lambda sample: self._refitter(sample, self._assumed_balance),
            n_replicates=self._n_replicates,
            seed=self.seed,
        )

    # --- saving -------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything that prediction needs, and the LF accuracies, as plain JSON values."""
        self._check_fitted()
        accuracies = self.lf_accuracies_
        return {
            "format": FORMAT,
            "model": type(self).__name__,
            "params": _plain(self.get_params()),
            "lf_names": list(self.lf_names_),
            "n_examples": self.n_examples_,
            "n_gold": self.n_gold_,
            "class_balance": self.class_balance_.tolist(),
            "posterior": self.posterior_.to_dict(),
            "lf_accuracies": collect(nw.from_native(accuracies)).to_polars().to_dicts(),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The model that `to_dict` described; it predicts to the last bit what the other did."""
        import polars as pl

        if plain.get("format") != FORMAT or plain.get("model") != cls.__name__:
            raise LabelModelError(
                f"This is a saved {plain.get('model', 'something else')} of format "
                f"{plain.get('format')}; {cls.__name__} reads its own kind of format {FORMAT}."
            )
        model = cls(**plain["params"])
        model.posterior_ = Posterior.from_dict(plain["posterior"])
        model.class_balance_ = np.array(plain["class_balance"], float)
        model.lf_names_ = tuple(plain["lf_names"])
        model.n_examples_, model.n_gold_ = plain["n_examples"], plain["n_gold"]
        model._statistics = None
        model._seen_gold = None
        schema = {"lf": pl.String} | dict.fromkeys(("accuracy", "low", "high"), pl.Float64)
        model._accuracies = pl.DataFrame(plain["lf_accuracies"], schema=schema)
        model._native = model._accuracies
        return model

    def save(self, path: str | Path) -> None:
        """Write the fitted model: as NPZ if ``path`` ends in .npz, else as JSON."""
        write_model(Path(path), self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote."""
        return cls.from_dict(read_model(Path(path)))

    # --- scikit-learn's manners ---------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor parameters by name (``deep`` is there for scikit-learn's sake)."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}

    def set_params(self, **params: Any) -> Self:
        """Set constructor parameters; they count from the next ``fit``."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise LabelModelError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(known)}."
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not defaults[name].default and value != defaults[name].default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _check_fitted(self) -> None:
        if "posterior_" not in self.__dict__:
            raise NotFittedError.of(self)

    def _known(self, votes_or_L: VotesLike) -> Votes:
        """The votes, checked to be of the LFs that the model was fitted to, in their order."""
        self._check_fitted()
        if not isinstance(votes_or_L, Votes):
            votes = as_votes(votes_or_L, self.cardinality)
            if len(votes.lf_names) != len(self.lf_names_):
                raise LabelModelError(
                    f"The model was fitted to {len(self.lf_names_)} labeling functions; these "
                    f"votes have {len(votes.lf_names)}."
                )
            return votes
        votes = as_votes(votes_or_L, self.cardinality)
        if votes.lf_names == self.lf_names_:
            return votes
        missing = [name for name in self.lf_names_ if name not in votes.lf_names]
        unknown = [name for name in votes.lf_names if name not in self.lf_names_]
        if missing or unknown:
            raise LabelModelError(
                "The model was fitted to other labeling functions: these votes lack "
                f"{', '.join(missing) or 'none'} and have {', '.join(unknown) or 'none'} beside. "
                "Fit it to them first."
            )
        return replace(votes, lf_names=self.lf_names_)


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: np.asarray(value).tolist() if isinstance(value, np.ndarray) else value
        for name, value in params.items()
    }
