"""What a label model asks of the votes: the unique rows, how often they stand, and gold on them.

A plain label matrix and `Votes` meet here and are the same from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_polars_lazy
from labelkit.errors import GoldError, LabelkitError, LabelModelError
from labelkit.lfs import ABSTAIN, Moments, Votes, align_gold

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FloatArray: TypeAlias = npt.NDArray[np.float64]
Int8Array: TypeAlias = npt.NDArray[np.int8]
IntArray: TypeAlias = npt.NDArray[np.intp]
VotesLike: TypeAlias = "Votes | npt.ArrayLike"


@dataclass(frozen=True)
class GoldSample:
    """Gold labels of g examples, in vote patterns instead of keys.

    ::

        pattern  (g,) row of the statistics' ``rows`` that the example shows
        label    (g,) true class 0 … k-1
        weight   (g,) 1 / inclusion probability, ≥ 1
    """

    pattern: IntArray
    label: IntArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.label)

    @property
    def effective_n(self) -> float:
        """Kish's effective sample size (Σw)² / Σw²."""
        return float(self.weight.sum() ** 2 / np.square(self.weight).sum()) if len(self) else 0.0

    def take(self, index: IntArray) -> GoldSample:
        """The gold labels at ``index``."""
        return GoldSample(self.pattern[index], self.label[index], self.weight[index])

    def balance(self, cardinality: int, *, pseudo_count: float = 1.0) -> FloatArray:
        """Class balance (k,): Hájek's weighted shares, shrunk to uniform by Laplace's rule.

        The pseudo-count per class meets the effective number of labels, not the sum of weights:
        twenty labels with weight 50 are still twenty labels.
        """
        total = np.bincount(self.label, weights=self.weight, minlength=cardinality)
        n = self.effective_n
        share = total / total.sum()
        balance: FloatArray = (n * share + pseudo_count) / (n + cardinality * pseudo_count)
        return balance


@dataclass(frozen=True)
class VoteStatistics:
    """Sufficient statistics of votes for every model in which examples are exchangeable.

    ::

        rows    (p, m) int8     unique vote rows, ABSTAIN = -1
        counts  (p,)   float64  how often each stands (any non-negative weights)
    """

    rows: Int8Array
    counts: FloatArray
    cardinality: int
    lf_names: tuple[str, ...]

    @property
    def m(self) -> int:
        """Number of labeling functions."""
        return len(self.lf_names)

    @property
    def n(self) -> float:
        """Number of examples."""
        return float(self.counts.sum())

    @cached_property
    def onehot(self) -> csr_array:
        """Votes as indicators λ (p, m·k), sparse: column j·k + v says that LF j votes v."""
        from scipy.sparse import csr_array

        voted = self.rows != ABSTAIN
        columns = (np.arange(self.m) * self.cardinality + self.rows)[voted]
        ends = np.cumsum(voted.sum(axis=1))
        start = np.concatenate([np.zeros(1, dtype=ends.dtype), ends])
        shape = (len(self.rows), self.m * self.cardinality)
        return csr_array((np.ones(len(columns)), columns, start), shape=shape)

    @cached_property
    def transposed(self) -> csr_array:
        """``onehot`` the other way round (m·k, p), kept because every M-step asks for it."""
        return self.onehot.T.tocsr()

    @cached_property
    def covered(self) -> npt.NDArray[np.bool_]:
        """Which rows hold any vote, (p,)."""
        return np.asarray((self.rows != ABSTAIN).any(axis=1))

    @cached_property
    def one_sided(self) -> npt.NDArray[np.bool_]:
        """Which LFs vote for a single class only, (m,)."""
        return np.asarray((self.votes_cast > 0).sum(axis=1) == 1)

    @cached_property
    def votes_cast(self) -> FloatArray:
        """Number of votes of each LF for each class, (m, k)."""
        return np.asarray(self.transposed @ self.counts).reshape(self.m, self.cardinality)

    @cached_property
    def together(self) -> FloatArray:
        """On how many examples each pair of votes occurs, (m·k, m·k)."""
        again = np.flatnonzero(self.counts != 1)
        if len(again) > len(self.rows) // 2:
            return np.asarray(((self.transposed * self.counts) @ self.onehot).toarray())
        # Where hardly a row repeats, counting bits is cheaper than a product of sparse matrices.
        once = Moments.of_matrix(self.rows, self.cardinality).counts.astype(np.float64)
        rest = self.onehot[again]
        return np.asarray(once + ((rest.T * (self.counts[again] - 1)) @ rest).toarray())

    def moments(self) -> Moments:
        """Counts of all pairs of votes."""
        counts = np.rint(self.together).astype(np.int64)
        return Moments(counts, round(self.n), self.cardinality)

    def log_scores(self, weights: FloatArray) -> FloatArray:
        """Σ over the votes cast of ``weights`` (m, k, …): one row per pattern, (p, …)."""
        flat = weights.reshape(self.m * self.cardinality, -1)
        return np.asarray(self.onehot @ flat)

    def tallies(self, mass: FloatArray) -> FloatArray:
        """How much of ``mass`` (p, …) falls on each vote, (m, k, …): the adjoint of log_scores."""
        summed = np.asarray(self.transposed @ mass)
        return summed.reshape(self.m, self.cardinality, *mass.shape[1:])

    def drawn(self, counts: FloatArray) -> VoteStatistics:
        """The rows whose ``counts`` (p,) are positive, with these counts."""
        kept = np.flatnonzero(counts)
        other = VoteStatistics(self.rows[kept], counts[kept], self.cardinality, self.lf_names)
        # Cutting the indicators is cheaper than making them again.
        other.__dict__["onehot"] = self.onehot[kept]
        return other

    @classmethod
    def of(cls, votes: Votes) -> VoteStatistics:
        """Statistics of votes: one group-by in their engine, when something asks for rows."""
        lazily: VoteStatistics = object.__new__(_StatisticsOfVotes)
        lazily.__dict__ |= {
            "votes": votes,
            "cardinality": votes.cardinality,
            "lf_names": votes.lf_names,
        }
        return lazily


class _StatisticsOfVotes(VoteStatistics):
    """The same, worked out only as far as a model asks.

    A model of moments needs no unique rows; where no row repeats, they are dearer than all the
    rest of its fit.
    """

    votes: Votes

    # A changed copy (`dataclasses.replace`) is no longer that of the votes, but plain.
    def __new__(  # type: ignore[misc]
        cls, rows: Int8Array, counts: FloatArray, cardinality: int, lf_names: tuple[str, ...]
    ) -> VoteStatistics:
        return VoteStatistics(rows, counts, cardinality, lf_names)

    @cached_property
    def rows(self) -> Int8Array:
        return self.votes.patterns.rows

    @cached_property
    def counts(self) -> FloatArray:
        return self.votes.patterns.counts.astype(np.float64)

    @property
    def n(self) -> float:
        # Where a group-by pays it also counts, and a lazy table is then read once and not twice.
        return float(self.votes.patterns.n if self.votes.repeating else len(self.votes))

    def moments(self) -> Moments:
        return self.votes.moments


def as_votes(votes_or_L: VotesLike, cardinality: int) -> Votes:
    """`Votes` as they are, and a label matrix (n, m) as `Votes` without keys.

    Raises
    ------
    LabelModelError
        The votes know more classes than the model, or there is no example or no LF.
    """
    if isinstance(votes_or_L, Votes):
        votes = votes_or_L
        if votes.cardinality != cardinality:
            raise LabelModelError(
                f"These votes are over {votes.cardinality} classes and the model over "
                f"{cardinality}. Make the model with cardinality={votes.cardinality}."
            )
    else:
        try:
            votes = Votes.from_matrix(np.asarray(votes_or_L), cardinality=cardinality)
        except LabelkitError as error:
            raise LabelModelError(str(error)) from None
    if not votes.lf_names:
        raise LabelModelError("There is no labeling function in these votes.")
    return votes


def gold_sample(votes: Votes, gold: NativeFrame) -> GoldSample:
    """Gold beside votes, as patterns; weights are 1 / ``inclusion_probability`` where given.

    Parameters
    ----------
    gold : frame with the key columns, ``label`` and perhaps ``inclusion_probability``; or an
        array (n,) in the order of the votes, -1 where there is no gold (all weights are 1)

    Raises
    ------
    GoldError
        As `labelkit.lfs.align_gold`; or an inclusion probability is outside (0, 1].
    """
    labels = align_gold(votes, gold)
    known = np.flatnonzero(labels != ABSTAIN)
    array = isinstance(gold, np.ndarray | list | tuple)
    weight = np.ones(len(known)) if array else _inverse_probabilities(votes, gold, known)
    return GoldSample(
        pattern=np.asarray(votes.pattern_index[known], dtype=np.intp),
        label=labels[known].astype(np.intp),
        weight=weight,
    )


def _inverse_probabilities(
    votes: Votes, gold: NativeFrame, known: npt.NDArray[np.signedinteger]
) -> FloatArray:
    import narwhals as nw
    import polars as pl

    frame = nw.from_native(gold)
    if "inclusion_probability" not in frame.collect_schema():
        return np.ones(len(known))
    keys = list(votes.keys)
    examples = to_polars_lazy(votes.key_frame).collect()[known]
    table = to_polars_lazy(frame.select([*keys, "label", "inclusion_probability"])).collect()
    table = table.drop_nulls("label").drop("label")
    table = table.cast({key: examples.schema[key] for key in keys})
    joined = examples.join(table, on=keys, how="left", maintain_order="left")
    probability = joined["inclusion_probability"].cast(pl.Float64).fill_null(float("nan"))
    values = probability.to_numpy()
    bad = ~((values > 0) & (values <= 1))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        where = ", ".join(f"{key} {examples[key][first]!r}" for key in keys)
        raise GoldError(
            f"{int(bad.sum()):,} of {len(values):,} gold labels have no inclusion_probability "
            f"in (0, 1] (first: {where}, {values[first]}). It is the probability with which the "
            "example was chosen for labeling: 1 if it was certain."
        )
    weights: FloatArray = 1 / values
    return weights


def checked_balance(balance: Sequence[float] | FloatArray, cardinality: int) -> FloatArray:
    """A class balance (k,) that sums to one.

    Raises
    ------
    LabelModelError
        It has another length, an entry that is not positive, or does not sum to 1 within 1 %.
    """
    p = np.asarray(balance, dtype=np.float64)
    if p.shape != (cardinality,):
        raise LabelModelError(
            f"class_balance has shape {p.shape}; it needs one share for each of the "
            f"{cardinality} classes."
        )
    if not (p > 0).all() or abs(float(p.sum()) - 1) > 0.01:
        raise LabelModelError(
            f"class_balance {p.tolist()} must be positive shares that sum to 1: a class with "
            "share 0 could never be predicted."
        )
    return np.asarray(p / p.sum())
