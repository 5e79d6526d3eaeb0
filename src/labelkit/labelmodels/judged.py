"""What a fitted model can say about its own doubt, given gold that it has not seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_polars_lazy
from labelkit.errors import GoldError
from labelkit.labelmodels.posterior import Posterior
from labelkit.labelmodels.reliability import Reliability, reliability
from labelkit.labelmodels.sets import PredictionSets, SetScore, prediction_sets
from labelkit.labelmodels.statistics import FloatArray, VotesLike, VoteStatistics, gold_sample
from labelkit.lfs import ABSTAIN, Votes, align_gold

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class SeenGold:
    """Which gold a model was fitted to: by key where there are keys, else by row number.

    Parameters
    ----------
    keys : frame of key columns, one row per gold label; None for gold in an array
    rows : (g,) row numbers of gold in an array
    n_rows : length of that array
    """

    keys: pl.DataFrame | None
    rows: npt.NDArray[np.signedinteger]
    n_rows: int

    @classmethod
    def of(cls, votes: Votes, gold: NativeFrame) -> SeenGold:
        """The gold labels of ``gold``, in any form that ``fit`` takes."""
        import narwhals as nw

        if not votes.keys or isinstance(gold, np.ndarray | list | tuple):
            labels = align_gold(votes, gold)
            return cls(None, np.flatnonzero(labels != ABSTAIN), len(labels))
        frame = nw.from_native(gold).select([*votes.keys, "label"])
        table = to_polars_lazy(frame).collect().drop_nulls("label").drop("label")
        return cls(table, np.zeros(0, dtype=np.intp), 0)

    def refuse(self, again: SeenGold, purpose: str) -> None:
        """Raise `GoldError` where gold for ``purpose`` is among the gold that was seen."""
        if self.keys is not None and again.keys is not None:
            names = self.keys.columns
            same = again.keys.cast(self.keys.schema).join(self.keys, on=names, how="semi")
            n, total = len(same), len(again.keys)
            example = ", ".join(f"{key} {same[key][0]!r}" for key in names) if n else ""
        else:
            shared = np.intersect1d(self.rows, again.rows) if self.n_rows == again.n_rows else []
            n, total = len(shared), len(again.rows)
            example = f"row {shared[0]}" if n else ""
        if n:
            raise GoldError(
                f"{n:,} of {total:,} gold labels for {purpose} were used for fitting (first: "
                f"{example}). What a model has seen cannot judge it: fit without them, "
                "or give others."
            )


class JudgedByGold(ABC):
    """Prediction sets and reliability of a fitted model; a part of `VoteModel`."""

    posterior_: Posterior
    _seen_gold: SeenGold | None

    @abstractmethod
    def _known(self, votes_or_L: VotesLike) -> Votes:
        """The votes, checked to be of the LFs that the model was fitted to, in their order."""

    def predict_sets(
        self,
        votes: VotesLike,
        gold: NativeFrame,
        *,
        alpha: float = 0.1,
        score: SetScore = "aps",
    ) -> PredictionSets:
        """Sets of classes that hold the true one in 1 - ``alpha`` of examples, whatever the model.

        Parameters
        ----------
        votes : of the examples that want a set, the gold ones among them
        gold : calibration gold in any form that ``fit`` takes, none of it used for fitting; the
            least that rules out any class is ``labels_needed(alpha)``
        alpha : share of examples whose set may miss the true class
        score : "aps": sets grow where there is doubt; "threshold": the smallest on average

        Returns
        -------
        PredictionSets, in the order of the examples.

        Raises
        ------
        GoldError
            The model was fitted to some of this gold (a loaded model has forgotten to which), or
            gold does not suit the votes.
        """
        known = self._known(votes)
        proba, gold_proba, label, weight = self._unseen(known, gold, "prediction sets")
        return prediction_sets(
            proba[known.pattern_index], gold_proba, label, alpha=alpha, weight=weight, score=score
        )

    def reliability(
        self, votes: VotesLike, gold: NativeFrame, *, level: float = 0.95
    ) -> Reliability:
        """How often labels are right beside how often they say they are, on gold not fitted to.

        Parameters and errors are those of `predict_sets`; see `Reliability`.
        """
        known = self._known(votes)
        _, gold_proba, label, weight = self._unseen(known, gold, "reliability")
        return reliability(gold_proba, label, weight, level=level)

    def _unseen(
        self, votes: Votes, gold: NativeFrame, purpose: str
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp], FloatArray]:
        if self._seen_gold is not None:
            self._seen_gold.refuse(SeenGold.of(votes, gold), purpose)
        sample = gold_sample(votes, gold)
        proba = self.posterior_.proba(VoteStatistics.of(votes))
        return proba, proba[sample.pattern], sample.label, sample.weight
