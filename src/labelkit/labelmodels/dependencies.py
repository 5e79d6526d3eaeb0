"""LFs that err together: what a fitted model leaves unexplained between two of them.

Given the class, LFs are taken to vote independently. What two of them do together beyond what
that explains is a residual; tested with a correction for the many pairs it finds copies, near
copies and LFs that read the same words. How much of all that LFs do together a model explains is
also the only thing that votes alone can say about whether to believe it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelkit.labelmodels.statistics import FloatArray, VoteStatistics

if TYPE_CHECKING:
    import polars as pl

BoolArray = npt.NDArray[np.bool_]

# Pairs are reported when the chance of any false report is below this.
LEVEL = 0.05
# A correlation below this costs less than a twentieth of a witness.
NEGLIGIBLE = 0.05
# From here on a pair shares a good part of its votes: it is discounted, and no longer evidence for
# or against the model of the others.
STRONG = 0.2
# With fewer LFs that meet, agreement cannot tell who is right.
MIN_WITNESSES = 3
# Below so many expected joint votes their number is Poisson rather than normal.
_FEW = 5.0


@dataclass(frozen=True)
class PairResiduals:
    """Joint votes of m LFs beside what independence given the class expects.

    ::

        observed     (m·k, m·k)  examples on which LF i votes a and LF j votes b
        expected     (m·k, m·k)  the same, if LFs voted independently given the class
        by_chance    (m·k, m·k)  the same, if they voted independently altogether
        correlation  (m·k, m·k)  of the two votes, given the class
        z            (m·k, m·k)  observed minus expected in standard errors
        tested       (m·k, m·k)  which cells belong to two LFs, i before j, that vote both
        n            number of examples
    """

    observed: FloatArray
    expected: FloatArray
    by_chance: FloatArray
    correlation: FloatArray
    z: FloatArray
    tested: BoolArray
    n: float

    @classmethod
    def of(cls, statistics: VoteStatistics, proba: FloatArray) -> PairResiduals:
        """Residuals under a model's probabilities (p, k) of the unique rows.

        μ_(j,v),y = P(λ_j = v | Y = y), abstentions being no vote, is estimated by expected counts
        Σ_r n_r P(Y = y | r) 1[λ_rj = v] / Σ_r n_r P(Y = y | r): at the maximum of a likelihood
        these are the model's own parameters.
        """
        m, k, n = statistics.m, statistics.cardinality, statistics.n
        mass = proba * statistics.counts[:, None]
        members = np.maximum(mass.sum(axis=0), 1e-12)
        mu = np.clip(statistics.tallies(mass).reshape(m * k, k) / members, 0.0, 1.0)
        observed = statistics.together
        cast = np.diag(observed) / n
        expected = (mu * members) @ mu.T
        spread = mu * (1 - mu)
        within = spread @ members / n
        deviation = np.sqrt((spread * members) @ spread.T)
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = (observed - expected) / (n * np.sqrt(np.outer(within, within)))
            z = (observed - expected) / deviation
        owner = np.arange(m * k) // k
        tested = (owner[:, None] < owner[None, :]) & (np.outer(cast, cast) > 0) & (deviation > 0)
        return cls(
            observed,
            expected,
            np.asarray(n * np.outer(cast, cast), dtype=np.float64),
            np.where(tested, np.clip(correlation, -1.0, 1.0), 0.0).astype(np.float64),
            np.where(tested, z, 0.0).astype(np.float64),
            tested,
            n,
        )

    def p_values(self) -> FloatArray:
        """Of each cell's residual, two-sided, (m·k, m·k); 1 where nothing is tested.

        Normal; where fewer than five joint votes are expected, the Poisson tail of as many or
        more, and fewer are never called too few.
        """
        from scipy.special import ndtr, pdtrc

        p = 2 * ndtr(-np.abs(self.z))
        few = self.expected < _FEW
        more = pdtrc(np.maximum(self.observed - 1, 0), np.maximum(self.expected, 1e-12))
        p = np.where(few, np.where(self.observed > self.expected, 2 * more, 1.0), p)
        return np.asarray(np.where(self.tested, np.minimum(p, 1.0), 1.0))

    def fit(self, left_out: BoolArray) -> PairFit:
        """How well the model explains the pairs of LFs that are not in ``left_out`` (m, m)."""
        k = len(self.observed) // len(left_out)
        use = self.tested & ~np.repeat(np.repeat(left_out, k, axis=0), k, axis=1)
        n_cells = int(use.sum())
        if not n_cells:
            return PairFit(float("nan"), 0.0, 0.0, 0)
        share = np.diag(self.observed) / self.n
        unit = np.outer(share * (1 - share), share * (1 - share))[use] * self.n
        unit = np.maximum(unit, 1e-12)
        left = float((np.square(self.observed - self.expected)[use] / unit).sum())
        there = float((np.square(self.observed - self.by_chance)[use] / unit).sum())
        explainable = max(there - n_cells, 1e-12)
        return PairFit(
            explained=1 - max(left - n_cells, 0.0) / explainable,
            signal=there / n_cells,
            excess=(left - n_cells) / float(np.sqrt(2 * n_cells)),
            n_cells=n_cells,
        )


@dataclass(frozen=True)
class PairFit:
    """How much of what pairs of LFs do together a model explains.

    Squared correlations of pairs of votes, times n, sum to about one a cell if there is nothing
    but sampling behind them.

    Parameters
    ----------
    explained : 1 - (what the model leaves) / (what is there under independence), either less
        sampling noise; NaN without a pair
    signal : what is there, in units of sampling noise; 1 is nothing
    excess : what the model leaves beyond sampling noise, in standard deviations of that noise
        (it is no exact test: fitting makes the noise smaller)
    n_cells : number of pairs of votes that were compared
    """

    explained: float
    signal: float
    excess: float
    n_cells: int


@dataclass(frozen=True)
class Dependence:
    """The strongest residual of each pair of LFs.

    ::

        correlation  (m, m)  of the two votes given the class, symmetric, 0 on the diagonal
        p_value      (m, m)  corrected for all cells that were tested (Holm 1979)
        vote         (m, m, 2)  the two votes; [i, j] holds i's and j's
    """

    correlation: FloatArray
    p_value: FloatArray
    vote: npt.NDArray[np.intp]

    @property
    def together(self) -> BoolArray:
        """Pairs (m, m) that agree beyond what the class explains."""
        return np.asarray((self.p_value <= LEVEL) & (self.correlation > 0))


def dependence(residuals: PairResiduals, m: int) -> Dependence:
    """Test all pairs of m LFs; the chance of any false finding is at most `LEVEL`."""
    k = len(residuals.observed) // m
    p = residuals.p_values()
    corrected = np.ones_like(p)
    corrected[residuals.tested] = holm(p[residuals.tested])
    cells = p.reshape(m, k, m, k).transpose(0, 2, 1, 3).reshape(m, m, k * k)
    # Of equally certain cells the one with the larger correlation: p-values underflow.
    size = np.abs(residuals.correlation).reshape(m, k, m, k).transpose(0, 2, 1, 3)
    rank = np.log(np.maximum(cells, 1e-300)) - size.reshape(m, m, k * k)
    best = rank.argmin(axis=2)
    a, b = best // k, best % k
    i, j = np.indices((m, m))
    rows, columns = i * k + a, j * k + b
    upper = i < j
    correlation = np.where(upper, residuals.correlation[rows, columns], 0.0)
    p_value = np.where(upper, corrected[rows, columns], 1.0)
    vote = np.stack([np.where(upper, a, b.T), np.where(upper, b, a.T)], axis=2)
    return Dependence(correlation + correlation.T, np.minimum(p_value, p_value.T), vote)


def clearest(found: Dependence, *, known: BoolArray) -> BoolArray:
    """Of the pairs that err together and are not ``known`` (m, m), the clearest of each LF.

    A pair counts if neither of the two has a stronger partner, and if it is at least half as
    strong as the strongest: what a strong pair distorts looks like weak dependence of others, and
    goes when the strong pair is discounted.
    """
    strength = np.where(found.together & ~known, found.correlation, 0.0)
    strongest = np.maximum(strength.max(axis=0)[None, :], strength.max(axis=1)[:, None])
    floor = max(float(strength.max(initial=0.0)) / 2, NEGLIGIBLE)
    return np.asarray((strength >= floor) & (strength >= strongest))


def holm(p: FloatArray) -> FloatArray:
    """p-values (t,) corrected so that the chance of any false rejection is bounded (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def effective_discounts(copies: BoolArray, found: FloatArray) -> FloatArray:
    """Weight of each LF (m,): 1 / (1 + Σ of its correlations with LFs that err with it).

    m witnesses whose errors correlate by ρ are worth m / (1 + (m - 1) ρ) independent ones (Kish's
    design effect): copies share one vote, and a correlation of 0.3 costs little.

    Parameters
    ----------
    copies : (m, m) pairs that say the same, correlation 1
    found : (m, m) correlations of the pairs that were found to err together, else 0
    """
    shared = np.maximum(copies & ~np.eye(len(copies), dtype=bool), np.maximum(found, 0.0))
    return np.asarray(1 / (1 + shared.sum(axis=1)))


def dependence_table(
    found: Dependence, lf_names: tuple[str, ...], discount: FloatArray, copies: BoolArray
) -> pl.DataFrame:
    """Pairs that vote together beyond what the class explains, the strongest first.

    Returns
    -------
    ``lf``, ``other``, ``vote``, ``other_vote`` (the cell where it shows most), ``correlation``
    given the class, ``p_value`` corrected for all pairs, ``copies`` (whether one vote implies the
    other almost surely), ``weight`` and ``other_weight`` (how much of an independent witness each
    counts for).
    """
    import polars as pl

    pairs = np.argwhere(np.triu(found.together | copies, 1))
    i, j = pairs[:, 0], pairs[:, 1]
    return pl.DataFrame(
        {
            "lf": [lf_names[a] for a in i],
            "other": [lf_names[b] for b in j],
            "vote": found.vote[i, j, 0],
            "other_vote": found.vote[i, j, 1],
            "correlation": found.correlation[i, j],
            "p_value": found.p_value[i, j],
            "copies": copies[i, j],
            "weight": discount[i],
            "other_weight": discount[j],
        },
        schema={
            "lf": pl.String,
            "other": pl.String,
            "vote": pl.Int64,
            "other_vote": pl.Int64,
            "correlation": pl.Float64,
            "p_value": pl.Float64,
            "copies": pl.Boolean,
            "weight": pl.Float64,
            "other_weight": pl.Float64,
        },
    ).sort("correlation", "lf", "other", descending=[True, False, False])
