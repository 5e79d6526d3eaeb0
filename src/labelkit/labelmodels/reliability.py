"""Are soft labels as often right as they say: by bins of confidence, and in one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelkit.errors import GoldError
from labelkit.labelmodels.statistics import FloatArray

if TYPE_CHECKING:
    import polars as pl

# A bin with fewer labels than this says nothing.
_LABELS_PER_BIN = 20
_MOST_BINS = 10


@dataclass(frozen=True)
class Reliability:
    """How often labels are right, beside how often they should be.

    Parameters
    ----------
    table : one row per bin of confidence: ``confidence`` (mean probability of the label),
        ``accuracy`` with ``low``, ``high``, ``share`` of the weight, ``n``
    error, low, high : calibration error: root mean square over bins of accuracy less confidence,
        without what chance adds to it, and its interval
    level : of both intervals
    n, effective_n : gold labels, and Kish's effective number of them
    """

    table: pl.DataFrame
    error: float
    low: float
    high: float
    level: float
    n: int
    effective_n: float


def reliability(
    proba: FloatArray,
    label: npt.NDArray[np.signedinteger],
    weight: FloatArray | None = None,
    *,
    level: float = 0.95,
) -> Reliability:
    """Reliability of the most probable class of ``proba`` (g, k) on gold ``label`` (g,).

    Parameters
    ----------
    proba : probabilities by a model that has not seen these labels
    weight : (g,) 1 / inclusion probability; 1 unless given
    level : of the intervals

    Raises
    ------
    GoldError
        There are fewer than two labels.

    Notes
    -----
    Bins of equal weight (scores that tie share one), at most 10, of 20 effective labels or more.
    With gaps ĝ_b of variance v_b and shares q_b, Σ q_b ĝ_b² is taken for a scaled non-central χ²
    with one degree of freedom a bin; its non-centrality is estimated without bias (as Kumar, Liang
    & Ma 2019 do) and its interval found by inverting the distribution. The accuracy of a bin has
    Wilson's interval on the effective number of labels.
    """
    g = len(label)
    if g < 2:
        raise GoldError(f"Reliability needs two gold labels or more; there are {g}.")
    w = np.ones(g) if weight is None else weight / weight.mean()
    best = proba.argmax(axis=1)
    # Of two equally probable classes either is the label: half a hit, whichever is true.
    tied = proba >= proba.max(axis=1, keepdims=True) - 1e-9
    hit = tied[np.arange(g), label] / tied.sum(axis=1)
    confidence = proba[np.arange(g), best]
    effective = float(w.sum() ** 2 / np.square(w).sum())
    n_bins = int(np.clip(effective // _LABELS_PER_BIN, 1, _MOST_BINS))
    bin_of = _equal_bins(confidence, w, n_bins)
    bins = _Bins.of(bin_of, confidence, hit, w)
    error, low, high = _rms_error(bins, level)
    return Reliability(bins.table(level), error, low, high, level, g, effective)


@dataclass(frozen=True)
class _Bins:
    """Per bin: weight share, effective size, count, mean confidence, accuracy, variance of it."""

    share: FloatArray
    size: FloatArray
    n: npt.NDArray[np.int64]
    confidence: FloatArray
    accuracy: FloatArray
    variance: FloatArray

    @classmethod
    def of(
        cls,
        bin_of: npt.NDArray[np.int64],
        confidence: FloatArray,
        hit: FloatArray,
        w: FloatArray,
    ) -> _Bins:
        mass = np.bincount(bin_of, weights=w)
        size = mass**2 / np.bincount(bin_of, weights=w**2)
        said = np.bincount(bin_of, weights=w * confidence) / mass
        seen = np.bincount(bin_of, weights=w * hit) / mass
        # Laplace's rule: a bin in which all are right is not free of variance.
        shrunk = (seen * size + 1) / (size + 2)
        variance = shrunk * (1 - shrunk) / size
        n = np.bincount(bin_of).astype(np.int64)
        return cls(mass / mass.sum(), size, n, said, seen, variance)

    def table(self, level: float) -> pl.DataFrame:
        import polars as pl
        from scipy.stats import norm

        z2 = norm.ppf((1 + level) / 2) ** 2
        middle = (self.accuracy + z2 / (2 * self.size)) / (1 + z2 / self.size)
        spread = self.accuracy * (1 - self.accuracy) / self.size + z2 / (4 * self.size**2)
        half = np.sqrt(z2 * spread) / (1 + z2 / self.size)
        return pl.DataFrame(
            {
                "confidence": self.confidence,
                "accuracy": self.accuracy,
                "low": middle - half,
                "high": middle + half,
                "share": self.share,
                "n": self.n,
            }
        )


def _equal_bins(score: FloatArray, w: FloatArray, n_bins: int) -> npt.NDArray[np.int64]:
    """Bin (g,) of about equal weight of each score; equal scores share one, none is empty."""
    inverse = np.unique(score, return_inverse=True)[1]
    mass = np.bincount(inverse, weights=w)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    number = np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)
    bin_of: npt.NDArray[np.int64] = np.unique(number[inverse], return_inverse=True)[1]
    return bin_of


def _rms_error(bins: _Bins, level: float) -> tuple[float, float, float]:
    from scipy.optimize import brentq
    from scipy.stats import ncx2

    observed = float(bins.share @ (bins.accuracy - bins.confidence) ** 2)
    chance = float(bins.share @ bins.variance)
    df = len(bins.share)
    unit = chance / df
    estimate = np.sqrt(max(observed - chance, 0.0))

    def bound(tail: float) -> float:
        """The non-centrality under which so much or less is seen with probability ``tail``."""
        statistic = observed / unit

        def beyond(delta: float) -> float:
            return float(ncx2.cdf(statistic, df, delta)) - tail

        if beyond(1e-9) <= 0:
            return 0.0
        top = statistic + df + 10.0
        while beyond(top) > 0:
            top *= 2
        return float(brentq(beyond, 1e-9, top))

    low, high = bound((1 + level) / 2), bound((1 - level) / 2)
    return float(estimate), float(np.sqrt(unit * low)), float(np.sqrt(unit * high))
