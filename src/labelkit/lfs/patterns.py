"""Vote rows as whole numbers, and the unique rows with their counts.

A row of m votes over k classes is a number of m digits in base k + 1 (abstain is the digit 0), so
an engine groups by one integer column instead of m, and the order of the numbers is the
lexicographic order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.errors import LFError

ABSTAIN = -1

Int8Array = npt.NDArray[np.int8]
Int64Array = npt.NDArray[np.int64]

# One bit for the sign, one to spare.
_BITS = 62
# Up to this many possible rows, finding a row is one array look-up (64 MiB of int32 at most).
_TABLE_SIZE = 1 << 24
# Examples coded at a time: small enough that a chunk's codes stay in the processor's cache.
_CHUNK = 1 << 17


@dataclass(frozen=True)
class Coding:
    """How m votes over k classes become c integer columns, c as small as 62 bits a column allow.

    ::

        rows   (n, m) int8   votes, ABSTAIN = -1
        codes  (n, c) int64  Σ_j (vote_j + 1)·(k + 1)^(last - j) within each block of LFs

    Parameters
    ----------
    m : number of labeling functions ≥ 0
    cardinality : number of classes k ≥ 1
    """

    m: int
    cardinality: int

    @property
    def base(self) -> int:
        """Values that one vote can take: abstain or one of k classes."""
        return self.cardinality + 1

    @cached_property
    def blocks(self) -> tuple[range, ...]:
        """The LFs that share each code column, in order."""
        size = 1
        while self.base ** (size + 1) <= 1 << _BITS:
            size += 1
        return tuple(range(i, min(i + size, self.m)) for i in range(0, self.m, size))

    @property
    def names(self) -> list[str]:
        """Names of the code columns that `exprs` makes."""
        return [f"__code_{b}__" for b in range(len(self.blocks))]

    @property
    def dense(self) -> bool:
        """Whether all rows that could be are few enough for an array with one cell each."""
        return len(self.blocks) == 1 and self.size <= _TABLE_SIZE

    @property
    def size(self) -> int:
        """How many different rows there could be, (k + 1)^m."""
        return int(self.base**self.m)

    def _weights(self, block: range) -> list[int]:
        return [self.base ** (len(block) - 1 - i) for i in range(len(block))]

    def exprs(self, lf_names: Sequence[str]) -> list[nw.Expr]:
        """The code columns as engine expressions over the vote columns ``lf_names`` (m names)."""
        codes = []
        for name, block in zip(self.names, self.blocks, strict=True):
            weights = self._weights(block)
            # Half the bytes, twice the speed; what is grouped and joined by is int64 always.
            narrow = nw.Int32 if self.base ** len(block) < 1 << 31 else nw.Int64
            code = nw.lit(sum(weights), dtype=narrow)
            for j, weight in zip(block, weights, strict=True):
                vote = nw.col(lf_names[j]).cast(narrow)
                code = code + (vote if weight == 1 else vote * weight)
            codes.append(code.cast(nw.Int64).alias(name))
        return codes

    def dense_codes(self, columns: Sequence[Int8Array]) -> npt.NDArray[np.int32]:
        """The one code (n,) of each example, from its m vote columns (n,); `dense` codings only."""
        codes = np.empty(len(columns[0]), dtype=np.int32)
        for start in range(0, len(codes), _CHUNK):
            codes[start : start + _CHUNK] = self._dense_chunk(columns, start)
        return codes

    def dense_counts(self, columns: Sequence[Int8Array]) -> Int64Array:
        """How often each code stands, (size,), from m vote columns (n,); `dense` codings only."""
        counts = np.zeros(self.size, dtype=np.int64)
        chunk = max(_CHUNK, self.size)
        for start in range(0, len(columns[0]), chunk):
            codes = self._dense_chunk(columns, start, chunk)
            counts += np.bincount(codes, minlength=self.size)
        return counts

    def _dense_chunk(
        self, columns: Sequence[Int8Array], start: int, chunk: int = _CHUNK
    ) -> npt.NDArray[np.int32]:
        code = np.zeros(len(columns[0][start : start + chunk]), dtype=np.int32)
        for column in columns:
            code *= self.base
            code += column[start : start + chunk]
        # The digit of an abstention is 0: each digit is its vote plus one.
        code += (self.size - 1) // (self.base - 1)
        return code

    def encode(self, rows: npt.ArrayLike) -> Int64Array:
        """The codes (n, c) of vote rows (n, m)."""
        votes = np.asarray(rows)
        codes = np.zeros((len(votes), len(self.blocks)), dtype=np.int64)
        for b, block in enumerate(self.blocks):
            for j in block:
                codes[:, b] = codes[:, b] * self.base + (votes[:, j] + 1)
        return codes

    def decode(self, codes: npt.ArrayLike) -> Int8Array:
        """The vote rows (n, m) behind codes (n, c)."""
        values = np.asarray(codes, dtype=np.int64)
        rows = np.empty((len(values), self.m), dtype=np.int8)
        for b, block in enumerate(self.blocks):
            rest = values[:, b]
            for j in reversed(block):
                rest, digit = np.divmod(rest, self.base)
                rows[:, j] = digit - 1
        return rows


@dataclass(frozen=True)
class Patterns:
    """The unique vote rows and how often each occurs, in lexicographic order.

    ::

        rows    (p, m) int8, ABSTAIN = -1
        counts  (p,)   int64 ≥ 1

    The patterns of two sets of examples add up (``+``) to those of both sets together.
    """

    rows: Int8Array
    counts: Int64Array

    @classmethod
    def of(cls, L: npt.ArrayLike, counts: npt.ArrayLike | None = None) -> Patterns:
        """Patterns of a label matrix (n, m); ``counts`` (n,) says how often each row stands."""
        votes = np.asarray(L, dtype=np.int8)
        weight = np.ones(len(votes), np.int64) if counts is None else np.asarray(counts, np.int64)
        coding = Coding(votes.shape[1], max(int(votes.max(initial=ABSTAIN)) + 1, 1))
        unique, inverse = unique_rows(coding.encode(votes))
        total = np.zeros(len(unique), dtype=np.int64)
        np.add.at(total, inverse, weight)
        return cls(coding.decode(unique), total)

    @property
    def n(self) -> int:
        """Number of examples behind the patterns."""
        return int(self.counts.sum())

    def __len__(self) -> int:
        """Number of unique rows p."""
        return len(self.counts)

    def __add__(self, other: Patterns) -> Patterns:
        if self.rows.shape[1] != other.rows.shape[1]:
            raise LFError(
                f"Patterns of {self.rows.shape[1]} and of {other.rows.shape[1]} labeling functions "
                "do not add up: both must come from the same functions, in the same order."
            )
        return Patterns.of(
            np.concatenate([self.rows, other.rows]), np.concatenate([self.counts, other.counts])
        )

    def index(self, codes: npt.ArrayLike, coding: Coding) -> npt.NDArray[np.intp]:
        """Which pattern each code row (n, c) is: ``rows[index]`` gives the votes back.

        Raises
        ------
        LFError
            A code is none of these patterns'.
        """
        wanted = np.asarray(codes)
        mine = coding.encode(self.rows)
        if coding.dense:
            found = self._dense_table(coding)[wanted[:, 0]].astype(np.intp)
        else:
            unique, inverse = unique_rows(np.concatenate([mine, wanted]))
            owner = np.full(len(unique), -1, dtype=np.intp)
            owner[inverse[: len(mine)]] = np.arange(len(mine))
            found = owner[inverse[len(mine) :]]
        return self._known(found)

    def dense_index(self, columns: Sequence[Int8Array], coding: Coding) -> npt.NDArray[np.intp]:
        """The same from the m vote columns (n,), in chunks; `Coding.dense` codings only."""
        table = self._dense_table(coding)
        found = np.empty(len(columns[0]), dtype=np.intp)
        for start in range(0, len(found), _CHUNK):
            found[start : start + _CHUNK] = table[coding._dense_chunk(columns, start)]
        return self._known(found)

    def _dense_table(self, coding: Coding) -> npt.NDArray[np.int32]:
        table = np.full(coding.size, -1, dtype=np.int32)
        table[coding.encode(self.rows)[:, 0]] = np.arange(len(self), dtype=np.int32)
        return table

    def _known(self, found: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        if found.min(initial=0) < 0:
            raise LFError(
                f"{int((found < 0).sum()):,} of {len(found):,} rows are unknown patterns."
            )
        return found


def unique_rows(codes: Int64Array) -> tuple[Int64Array, npt.NDArray[np.intp]]:
    """Unique rows of codes (n, c) in order, and for each row the place of its like."""
    if codes.shape[1] == 1:
        unique, inverse = np.unique(codes[:, 0], return_inverse=True)
        return unique[:, None], inverse.astype(np.intp)
    if codes.shape[1] == 0:
        return codes[:1], np.zeros(len(codes), dtype=np.intp)
    order = np.lexsort(codes.T[::-1])
    ordered = codes[order]
    first = np.ones(len(codes), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    inverse = np.empty(len(codes), dtype=np.intp)
    inverse[order] = np.cumsum(first) - 1
    return ordered[first], inverse
