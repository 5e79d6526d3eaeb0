"""Randomised traffic: where the order was drawn by lot, click rates are propensities.

Joachims, Swaminathan and Schnabel (2017), *Unbiased learning-to-rank with biased feedback*; the
gold standard where a log has it. With items in random order relevance is the same at every
position in expectation, so θ_k/θ_1 is the ratio of click rates.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Mixing:
    """How evenly flagged impressions of each example lie over the positions.

    Parameters
    ----------
    dispersion : Pearson's X² over its degrees of freedom; 1 for a full shuffle
    z : its distance from 1 in standard deviations
    shuffled : whether a full shuffle explains it
    """

    dispersion: float
    z: float
    shuffled: bool


# A shuffle that favours some places a little still has rates that can be compared; a swap of two
# places leaves most examples where they were, and disperses in the hundreds of per cent.
MOST_DISPERSED = 1.5
CLEAR = 5.0


def mixing(counts: PositionCounts) -> Mixing:
    """Was all of the page drawn by lot, or were only two places swapped?

    Under a full shuffle every example has the same chances of each position, so that
    Σ_ek (n_ek − n_e p_k)²/(n_e p_k) is about χ² with (E − 1)(K − 1) degrees of freedom, however
    few impressions each example has (its mean is right from two impressions on).
    """
    shown = counts.where(counts.impressions > 0)
    _, slot = np.unique(shown.position, return_inverse=True)
    total = np.bincount(shown.example, shown.impressions).astype(np.float64)
    keep = total[shown.example] >= 2
    n = shown.impressions[keep].astype(np.float64)
    of_example = total[shown.example[keep]]
    by_position = np.bincount(slot[keep], n, int(slot.max(initial=0)) + 1)
    n_examples, n_positions = np.count_nonzero(total >= 2), np.count_nonzero(by_position)
    df = (n_examples - 1) * (n_positions - 1)
    if df < 1:
        return Mixing(1.0, 0.0, True)
    share = by_position / by_position.sum()
    # Σ (n − np)²/(np) = Σ n²/(np) − Σ n, which needs no cell that is empty.
    statistic = float((n**2 / (of_example * share[slot[keep]])).sum() - n.sum())
    dispersion, z = statistic / df, (statistic - df) / np.sqrt(2 * df)
    return Mixing(dispersion, float(z), not (dispersion > MOST_DISPERSED and z > CLEAR))
