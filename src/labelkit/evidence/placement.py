"""A prior that knows where an example was shown: rankers put what they think good where it is seen.

Examples that were looked at little differ from those that were looked at much, because somebody
ranked them. A prior shared by all then promises too much of the first and too little of the second
(under rankers that are any good; the reverse under adverse ones). So its mean follows the share of
impressions that were looked at, ρ_e = E_e/n_e:

    γ_e ~ Gamma(a, a/m(ρ_e)),    log m(ρ) = β_0 + β_1 log ρ

The mean is a Poisson regression of clicks on log ρ. The shape comes from second moments, not from
the likelihood of Poisson clicks: clicks are trials, and a single impression at the top has the
variance m(1 − m) whatever the spread of γ, which a Poisson likelihood reads as "no spread". For
trials E[C(C − 1)] = E[γ²](E² − Σ_k θ_k² n_k) holds exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.evidence.prior import count_pairs

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# ρ in steps of a quarter of an octave, down to one look in a thousand impressions: a table, so
# that engines agree on the means to the last bit.
EDGES = 2.0 ** (np.arange(-40, 0) / 4)
MIDDLES = np.log(np.concatenate([EDGES[:1], np.sqrt(EDGES[1:] * EDGES[:-1]), [1.0]]))
# Exposures within 4 % of each other are one exposure to the fit; rounding up and down cancels.
BIN_WIDTH = 0.04
LOWEST_EXPOSURE = 1e-6
# Prior deviation of the slope. A ranker whose quality doubles with every octave of ρ has slope 1.
SLOPE_DEVIATION = 1.0
SHAPES = (0.02, 1e3)


@dataclass(frozen=True)
class PlacementPrior:
    """Gamma(a, a/m(ρ)) over attractiveness γ, ρ the share of impressions that were looked at.

    Parameters
    ----------
    shape : a
    log_mean : β_0, log of the mean at ρ = 1
    slope : β_1; 0 where placement says nothing
    """

    shape: float
    log_mean: float
    slope: float

    def means(self, placement: IntArray) -> FloatArray:
        """m(ρ), (n,), from bins of ρ, in clicks per examined impression; at most 1."""
        means: FloatArray = self.table[placement]
        return means

    @property
    def table(self) -> FloatArray:
        """m(ρ) per bin of ρ."""
        table: FloatArray = np.minimum(np.exp(self.log_mean + self.slope * MIDDLES), 1.0)
        return table


def placement_of(exposure: FloatArray, impressions: FloatArray) -> IntArray:
    """Bin of ρ = E/n, (n,)."""
    share = exposure / np.maximum(impressions, 1e-300)
    bins: IntArray = np.searchsorted(EDGES, share, side="right").astype(np.int64)
    return bins


def fit_placement_prior(
    clicks: IntArray,
    exposure: FloatArray,
    placement: IntArray,
    background: FloatArray | None = None,
) -> PlacementPrior:
    """Regression for the mean, second moments for the shape.

    Parameters
    ----------
    clicks : (n,) C_e ≥ 0, whole
    exposure : (n,) E_e, in examined impressions; examples without exposure do not count
    placement : (n,) bin of ρ_e
    background : (n,) B_e, clicks that owe nothing to the example; they are taken off as they are,
        below zero too, since cutting at zero would raise the mean

    Notes
    -----
    Weights 1/(1 + E m) in the regression and their squares in the moments keep examples with much
    traffic from deciding for all. Σ_k θ_k² n_k is taken as ρE, which it is for an example seen at
    one position, and matters only where there are few impressions. The shape is that of the Beta
    with the same second moment, γ being a probability: Gamma(a, a + b) then has the mean of
    Beta(a, b), the same mass near 0, and somewhat more above.
    """
    seen = exposure > LOWEST_EXPOSURE
    if background is None:
        bins = np.rint(np.log(exposure[seen]) / BIN_WIDTH).astype(np.int64)
        size = len(MIDDLES)
        (count, code), weight = count_pairs(clicks[seen], bins * size + placement[seen])
        e, where = np.exp((code // size) * BIN_WIDTH), code % size
        base = np.zeros(len(e))
    else:
        # One order, whatever that of the rows, so that sums are the same to the last bit.
        order = np.lexsort((background[seen], exposure[seen], placement[seen], clicks[seen]))
        count, e, where, base = (
            values[seen][order] for values in (clicks, exposure, placement, background)
        )
        weight = np.ones(len(e))
    total: FloatArray = count.astype(np.float64)
    c = total - base
    if not weight @ c > 0:
        return PlacementPrior(1.0, float(np.log(0.5 / max(float(weight @ e), 1.0))), 0.0)
    x = MIDDLES[where]
    beta = _regress(c, e, x, weight)
    m = np.minimum(np.exp(beta[0] + beta[1] * x), 1.0)
    # A prior must not outweigh every example's own data beyond reason.
    largest = min(SHAPES[1], max(10 * float(e.max()) * float(weight @ m / weight.sum()), 1.0))
    shape = _shape(c * c - total, e, m, np.exp(x), weight, largest)
    return PlacementPrior(shape, float(beta[0]), float(beta[1]))


def _regress(c: FloatArray, e: FloatArray, x: FloatArray, weight: FloatArray) -> FloatArray:
    """Coefficients (2,) of log E[C/E] on x, by Fisher scoring with weights 1/(1 + E m)."""
    design = np.stack([np.ones_like(x), x], axis=1)
    beta = np.array([np.log(float(weight @ c) / float(weight @ e)), 0.0])
    ridge = np.array([0.0, 1 / SLOPE_DEVIATION**2])
    for _ in range(50):
        expected = e * np.exp(design @ beta)
        w = weight / (1 + expected)
        gradient = design.T @ (w * (c - expected)) - ridge * beta
        curvature = (design * (w * expected)[:, None]).T @ design + np.diag(ridge + 1e-12)
        step = np.clip(np.linalg.solve(curvature, gradient), -1.0, 1.0)
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return beta


def _shape(
    pairs: FloatArray,
    e: FloatArray,
    m: FloatArray,
    rho: FloatArray,
    weight: FloatArray,
    largest: float,
) -> float:
    """a at which Σ w C(C − 1) is what Beta(a, a/m − a) expects of it.

    Parameters
    ----------
    pairs : (n,) (C − B)² − C, which is C(C − 1) without a background
    """
    from scipy.optimize import brentq

    w = weight / (1 + e * m) ** 2
    seen = float(w @ pairs)
    chances = w * np.maximum(e * e - rho * e, 0.0) * m * m

    def excess(log_a: float) -> float:
        return float(chances @ (1 + (1 - m) / (np.exp(log_a) + m))) - seen

    low, high = float(np.log(SHAPES[0])), float(np.log(largest))
    if excess(low) <= 0:
        return SHAPES[0]
    if excess(high) >= 0:
        return largest
    return float(np.exp(brentq(excess, low, high, xtol=1e-10)))
