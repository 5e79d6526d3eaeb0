"""Randomised traffic: where the order was drawn by lot, click rates are propensities.

Joachims, Swaminathan and Schnabel (2017), *Unbiased learning-to-rank with biased feedback*; the
gold standard where a log has it. With items in random order relevance is the same at every
position in expectation, so θ_k/θ_1 is the ratio of click rates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.errors import NotIdentifiable
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def rates_by_cluster(
    counts: PositionCounts, positions: IntArray
) -> tuple[FloatArray, FloatArray, int]:
    """Clicks and impressions per query and position, each (G, K), and the number of queries G."""
    shown = counts.where(counts.impressions > 0)
    _, cluster = np.unique(shown.query, return_inverse=True)
    n_clusters = int(cluster.max(initial=-1)) + 1
    size = len(positions)
    slot = cluster * size + np.searchsorted(positions, shown.position)

    def by_cluster(values: IntArray) -> FloatArray:
        sums = np.bincount(slot, values, n_clusters * size).astype(np.float64)
        return sums.reshape(n_clusters, size)

    return by_cluster(shown.clicks), by_cluster(shown.impressions), n_clusters


def log_ratio(clicks: FloatArray, impressions: FloatArray, *, reference: int = 0) -> FloatArray:
    """log θ (K,) from clicks and impressions per position, both (K,).

    Half a click on either side keeps a position without clicks finite.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        beta = np.log((clicks + 0.5) / (impressions + 1))
    beta = np.where(impressions > 0, beta, np.nan)
    return np.asarray(beta - beta[reference])


def require_clicks(clicks: FloatArray, impressions: FloatArray, positions: IntArray) -> None:
    """Refuse randomised traffic that is too thin to compare positions."""
    if clicks[0] == 0 or np.count_nonzero(clicks) < 2:
        raise NotIdentifiable(
            f"The randomised impressions ({int(impressions.sum()):,}) have {int(clicks.sum()):,} "
            f"clicks, {int(clicks[0]):,} of them at position {positions[0]}: too few to compare "
            "positions. Collect more randomised traffic, or use method='poisson'."
        )
