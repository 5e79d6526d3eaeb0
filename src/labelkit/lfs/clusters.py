"""Differences between two measurements that share examples, with intervals clustered by query.

Examples of one query resemble each other, and two runs, or two label models, mostly speak about
the same examples. Both are dealt with at once: a cluster's influence on the difference is counted
once, whatever it consists of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.signedinteger]


@dataclass(frozen=True)
class Difference:
    """``after`` minus ``before``, (t,) each, with 95 % intervals and p-values of no difference.

    NaN where one side has nothing to measure; no interval and no p-value with fewer than two
    clusters.
    """

    before: FloatArray
    after: FloatArray
    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    p_value: FloatArray


def ratio_difference(
    before: tuple[FloatArray, FloatArray], after: tuple[FloatArray, FloatArray]
) -> Difference:
    """The difference of two ratios Σ numerator / Σ denominator, over the same clusters.

    Parameters
    ----------
    before, after : numerators and denominators (G, t) ≥ 0, one row per cluster and one column per
        figure; a cluster that one side has not seen has zeros there

    Notes
    -----
    Linearised variance with clusters as the units [1]_: cluster g moves the difference by
    r_g = (a_g - A·b_g) / Σb for each side, and the variance is G/(G-1) Σ_g r_g², so that clusters
    that both sides share cancel as far as they agree. Student's t with G - 1 degrees of freedom,
    G the clusters that have anything to say.

    References
    ----------
    .. [1] Cochran 1977, *Sampling Techniques*, chapter 6 (ratio estimators) and 9 (clusters).
    """
    from scipy.stats import t

    with np.errstate(invalid="ignore", divide="ignore"):
        shares, moves = [], []
        for numerator, denominator in (before, after):
            total = denominator.sum(axis=0)
            share = numerator.sum(axis=0) / total
            shares.append(share)
            moves.append((numerator - share * denominator) / total)
        influence = moves[1] - moves[0]
        groups = ((before[1] > 0) | (after[1] > 0)).sum(axis=0)
        estimate = shares[1] - shares[0]
        # A single cluster has nothing to vary over.
        factor = np.where(groups > 1, groups / (groups - 1), np.nan)
        error = np.sqrt(factor * (influence**2).sum(axis=0))
        half = t.ppf(0.975, np.maximum(groups - 1, 1)) * error
        p_value = 2 * t.sf(np.abs(estimate) / error, np.maximum(groups - 1, 1))
    # Nothing moved anywhere: no evidence of a difference, rather than no answer.
    still = (error == 0) & (estimate == 0)
    return Difference(
        before=shares[0],
        after=shares[1],
        estimate=estimate,
        low=np.maximum(estimate - half, -1.0),
        high=np.minimum(estimate + half, 1.0),
        p_value=np.where(still, 1.0, p_value),
    )


def paired_shares(
    change: FloatArray, weight: FloatArray, cluster: IntArray
) -> tuple[float, float, float]:
    """Mean change of a yes-or-no figure over gold examples, and its 95 % interval.

    Parameters
    ----------
    change : (g,) after minus before, -1, 0 or 1
    weight : (g,) > 0, such as 1 / inclusion probability
    cluster : (g,) which examples belong together, such as the number of their query

    Notes
    -----
    Most changes are 0, and Wald's interval is then too short, down to nothing where all are. So
    two imagined examples take part, half of one for the better and half for the worse, as in
    Agresti & Min 2005, "Simple improved confidence intervals for comparing matched proportions";
    here with weights and clusters. They move the interval and not the estimate.
    """
    from scipy.stats import t

    if not len(change):
        return np.nan, np.nan, np.nan
    total = float(weight.sum())
    estimate = float(weight @ change) / total
    one = float((weight**2).sum()) / total  # what an example weighs, as Kish counts them
    centre = total * estimate / (total + 2 * one)
    sums = np.bincount(cluster, weights=weight * (change - centre))
    groups = len(np.unique(cluster))
    imagined = one**2 * (0.5 * (1 - centre) ** 2 + 0.5 * (1 + centre) ** 2 + centre**2)
    # A correction for few clusters, as for any variance.
    factor = groups / (groups - 1) if groups > 1 else 1.0
    error = np.sqrt(factor * float((sums**2).sum()) + imagined) / (total + 2 * one)
    half = float(t.ppf(0.975, max(groups - 1, 1))) * error
    low, high = min(centre - half, estimate), max(centre + half, estimate)
    return estimate, max(low, -1.0), min(high, 1.0)


def paired_means(
    change: FloatArray, weight: FloatArray, cluster: IntArray
) -> tuple[float, float, float]:
    """Weighted mean of a change (g,), and its 95 % interval clustered by ``cluster`` (g,)."""
    from scipy.stats import t

    groups = len(np.unique(cluster))
    if groups < 2:
        return (float(weight @ change / weight.sum()) if len(change) else np.nan), np.nan, np.nan
    total = float(weight.sum())
    estimate = float(weight @ change) / total
    sums = np.bincount(cluster, weights=weight * (change - estimate))
    error = np.sqrt(groups / (groups - 1) * float((sums**2).sum())) / total
    half = float(t.ppf(0.975, groups - 1)) * error
    return estimate, estimate - half, estimate + half
