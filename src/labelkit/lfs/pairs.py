"""How LFs agree with each other, pair by pair, beyond chance; and which of them say nothing new."""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like
from labelkit.lfs.analysis import LFCounts, wilson
from labelkit.lfs.moments import Moments
from labelkit.lfs.patterns import Int64Array
from labelkit.lfs.votes import Votes

FloatArray = npt.NDArray[np.float64]

# As surely as this must one vote imply another for the two to be one witness; the label model
# lets such functions share their weight.
NEAR_COPY = 0.9
_Z_95 = 1.959963984540054


@dataclass(frozen=True)
class PairCounts:
    """What pairs of m LFs voted on the examples on which both voted; two sets add up (``+``).

    ::

        tables  (m, m, k, k) int64; cell (i, j, a, b) counts the examples on which i votes a, j b
        n       number of examples
    """

    tables: Int64Array
    n: int

    @classmethod
    def of(cls, moments: Moments) -> PairCounts:
        """Counts from the co-occurrences of votes."""
        k = moments.cardinality
        m = len(moments.counts) // k
        return cls(moments.counts.reshape(m, k, m, k).transpose(0, 2, 1, 3), moments.n)

    def __add__(self, other: PairCounts) -> PairCounts:
        return PairCounts(self.tables + other.tables, self.n + other.n)

    @property
    def together(self) -> Int64Array:
        """Examples on which both vote, (m, m); how often an LF votes is on the diagonal."""
        return np.asarray(self.tables.sum(axis=(2, 3)))

    @property
    def alike(self) -> Int64Array:
        """Examples on which both vote the same, (m, m)."""
        return np.asarray(np.trace(self.tables, axis1=2, axis2=3))


def kappa(tables: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cohen's kappa of tables (…, k, k) of counts, with a 95 % interval; each of shape (…).

    1 is agreement throughout, 0 what chance would give to two voters with these habits. NaN where
    nothing was voted on by both, or where both have but one habit, the same: then they cannot
    disagree, and their agreement says nothing.

    Notes
    -----
    Cohen 1960; the variance is that of Fleiss, Cohen & Everitt 1969, "Large sample standard errors
    of kappa and weighted kappa", which takes examples for independent.
    """
    counts = np.asarray(tables, dtype=np.float64)
    n = counts.sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = counts / n[..., None, None]
        rows, columns = p.sum(axis=-1), p.sum(axis=-2)
        agreed = np.trace(p, axis1=-2, axis2=-1)
        by_chance = (rows * columns).sum(axis=-1)
        rest = 1 - by_chance
        rest = np.where(rest < 1e-12, np.nan, rest)
        value = (agreed - by_chance) / rest
        diagonal = np.diagonal(p, axis1=-2, axis2=-1)
        both = rows + columns
        on = (diagonal * (rest[..., None] - both * (1 - agreed)[..., None]) ** 2).sum(axis=-1)
        # Rows of one voter meet columns of the other: cell (a, b) carries columns_a + rows_b.
        crossed = (columns[..., :, None] + rows[..., None, :]) ** 2
        k = counts.shape[-1]
        off = (p * crossed * (1 - np.eye(k))).sum(axis=(-2, -1)) * (1 - agreed) ** 2
        centre = (agreed * by_chance - 2 * by_chance + agreed) ** 2
        variance = (on + off - centre) / (n * rest**4)
        half = _Z_95 * np.sqrt(np.maximum(variance, 0))
    return value, np.maximum(value - half, -1), np.minimum(value + half, 1)


def agreement(votes: Votes) -> NativeFrame:
    """One row per pair of LFs: how often they meet, how often they vote alike, and beyond chance.

    Returns
    -------
    Frame of the kind that the examples came in, with the columns

    - ``lf``, ``other``: names; each pair stands once, in the order of the votes
    - ``together``: examples on which both vote
    - ``agreement``, ``agreement_low``, ``agreement_high``: share of these on which they vote
      alike, with Wilson's 95 % interval; null if they never meet
    - ``kappa``, ``kappa_low``, ``kappa_high``: Cohen's kappa on these; null where both vote for
      one and the same class only

    Notes
    -----
    The intervals take examples for independent. Examples of one query resemble each other, so
    they are too narrow where queries are long.
    """
    import polars as pl

    pairs = PairCounts.of(votes.moments)
    first, second = np.triu_indices(len(votes.lf_names), k=1)
    together, alike = pairs.together[first, second], pairs.alike[first, second]
    low, high = wilson(alike, together)
    value, below, above = kappa(pairs.tables[first, second])
    names = np.array(votes.lf_names, dtype=object)
    table = pl.DataFrame(
        {
            "lf": pl.Series(names[first].tolist(), dtype=pl.String),
            "other": pl.Series(names[second].tolist(), dtype=pl.String),
            "together": together,
            "agreement": np.where(together > 0, alike / np.maximum(together, 1), np.nan),
            "agreement_low": low,
            "agreement_high": high,
            "kappa": value,
            "kappa_low": below,
            "kappa_high": above,
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    like = votes.frame if votes.native is None else votes.native
    return to_native_like(nw.from_native(table), like)


def certainty(together: npt.NDArray[np.number], n: float, cardinality: int) -> FloatArray:
    """How surely a vote of LF j makes LF i vote the same, beyond chance: (m, m), at most 1.

    (P(i = v | j = v) - P(i = v)) / (1 - P(i = v)), the highest over classes v, with one imagined
    counterexample, so that a handful of votes proves nothing. Row i, column j.

    Parameters
    ----------
    together : (m·k, m·k) co-occurrence counts of one-hot votes, as in `Moments`

    Notes
    -----
    The certainty factor of association rules (Shortliffe & Buchanan 1975). Honest witnesses with
    accuracy a agree too: on balanced classes two independent LFs that always vote reach the
    factor (2a - 1)², so that a threshold of 0.9 takes them for copies only above a = 0.97, where
    being discounted changes no label.
    """
    k, m = cardinality, len(together) // cardinality
    highest = np.full((m, m), -np.inf)
    for v in range(k):
        pairs = together[v::k, v::k]
        cast = np.diag(pairs)
        usual = np.minimum(cast / n, 1 - 1e-9)[:, None]
        given = pairs / (cast + 1)
        highest = np.maximum(highest, (given - usual) / (1 - usual))
    return highest


def redundancy(votes: Votes) -> NativeFrame:
    """One row per LF: does it say anything that no other LF says?

    Returns
    -------
    Frame of the kind that the examples came in, with the columns

    - ``lf``: name
    - ``coverage``: share of examples on which it votes
    - ``alone``: share of its votes where no other LF votes; null if it never votes
    - ``repeats``: the LF that most surely votes the same wherever this one votes
    - ``certainty``: how surely, beyond chance (see `certainty`); 1 is always
    - ``near_copy``: whether that is so sure that the two are one witness. The label model lets
      near copies share the weight of one; a person may want to keep only one of them.
    """
    import polars as pl

    counts = LFCounts.of_votes(votes)
    cast = counts.votes.sum(axis=1)
    moments = votes.moments
    n = max(moments.n, 1)
    sure = certainty(moments.counts, n, votes.cardinality)
    np.fill_diagonal(sure, -np.inf)
    m = len(cast)
    nearest = sure.argmax(axis=0)
    how = sure[nearest, np.arange(m)]
    told = (cast > 0) & (how > 0)
    table = pl.DataFrame(
        {
            "lf": list(votes.lf_names),
            "coverage": cast / n,
            "alone": pl.Series(
                [
                    float(c - o) / c if c else None
                    for c, o in zip(cast, counts.overlaps, strict=True)
                ],
                dtype=pl.Float64,
            ),
            "repeats": pl.Series(
                [votes.lf_names[i] if yes else None for i, yes in zip(nearest, told, strict=True)],
                dtype=pl.String,
            ),
            "certainty": pl.Series(
                [float(h) if yes else None for h, yes in zip(how, told, strict=True)],
                dtype=pl.Float64,
            ),
            "near_copy": told & (how >= NEAR_COPY),
        }
    )
    like = votes.frame if votes.native is None else votes.native
    return to_native_like(nw.from_native(table), like)
