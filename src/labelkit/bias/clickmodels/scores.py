"""How well a model foretells held-out clicks, with intervals clustered by query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.uncertainty import effective_df

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClusteredMean:
    """Means per group of rows, and what is not known about them, each (groups,).

    ::

        mean   NaN for a group without rows
        error  standard error; NaN for a group with one cluster
        df     degrees of freedom
        n      rows
    """

    mean: FloatArray
    error: FloatArray
    df: FloatArray
    n: FloatArray

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Student interval at ``level``."""
        from scipy.special import stdtrit

        reach = stdtrit(self.df, 0.5 + level / 2) * self.error
        return self.mean - reach, self.mean + reach


def clustered_mean(
    values: FloatArray, cluster: IntArray, group: IntArray, n_groups: int
) -> ClusteredMean:
    """Mean of ``values`` within each group, its error clustered.

    Parameters
    ----------
    values : (n,)
    cluster : (n,) 0 … G-1
    group : (n,) 0 … n_groups-1

    Notes
    -----
    Linearised variance of a ratio, G/(G − 1) Σ_g (S_g − n_g mean)² / n² over clusters g with rows
    (Cochran 1977, section 11.3), with Student's quantile on (Σ n_g)²/Σ n_g² − 1 degrees of freedom
    (see ``effective_df``): a few queries may hold most of the traffic.
    """
    n_clusters = int(cluster.max(initial=-1)) + 1
    slot = group * n_clusters + cluster
    shape = (n_groups, n_clusters)
    sizes = np.bincount(slot, minlength=n_groups * n_clusters).reshape(shape).astype(np.float64)
    sums = np.bincount(slot, values, n_groups * n_clusters).reshape(shape)
    n, present = sizes.sum(1), (sizes > 0).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums.sum(1) / n
        residual = np.where(sizes > 0, sums - sizes * mean[:, None], 0.0)
        correction = present / (present - 1)
        error = np.where(present > 1, np.sqrt(correction * (residual**2).sum(1)) / n, np.nan)
    df = np.array([effective_df(row) for row in sizes])
    return ClusteredMean(mean, error, df, n)


def log_likelihood(probability: FloatArray, clicked: npt.NDArray[np.bool_]) -> FloatArray:
    """Natural logarithm of the probability of what happened, (n,)."""
    return np.where(clicked, np.log(probability), np.log1p(-probability))


def perplexity(mean_log_likelihood: FloatArray | float) -> FloatArray:
    """2^(−mean log₂ p) from the mean natural logarithm; 1 is clairvoyant, 2 a coin."""
    return np.exp(-np.asarray(mean_log_likelihood, dtype=np.float64))
