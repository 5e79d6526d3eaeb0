"""What each labeling function does: coverage, overlaps, conflicts, and accuracy where gold tells.

Everything is computed from unique vote rows with counts where votes repeat, and from one streaming
pass over the vote columns where they do not: nothing depends on the order of examples.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, to_native_like, to_polars_lazy
from labelkit.errors import LFError
from labelkit.lfs.gold import align_gold
from labelkit.lfs.patterns import ABSTAIN, Int8Array, Int64Array, Patterns
from labelkit.lfs.votes import Votes

FloatArray = npt.NDArray[np.float64]

# Patterns that are there already answer faster than a pass, if they are so much fewer than rows.
_FEW = 20


@dataclass(frozen=True)
class LFCounts:
    """How many examples each LF votes on, shares, and disputes; (m,) each, of n examples.

    Two sets of examples add up (``+``).
    """

    votes: Int64Array  # per LF and label, (m, k)
    overlaps: Int64Array
    conflicts: Int64Array
    n: int

    @classmethod
    def of(cls, patterns: Patterns, cardinality: int) -> LFCounts:
        """Counts from unique vote rows."""
        rows, counts = patterns.rows, patterns.counts
        voted = rows != ABSTAIN
        shared = voted.sum(axis=1) > 1
        highest = rows.max(axis=1, initial=ABSTAIN)
        lowest = np.where(voted, rows, np.int8(127)).min(axis=1, initial=127)
        disputed = shared & (highest != lowest)
        per_label = [(counts @ (rows == label)) for label in range(cardinality)]
        return cls(
            votes=np.column_stack(per_label).astype(np.int64),
            overlaps=(counts * shared) @ voted,
            conflicts=(counts * disputed) @ voted,
            n=patterns.n,
        )

    @classmethod
    def of_votes(cls, votes: Votes) -> LFCounts:
        """Counts of all examples, the cheaper way: many dense LFs repeat so few rows that the
        group-by would cost more than the figures."""
        # Votes that live in another engine are counted there, and only unique rows leave it.
        elsewhere = isinstance(votes.frame, nw.LazyFrame) and not (
            votes.frame.implementation.is_polars()
        )
        if elsewhere:
            return cls.of(votes.patterns, votes.cardinality)
        if "patterns" in votes.__dict__ and _FEW * len(votes.patterns) <= votes.patterns.n:
            return cls.of(votes.patterns, votes.cardinality)
        return cls._streamed(votes)

    @classmethod
    def _streamed(cls, votes: Votes) -> LFCounts:
        import polars as pl

        names, k = list(votes.lf_names), votes.cardinality
        voted = [pl.col(name) != ABSTAIN for name in names]
        lowest = [
            pl.when(yes).then(pl.col(name)).otherwise(127)
            for name, yes in zip(names, voted, strict=True)
        ]
        # Numbers as names, lest an LF be called like one of ours.
        table = to_polars_lazy(votes.frame).select(names)
        flags = table.with_columns(
            (pl.sum_horizontal(voted) > 1).alias("0"),
            (pl.max_horizontal(names) != pl.min_horizontal(lowest)).alias("1"),
        )
        sums = [
            figure.sum().cast(pl.Int64).alias(f"{row}:{j}")
            for j, (name, yes) in enumerate(zip(names, voted, strict=True))
            for row, figure in enumerate(
                [
                    *(pl.col(name) == label for label in range(k)),
                    yes & pl.col("0"),
                    yes & pl.col("0") & pl.col("1"),
                ]
            )
        ]
        found = flags.select(*sums, pl.len().alias("n")).collect(engine="streaming").row(0)
        figures = np.array(found[:-1], dtype=np.int64).reshape(len(names), k + 2)
        return cls(figures[:, :k], figures[:, k], figures[:, k + 1], int(found[-1]))

    def __add__(self, other: LFCounts) -> LFCounts:
        return LFCounts(
            self.votes + other.votes,
            self.overlaps + other.overlaps,
            self.conflicts + other.conflicts,
            self.n + other.n,
        )


def analyze(votes: Votes, gold: NativeFrame | None = None) -> NativeFrame:
    """One row per LF: what it covers, shares and disputes, and how often gold agrees.

    Parameters
    ----------
    votes : votes of m LFs on n examples
    gold : frame with the key columns and ``label``, or an array (n,) in the order of the votes
        with -1 where there is no gold; accuracy is taken over examples with gold only

    Returns
    -------
    Frame of the kind that the examples came in, with the columns

    - ``lf``: name
    - ``polarity``: the labels that it voted, in order
    - ``coverage``: share of examples on which it votes
    - ``overlaps``: share of examples on which it and another LF vote
    - ``conflicts``: share of examples on which it votes and any two LFs differ
    - with gold ``correct``, ``incorrect``: counts; ``accuracy`` = correct ÷ both (null if neither);
      ``accuracy_low``, ``accuracy_high``: Wilson's 95 % interval

    Notes
    -----
    Columns and values are those of ``snorkel.labeling.LFAnalysis.lf_summary``, except that an
    accuracy of nothing is null here and 0 there. Wilson 1927, "Probable inference, the law of
    succession, and statistical inference"; it takes the gold for a simple random sample of what
    the LF votes on, so gold that was selected for its information bends it.
    """
    import polars as pl

    counts = LFCounts.of_votes(votes)
    n = max(counts.n, 1)
    table = pl.DataFrame(
        {
            "lf": list(votes.lf_names),
            "polarity": pl.Series(
                [np.flatnonzero(row).tolist() for row in counts.votes], dtype=pl.List(pl.Int64)
            ),
            "coverage": counts.votes.sum(axis=1) / n,
            "overlaps": counts.overlaps / n,
            "conflicts": counts.conflicts / n,
        }
    )
    if gold is not None:
        correct, incorrect = against_gold(votes, align_gold(votes, gold))
        judged = correct + incorrect
        low, high = wilson(correct, judged)
        table = table.with_columns(
            pl.Series("correct", correct),
            pl.Series("incorrect", incorrect),
            pl.Series("accuracy", correct / np.maximum(judged, 1)).set(
                pl.Series(judged == 0), None
            ),
            pl.Series("accuracy_low", low).fill_nan(None),
            pl.Series("accuracy_high", high).fill_nan(None),
        )
    like = votes.frame if votes.native is None else votes.native
    return to_native_like(nw.from_native(table), like)


def against_gold(votes: Votes, gold: Int64Array) -> tuple[Int64Array, Int64Array]:
    """How many votes of each LF gold confirms and contradicts, (m,) each.

    Parameters
    ----------
    gold : (n,) labels in the order of the votes, -1 where there is none
    """
    known = gold != ABSTAIN
    labels = gold[known].astype(np.int8)
    rows: Int8Array = votes.matrix[known]
    voted = rows != ABSTAIN
    correct = (voted & (rows == labels[:, None])).sum(axis=0, dtype=np.int64)
    return correct, voted.sum(axis=0, dtype=np.int64) - correct


def wilson(
    successes: Int64Array, trials: Int64Array, *, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of proportions, one each; NaN where there is no trial."""
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise LFError(f"The level of an interval lies between 0 and 1; got {level}.")
    z = float(ndtri(0.5 + level / 2))
    n = np.where(trials > 0, trials, np.nan).astype(np.float64)
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    # At 0 and at 1 the interval ends there, to the last bit.
    low = np.where(share == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(share == 1, 1.0, np.minimum(centre + half, 1.0))
    return np.where(np.isnan(n), np.nan, low), np.where(np.isnan(n), np.nan, high)
