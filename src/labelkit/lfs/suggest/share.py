"""How often something is right: a weighted, clustered proportion with an interval for few rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_DRAWS = 2_000


@dataclass(frozen=True)
class Share:
    """A proportion with its interval; ``estimate`` is NaN, and the interval 0 … 1, of no row.

    Parameters
    ----------
    estimate, low, high : in [0, 1]
    level : of the interval
    n : rows that it rests on
    effective_n : independent rows of equal weight that would tell as much
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int
    effective_n: float

    def __str__(self) -> str:
        return (
            f"{self.estimate:.1%} ({self.low:.1%} … {self.high:.1%}, {self.level:.3g} level, "
            f"n = {self.n:,})"
        )


def share_right(
    right: FloatArray,
    weight: FloatArray,
    cluster: IntArray,
    *,
    level: float,
    critical: float | None = None,
) -> Share:
    """Σ w·right ÷ Σ w, for rows drawn with weights, that resemble each other within clusters.

    Parameters
    ----------
    right : (n,) in [0, 1]: 1 where right, or the probability of being so
    weight : (n,) > 0, such as 1/π
    cluster : (n,) number of the query or session that a row belongs to
    critical : normal quantile to use in place of that of ``level``, where several intervals shall
        hold at once; see `simultaneous`

    Notes
    -----
    Wilson's interval with an effective sample size for its n and Student's quantile for its z, as
    Dean & Pagano (2015, "Evaluating confidence interval methods for binomial proportions in
    clustered surveys", JSSAM 3:484) recommend for surveys: n_eff = p(1 - p) ÷ the linearised
    variance over clusters, at most (Σw)²/Σw². Where all rows or none are right that variance is 0
    and tells nothing; each cluster then counts once.
    """
    from scipy.stats import norm, t

    n = len(right)
    if n == 0:
        return Share(float("nan"), 0.0, 1.0, level, 0, 0.0)
    total = weight.sum()
    p = float(min(max((weight * right).sum() / total, 0.0), 1.0))
    kish = float(total**2 / (weight**2).sum())
    of = np.unique(cluster, return_inverse=True)[1]
    n_clusters = int(of.max()) + 1
    if n_clusters < 2:
        return Share(p, 0.0, 1.0, level, n, 1.0)
    residual = np.bincount(of, weight * (right - p))
    variance = float((residual**2).sum() / total**2 * n_clusters / (n_clusters - 1))
    if 0 < p < 1 and variance > 0:
        effective = min(p * (1 - p) / variance, kish)
    else:
        sums = np.bincount(of, weight)
        effective = min(float(total**2 / (sums**2).sum()), kish)
    tail = (1 - level) / 2 if critical is None else float(norm.sf(critical))
    z = float(t.isf(tail, n_clusters - 1))
    low, high = wilson_bounds(np.array([p]), np.array([effective]), z)
    return Share(p, float(low[0]), float(high[0]), level, n, effective)


def simultaneous(
    right: FloatArray,
    voted: npt.NDArray[np.bool_],
    weight: FloatArray,
    cluster: IntArray,
    *,
    level: float,
    seed: int,
) -> float:
    """The normal quantile at which the intervals of m proportions hold all at once.

    Whichever of them is then chosen, for its estimate or for its bound, its interval holds.

    Parameters
    ----------
    right, voted : (n, m) whether row i counts for proportion j, and is right there
    weight, cluster : (n,)

    Notes
    -----
    The quantile of the largest studentised deviation, by Gaussian multipliers on clusters
    (Chernozhukov, Chetverikov & Kato 2013, "Gaussian approximations and multiplier bootstrap for
    maxima of sums of high-dimensional random vectors", Ann. Stat. 41:2786). It knows that
    neighbouring thresholds share most of their votes, which Bonferroni's does not; it never
    exceeds Bonferroni's, nor falls below that of a single interval.
    """
    from scipy.stats import norm

    one, all_of_them = (float(norm.isf((1 - level) / 2 / m)) for m in (1, max(right.shape[1], 1)))
    w = weight[:, None] * voted
    total = w.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = w * (right - (w * right).sum(axis=0) / total)
    of = np.unique(cluster, return_inverse=True)[1]
    score = np.zeros((int(of.max(initial=-1)) + 1, right.shape[1]))
    np.add.at(score, of, np.nan_to_num(residual))
    spread = np.sqrt((score**2).sum(axis=0))
    moving = spread > 0  # where all rows are right, or none, nothing is known of the spread
    if not moving.any():
        return all_of_them
    noise = np.random.default_rng(seed).standard_normal((_DRAWS, len(score)))
    largest = np.abs(noise @ (score[:, moving] / spread[moving])).max(axis=1)
    return float(np.clip(np.quantile(largest, level), one, all_of_them))


def wilson_bounds(p: FloatArray, n: FloatArray, z: float) -> tuple[FloatArray, FloatArray]:
    """Wilson's score interval of proportions ``p`` of ``n`` rows, n > 0 and not always whole."""
    n = np.maximum(n, 1e-9)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # At 0 and 1 the interval ends there exactly; rounded, it would stop a bit short.
    low = np.where(p <= 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(p >= 1, 1.0, np.clip(centre + half, 0, 1))
    return low, high
