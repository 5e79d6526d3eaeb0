"""Trust bias from shuffled pages alone, without gold: what moves together between two places?

On pages in random order every example stands at every place, and γ has the same distribution at
each. With P(click) = α_k γ + β_k, the click rates of the same examples at two places covary by

    Cov(r_k, r_k′) = α_k α_k′ Var(γ),    k ≠ k′,

because clicks at different places are independent given γ: a factor model with one factor (Spearman
1904), whose loadings a_k = α_k sd(γ) are fitted to all off-diagonal covariances at once (MINRES,
Harman & Jones 1966). What a place earns beyond them is β_k = mean rate − t·a_k.

γ is known up to a constant only, since adding c to every γ and taking c·α_k from β_k changes
nothing: t is the largest that leaves no β negative, so that the part of β that runs in proportion
to α counts as attractiveness. Ranks and differences of debiased rates do not depend on it; their
level does, and takes gold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.identifiability import MOST_LEFT_OUT
from labelkit.bias.propensities import Diagnosis
from labelkit.bias.randomised import mixing
from labelkit.bias.task import Estimate, FitTask
from labelkit.bias.uncertainty import MOST_GROUPS, effective_df
from labelkit.errors import NotIdentifiable
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# A loading that is not this many standard errors above zero is not known to be a loading.
CLEAR = 2.0


@dataclass(frozen=True)
class RateMoments:
    """Weighted sums over the examples of a group that were shown at both of two places, (G, K, K).

    ::

        weight    Σ_e w_e
        rate      Σ_e w_e r_ek
        product   Σ_e w_e r_ek r_ek′
    """

    weight: FloatArray
    rate: FloatArray
    product: FloatArray

    @classmethod
    def of(cls, counts: PositionCounts, positions: IntArray) -> RateMoments:
        """w_e is the number of impressions of the example; groups are queries."""
        shown = counts.where(counts.impressions > 0)
        n_e = np.bincount(shown.example, shown.impressions)
        slot = np.searchsorted(positions, shown.position)
        rate = shown.clicks / shown.impressions
        weight = n_e[shown.example].astype(np.float64)
        _, query = np.unique(shown.query, return_inverse=True)
        group = query % MOST_GROUPS
        size, n_groups = len(positions), int(group.max(initial=-1)) + 1
        sums = np.zeros((3, n_groups * size * size))
        n_cells = len(shown)
        for offset in range(1, size):
            left = np.flatnonzero(shown.example[: n_cells - offset] == shown.example[offset:])
            for one, two in ((left, left + offset), (left + offset, left)):
                at = (group[one] * size + slot[one]) * size + slot[two]
                w, r = weight[one], rate[one]
                for total, values in zip(sums, (w, w * r, w * r * rate[two]), strict=True):
                    total += np.bincount(at, values, len(total))
        return cls(*sums.reshape(3, n_groups, size, size))

    def loadings(self, by_group: FloatArray) -> tuple[FloatArray, FloatArray]:
        """a_k and mean rate m_k, each (K,), with groups counted ``by_group`` times."""
        weight, rate, product = (
            np.einsum("g,gkl->kl", by_group, part)
            for part in (self.weight, self.rate, self.product)
        )
        seen = weight > 0
        safe = np.where(seen, weight, 1.0)
        covariance = np.where(seen, product / safe - (rate / safe) * (rate / safe).T, 0.0)
        mean = rate.sum(1) / np.maximum(weight.sum(1), 1e-9)
        return one_factor(covariance, np.where(seen, weight, 0.0), mean), mean


def one_factor(covariance: FloatArray, weight: FloatArray, mean: FloatArray) -> FloatArray:
    """Loadings (K,) that fit all off-diagonal covariances best, each weighed by its precision.

    The noise of a covariance of click rates grows as the product of the two rates.
    """
    scale = np.sqrt(np.maximum(mean, 1e-9))
    scaled = covariance / np.outer(scale, scale)
    precision = weight.copy()
    np.fill_diagonal(precision, 0.0)
    loading = np.sqrt(np.maximum(mean, 1e-9)) * np.sqrt(max(float(np.median(scaled)), 1e-6))
    for _ in range(1_000):
        pulled = (precision * scaled) @ loading
        moved = pulled / np.maximum(precision @ loading**2, 1e-12)
        # Half steps: alternating least squares on a symmetric product may flip back and forth.
        step = (moved - loading) / 2
        loading = loading + step
        if np.abs(step).max() <= 1e-10 * max(float(np.abs(loading).max()), 1e-12):
            break
    if loading.sum() < 0:
        loading = -loading
    result: FloatArray = loading * scale
    return result


def by_shuffled(task: FitTask, flagged: PositionCounts) -> Estimate:
    """θ_k = α_k/α_1 and β_k up to a constant of γ, from flagged pages alone.

    Raises
    ------
    NotIdentifiable
        Pages were swapped, not shuffled, or too few clicks tell how examples differ.
    """
    if not mixing(flagged).shuffled:
        raise NotIdentifiable(
            "Without gold, method='trust' needs pages that were shuffled in full; on the flagged "
            "pages of this log examples keep to their places. Pass gold= instead."
        )
    positions = task.counts.positions
    moments = RateMoments.of(flagged, positions)
    n_groups = len(moments.weight)
    loading, mean = moments.loadings(np.ones(n_groups))
    rng = np.random.default_rng(task.seed)
    even = np.full(n_groups, 1 / n_groups)
    draws = np.array(
        [
            moments.loadings(rng.multinomial(n_groups, even).astype(np.float64))[0]
            for _ in range(task.n_bootstrap)
        ]
    )
    error = draws.std(0, ddof=1)
    clear = loading > CLEAR * error
    shown = np.bincount(
        np.searchsorted(positions, task.counts.position), task.counts.impressions, len(positions)
    )
    outside = float(shown[~clear].sum() / shown.sum())
    if clear.sum() < 3 or outside > MOST_LEFT_OUT:
        raise NotIdentifiable(
            f"The {int(flagged.impressions.sum()):,} shuffled impressions do not tell trust bias: "
            f"only {int(clear.sum())} position(s) show clearly that good examples are clicked more "
            "than bad ones. Collect more shuffled traffic on frequent queries, or pass gold=."
        )
    first = int(np.argmax(clear))
    level = float((mean[clear] / loading[clear]).min())
    background = np.where(clear, np.maximum(mean - level * loading, 0.0), 0.0)
    ratio = draws / draws[:, [first]]
    theta = np.where(clear, loading / loading[first], np.nan)
    # A draw may fall below zero, where it has no logarithm: the delta method does without.
    relative = np.cov(ratio, rowvar=False) / np.outer(theta, theta)
    clicks = np.bincount(np.unique(flagged.query, return_inverse=True)[1], flagged.clicks)
    message = (
        f"From {int(flagged.clicks.sum()):,} clicks on shuffled pages. γ is known up to a "
        "constant: debiased rates are compared, not read as levels; gold= fixes the level."
    )
    return Estimate(
        theta,
        np.nan_to_num(relative),
        effective_df(clicks.astype(np.float64)),
        "bootstrap over queries",
        (Diagnosis("trust bias", "look", message),),
        background=background,
    )
