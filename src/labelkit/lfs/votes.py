"""``Votes``: what labeling functions said, as a table and as statistics in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import Frame, NativeFrame, collect, to_native_like
from labelkit.errors import LFError
from labelkit.lfs.keys import check_keys
from labelkit.lfs.moments import Moments
from labelkit.lfs.patterns import ABSTAIN, Coding, Int8Array, Int64Array, Patterns

# Votes whose sample repeats less than this are counted without a group-by.
_SAMPLE, _REPEATING = 20_000, 0.5


@dataclass(frozen=True)
class LFFailure:
    """What went wrong in one row function that was allowed to abstain on errors."""

    lf: str
    count: int
    first_key: tuple[object, ...]
    first_traceback: str


@dataclass(frozen=True)
class Votes:
    """Votes of m labeling functions on n examples, one int8 column per function.

    ::

        frame   key columns, then one int8 column per LF; ABSTAIN = -1, labels 0 … k-1

    Votes made on Spark stay there: ``frame`` is lazy, ``patterns``, ``moments`` and ``len`` are
    queries of the engine, and ``to_native`` is a Spark DataFrame. What has a row per example
    (``matrix``, ``codes``, ``key_frame``) is collected when it is first asked for, once, and that
    is when repeated keys are found.

    Parameters
    ----------
    frame : Narwhals frame holding the key and vote columns
    keys : names of the columns that identify an example; may be empty
    lf_names : names of the vote columns, in order
    cardinality : number of classes k ≥ 2
    native : a frame of the kind that the user put in, so that results come back in that kind
    errors : exceptions of row functions that abstained instead of raising, one entry per LF
    """

    frame: Frame
    keys: tuple[str, ...]
    lf_names: tuple[str, ...]
    cardinality: int
    native: NativeFrame = None
    errors: tuple[LFFailure, ...] = ()

    @classmethod
    def from_matrix(
        cls,
        L: npt.ArrayLike,
        *,
        cardinality: int | None = None,
        lf_names: Sequence[str] | None = None,
    ) -> Votes:
        """Votes from Snorkel's label matrix L (n, m): integers from -1 to k-1.

        Raises
        ------
        LFError
            L is not a two-dimensional array of whole numbers ≥ -1 and < ``cardinality``.
        """
        import polars as pl

        raw = np.asarray(L)
        if raw.ndim != 2:
            raise LFError(f"A label matrix has two dimensions (examples, LFs); got {raw.shape}.")
        if not np.issubdtype(raw.dtype, np.number) or not np.array_equal(raw, np.rint(raw)):
            raise LFError("A label matrix holds whole numbers: -1 (abstain), 0, 1, …")
        highest = int(raw.max(initial=ABSTAIN))
        if raw.min(initial=ABSTAIN) < ABSTAIN:
            raise LFError("A label matrix holds no number below -1 (abstain).")
        k = max(highest + 1, 2) if cardinality is None else cardinality
        if highest >= k:
            raise LFError(f"A vote for class {highest} is outside the {k} classes 0 … {k - 1}.")
        if k > 127:
            raise LFError(f"{k} classes do not fit the int8 votes: 127 at most.")
        votes = raw.astype(np.int8)
        names = tuple(lf_names or (f"lf_{j}" for j in range(votes.shape[1])))
        if len(names) != votes.shape[1]:
            raise LFError(f"{len(names)} names for {votes.shape[1]} LFs.")
        frame = pl.DataFrame({name: votes[:, j] for j, name in enumerate(names)})
        return cls(nw.from_native(frame), (), names, k, frame.clear())

    @cached_property
    def _eager(self) -> nw.DataFrame[Any]:
        # Collected once: a query run twice may give its rows in another order.
        if not isinstance(self.frame, nw.LazyFrame):
            return self.frame
        collected = collect(self.frame)
        check_keys(collected, self.keys)
        return collected

    @property
    def _table(self) -> Frame:
        """What is there to be queried: the collected votes if there are any, or else the lazy."""
        return self._eager if "_eager" in self.__dict__ else self.frame

    @cached_property
    def _n(self) -> int:
        table = self._table
        if isinstance(table, nw.DataFrame):
            return len(table)
        return int(table.select(nw.len()).collect().item())

    def __len__(self) -> int:
        return self.patterns.n if "patterns" in self.__dict__ else self._n

    def check_keys(self) -> None:
        """Whether each example stands once, asked in the engine where the votes are.

        `apply` asks by itself, except on Spark, where it is one more shuffle.

        Raises
        ------
        LFError
            Keys repeat.
        """
        check_keys(self._table, self.keys)

    @property
    def matrix(self) -> Int8Array:
        """Snorkel's label matrix L, (n, m) int8, in the order of ``key_frame``."""
        matrix = np.empty((len(self), len(self.lf_names)), dtype=np.int8, order="F")
        for j, column in enumerate(self._columns):
            matrix[:, j] = column
        return matrix

    @property
    def coding(self) -> Coding:
        """How a row of votes becomes one or a few integers."""
        return Coding(len(self.lf_names), self.cardinality)

    def code_exprs(self) -> list[nw.Expr]:
        """Expressions over the vote columns for the columns ``coding.names`` (int64).

        Equal rows of votes have equal codes, and ``coding.encode(rows)`` gives the same numbers in
        NumPy: what is known per pattern can be joined to examples on these columns.
        """
        return self.coding.exprs(self.lf_names)

    @cached_property
    def codes(self) -> Int64Array:
        """The codes (n, c) of all examples, in the order of ``key_frame``."""
        if not self.lf_names:
            return np.empty((len(self), 0), dtype=np.int64)
        coded = self._eager.select(self.code_exprs())
        return np.column_stack([coded[name].to_numpy() for name in self.coding.names])

    @cached_property
    def patterns(self) -> Patterns:
        """Unique vote rows with counts, in lexicographic order: one group-by of the codes."""
        if not self.lf_names:
            raise LFError("Votes of no labeling function have no patterns.")
        coding = self.coding
        if isinstance(self._table, nw.DataFrame) and coding.dense:
            counts = coding.dense_counts(self._columns)
            seen = np.flatnonzero(counts)
            return Patterns(coding.decode(seen[:, None]), counts[seen])
        names = coding.names
        codes_alone = self._table.lazy().select(self.code_exprs())
        counted = collect(codes_alone.group_by(names).agg(nw.len().alias("__count__")))
        codes = np.column_stack([counted[name].to_numpy() for name in names])
        order = np.lexsort(codes.T[::-1])
        counts = counted["__count__"].to_numpy().astype(np.int64)[order]
        return Patterns(coding.decode(codes[order]), counts)

    @property
    def pattern_index(self) -> npt.NDArray[np.intp]:
        """For each example the row of ``patterns`` that it shows, (n,)."""
        if self.coding.dense and self.lf_names:
            return self.patterns.dense_index(self._columns, self.coding)
        return self.patterns.index(self.codes, self.coding)

    @property
    def _columns(self) -> list[Int8Array]:
        """The vote columns (n,), not copied where the engine keeps them as plain arrays."""
        return [self._eager[name].to_numpy() for name in self.lf_names]

    @cached_property
    def moments(self) -> Moments:
        """Co-occurrence counts of all pairs of votes, from patterns where votes repeat."""
        if self.repeating:
            return Moments.of_patterns(self.patterns, self.cardinality)
        return Moments.of_matrix(self.matrix, self.cardinality)

    @cached_property
    def repeating(self) -> bool:
        """Whether rows repeat so much that a group-by of them pays: told from a sample of rows.

        Always so in a lazy engine, which counts where the rows are, and where so few different
        rows are possible that they are counted in an array.
        """
        if isinstance(self._table, nw.LazyFrame) or self.coding.dense:
            return True
        sample = self._eager.head(_SAMPLE).select(self.code_exprs())
        return len(sample.unique()) <= _REPEATING * len(sample)

    @property
    def key_frame(self) -> nw.DataFrame[Any]:
        """The key columns alone, collected; row i is the example of row i of ``matrix``."""
        return self._eager.select(list(self.keys))

    def to_native(self) -> NativeFrame:
        """Keys and votes as a dataframe of the kind that the user put in; lazy if they are."""
        if isinstance(self.frame, nw.LazyFrame):
            return self.frame.to_native()
        like = self.frame if self.native is None else self.native
        return to_native_like(self._eager, like)
