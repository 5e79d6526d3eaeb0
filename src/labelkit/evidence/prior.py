"""Gamma–Poisson: the debiased click rate of an example, with what is not known about it.

C_e | γ_e ~ Poisson(γ_e E_e) with effective exposure E_e = Σ_k θ_k n_ek; γ_e ~ Gamma(a, b), fitted
by empirical Bayes; so γ_e | C_e ~ Gamma(a + C_e, b + E_e). With a flat prior the mean is "clicks
over expected clicks" (Zhang & Jones 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Exposures that differ by less than 4 % are one exposure to the prior, which is fitted to all
# examples together: the fit has a few thousand terms however long the log is, and rounding up
# and down cancels.
BIN_WIDTH = 0.04
# Above this many cells, counting pairs by sorting is leaner than by a table.
LARGEST_TABLE = 10_000_000
LOWEST_EXPOSURE = 1e-6


@dataclass(frozen=True)
class GammaPrior:
    """Gamma(shape a, rate b) over attractiveness γ, in clicks per examined impression."""

    shape: float
    rate: float

    @property
    def mean(self) -> float:
        return self.shape / self.rate

    def quantiles(self, clicks: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """Quantiles of γ (b + E) given C clicks, which depend on C alone: ``(low, high)``."""
        from scipy.special import gammaincinv

        tail = (1 - level) / 2
        shape = self.shape + clicks
        return gammaincinv(shape, tail), gammaincinv(shape, 1 - tail)


def fit_gamma_prior(clicks: FloatArray, exposure: FloatArray) -> GammaPrior:
    """Maximum marginal (negative-binomial) likelihood of the prior over all examples.

    Parameters
    ----------
    clicks : (n,) C_e ≥ 0
    exposure : (n,) E_e ≥ 0, in examined impressions; examples without exposure do not count

    Notes
    -----
    Robbins (1956), Morris (1983). Where click rates vary no more than chance, the likelihood
    rises without end towards a point prior; the rate is then bounded by ten times the largest
    exposure, so that the prior never outweighs every example's own data beyond reason.
    """
    from scipy.optimize import minimize
    from scipy.special import gammaln

    seen = exposure > LOWEST_EXPOSURE
    bins = np.rint(np.log(exposure[seen]) / BIN_WIDTH).astype(np.int64)
    pairs, weight = count_pairs(clicks[seen].astype(np.int64), bins)
    c, e = pairs[0].astype(np.float64), np.exp(pairs[1] * BIN_WIDTH)
    # Summed exactly: engines deliver examples in different orders.
    mean = max(float(clicks[seen].sum()) / max(fsum(exposure[seen]), LOWEST_EXPOSURE), 1e-9)

    def negative(parameters: FloatArray) -> float:
        shape, rate = np.exp(parameters[0] + parameters[1]), np.exp(parameters[1])
        terms = gammaln(shape + c) - gammaln(shape) + shape * np.log(rate / (rate + e))
        return -float(weight @ (terms - c * np.log(rate + e))) / float(weight.sum())

    largest = float(np.log(10 * e.max(initial=1.0)))
    centre = np.log(mean)
    best = minimize(
        negative,
        np.array([centre, 0.0]),
        method="L-BFGS-B",
        bounds=[(centre - 3, centre + 3), (-5.0, max(largest, 0.0))],
    )
    rate = float(np.exp(best.x[1]))
    return GammaPrior(float(np.exp(best.x[0])) * rate, rate)


def count_pairs(
    a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], FloatArray]:
    """Unique pairs (a, b) and how often each occurs; ``a`` ≥ 0."""
    if not len(a):
        return (a, b), np.zeros(0)
    low = int(b.min())
    width = int(b.max()) - low + 1
    codes = a * width + (b - low)
    if int(a.max() + 1) * width <= LARGEST_TABLE:
        table = np.bincount(codes)
        code = np.flatnonzero(table)
        count = table[code]
    else:
        code, count = np.unique(codes, return_counts=True)
    return (code // width, code % width + low), count.astype(np.float64)
