"""``LFAnalysis``: Snorkel's table about a label matrix, computed from its unique rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelkit.lfs.analysis import LFCounts, against_gold
from labelkit.lfs.patterns import ABSTAIN, Int64Array, Patterns
from labelkit.lfs.votes import Votes

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


class LFAnalysis:
    """What each labeling function covers, shares and disputes.

    Parameters
    ----------
    L : (n, m) label matrix, -1 abstains
    lfs : the m functions, whose names the summary then bears

    Raises
    ------
    ValueError
        There are not as many functions as columns.
    """

    def __init__(self, L: npt.ArrayLike, lfs: Sequence[Any] | None = None) -> None:
        self.votes = Votes.from_matrix(L)
        m = len(self.votes.lf_names)
        if lfs is not None and len(lfs) != m:
            raise ValueError(f"Number of LFs ({len(lfs)}) and number of columns of L ({m}) differ")
        self._lf_names = None if lfs is None else [lf.name for lf in lfs]

    @property
    def L(self) -> npt.NDArray[np.int8]:
        """The label matrix (n, m)."""
        return self.votes.matrix

    @property
    def _patterns(self) -> Patterns:
        return self.votes.patterns

    @cached_property
    def _counts(self) -> LFCounts:
        return LFCounts.of(self._patterns, self.votes.cardinality)

    def _share(self, rows: npt.NDArray[np.bool_]) -> float:
        return float(self._patterns.counts @ rows / max(self._patterns.n, 1))

    def label_coverage(self) -> float:
        """Share of data points with a vote."""
        return self._share((self._patterns.rows != ABSTAIN).any(axis=1))

    def label_overlap(self) -> float:
        """Share of data points with two votes or more."""
        return self._share((self._patterns.rows != ABSTAIN).sum(axis=1) > 1)

    def label_conflict(self) -> float:
        """Share of data points on which two votes differ."""
        rows = self._patterns.rows
        lowest = np.where(rows == ABSTAIN, np.int8(127), rows).min(axis=1)
        return self._share((rows != ABSTAIN).any(axis=1) & (rows.max(axis=1) != lowest))

    def lf_polarities(self) -> list[list[int]]:
        """The labels that each function votes, in order."""
        return [np.flatnonzero(row).tolist() for row in self._counts.votes]

    def lf_coverages(self) -> FloatArray:
        """Share of data points on which each function votes, (m,)."""
        return self._per_point(self._counts.votes.sum(axis=1))

    def lf_overlaps(self, normalize_by_coverage: bool = False) -> FloatArray:
        """Share of data points on which each function and another vote, (m,)."""
        overlaps = self._per_point(self._counts.overlaps)
        return _of(overlaps, self.lf_coverages()) if normalize_by_coverage else overlaps

    def lf_conflicts(self, normalize_by_overlaps: bool = False) -> FloatArray:
        """Share of data points on which each function votes and two functions differ, (m,)."""
        conflicts = self._per_point(self._counts.conflicts)
        return _of(conflicts, self.lf_overlaps()) if normalize_by_overlaps else conflicts

    def lf_empirical_accuracies(self, Y: npt.ArrayLike) -> FloatArray:
        """Share of right votes of each function, (m,), 0 where it never votes; ``Y`` is gold."""
        correct, incorrect = self._judged(Y)
        return _of(correct.astype(np.float64), (correct + incorrect).astype(np.float64))

    def lf_empirical_probs(self, Y: npt.ArrayLike, k: int) -> FloatArray:
        """P(vote | label), (m, k + 1, k), where row 0 is abstaining; 0 for a label without gold."""
        gold = np.asarray(Y)
        L = self.L.astype(np.int64)
        probs = np.zeros((L.shape[1], k + 1, k))
        for y in range(k):
            of_class = L[gold == y] + 1
            if len(of_class):
                for j in range(L.shape[1]):
                    probs[j, :, y] = np.bincount(of_class[:, j], minlength=k + 1) / len(of_class)
        return probs

    def lf_summary(
        self, Y: npt.ArrayLike | None = None, est_weights: Sequence[float] | None = None
    ) -> pd.DataFrame:
        """All of it, a row per function; with gold and learned weights where they are given."""
        import pandas as pd

        columns: dict[str, Any] = {}
        if self._lf_names is not None:
            columns["j"] = list(range(len(self._lf_names)))
        columns["Polarity"] = self.lf_polarities()
        columns["Coverage"] = self.lf_coverages()
        columns["Overlaps"] = self.lf_overlaps()
        columns["Conflicts"] = self.lf_conflicts()
        if Y is not None:
            columns["Correct"], columns["Incorrect"] = self._judged(Y)
            columns["Emp. Acc."] = self.lf_empirical_accuracies(Y)
        if est_weights is not None:
            columns["Learned Weight"] = est_weights
        return pd.DataFrame(columns, index=self._lf_names)

    def _per_point(self, counts: Int64Array) -> FloatArray:
        share: FloatArray = counts / max(self._patterns.n, 1)
        return share

    def _judged(self, Y: npt.ArrayLike) -> tuple[Int64Array, Int64Array]:
        gold = np.asarray(Y, dtype=np.int64)
        if gold.shape != (len(self.votes),):
            raise ValueError(f"Y has shape {gold.shape}; L has {len(self.votes)} rows")
        return against_gold(self.votes, gold)


def _of(part: FloatArray, whole: FloatArray) -> FloatArray:
    """part ÷ whole, 0 where the whole is."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def filter_unlabeled_dataframe(
    X: pd.DataFrame, y: npt.NDArray[Any], L: npt.ArrayLike
) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
    """The rows of ``X`` (n rows) and ``y`` (n, …) on which a function votes."""
    voted = (np.asarray(L) != ABSTAIN).any(axis=1)
    return X.iloc[voted], y[voted]
