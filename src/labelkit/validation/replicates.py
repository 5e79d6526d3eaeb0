"""Replicate weights: what the gold stands for, and how that might have been otherwise.

Every interval in this room comes from here: metrics are computed under ``base`` weights for the
estimate, and under many random weights, drawn from the posterior of the population given the gold,
for the interval. One set of draws serves all metrics and all label sets, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_BLOCK = 2_000_000  # numbers drawn at once: 16 MB


@dataclass(frozen=True)
class Replicates:
    """Random weights W_i = fixed_i + scale_i · G_i / Σ_{j in stratum of i} G_j, G_i ~ Gamma(shape).

    ::

        base     (n,) weights of the estimate
        fixed    (n,) part of the weight that is known
        scale    (n,) what there is to share out in the unit's stratum; 0 for units that are certain
        shape    (n,) Gamma shapes: how many observations a unit counts for
        stratum  (n,) int64, or -1 for units without a random part
        cluster  (n,) int64: units of one cluster share their G; or None
        n_draws  number of replicates
        seed     of the draws
    """

    base: FloatArray
    fixed: FloatArray
    scale: FloatArray
    shape: FloatArray
    stratum: IntArray
    cluster: IntArray | None
    n_draws: int
    seed: int

    def __len__(self) -> int:
        return len(self.base)

    def blocks(self) -> Iterator[FloatArray]:
        """The random weights, (b, n) at a time, in memory that does not grow with ``n_draws``."""
        rng = np.random.default_rng(self.seed)
        size = max(1, _BLOCK // max(len(self), 1))
        for start in range(0, self.n_draws, size):
            yield self._draw(min(size, self.n_draws - start), rng)

    def _draw(self, b: int, rng: np.random.Generator) -> FloatArray:
        if self.cluster is not None:
            # Units of one cluster share a shape, so the first one's serves.
            first = np.unique(self.cluster, return_index=True)[1]
            shared = rng.standard_gamma(self.shape[first], size=(b, len(first)))
            return np.asarray(self.fixed + self.scale * shared[:, self.cluster])
        weights = np.broadcast_to(self.fixed, (b, len(self))).copy()
        for number in np.unique(self.stratum[self.stratum >= 0]):
            inside = np.flatnonzero(self.stratum == number)
            drawn = rng.standard_gamma(self.shape[inside], size=(b, len(inside)))
            drawn /= np.maximum(drawn.sum(axis=1, keepdims=True), np.finfo(float).tiny)
            weights[:, inside] += self.scale[inside] * drawn
        return weights


def of_pool(
    weight: FloatArray,
    sampled: BoolArray,
    row: IntArray,
    prior: FloatArray,
    *,
    pool_rows: FloatArray | None,
    n_draws: int = 2000,
    seed: int = 0,
) -> Replicates:
    """Replicates for the finite pool that the gold was drawn from (finite Bayesian bootstrap).

    The pool is post-stratified by ``row``, the class that the weak labels give: the pool's count in
    each row is known, and only what share of a row truly belongs to which class is not. Labels with
    π = 1 are known parts of the pool. In each row the sampled labels and a prior worth one label
    get Dirichlet weights that share out the row's remainder [1]_ [2]_. For two classes and equal π
    this is Jeffreys' Beta(k + ½, n − k + ½) for the share of a class in a row, which keeps honest
    small-sample intervals when a row holds few, one or no audited error; where plain linearisation
    would see no variance at all.

    Parameters
    ----------
    weight : (n,) design weight of each unit; 0 for the prior's pseudo-units
    sampled : (n,) True where the label came from the probability sample (π < 1)
    row : (n,) int64: class that the weak labels give, 0 … k-1
    prior : (n,) Gamma shape of pseudo-units, summing to 1 in each row; 0 for real labels
    pool_rows : (k,) count of each weak class in the pool, or None when the pool is not at hand:
        then the rows' sizes are estimated from the gold as well
    n_draws : number of replicates
    seed : of the draws

    References
    ----------
    .. [1] Rubin (1981), The Bayesian bootstrap; Lo (1988), A Bayesian bootstrap for a finite
       population, Ann. Stat. 16.
    .. [2] Brown, Cai & DasGupta (2001), Interval estimation for a binomial proportion, §4.3.
    """
    certain = ~sampled & (prior == 0)
    base = np.where(certain, weight, 0.0)
    fixed, scale = base.copy(), np.zeros(len(weight))
    shape = np.ones(len(weight))
    stratum = np.full(len(weight), -1, dtype=np.int64)
    rows = np.unique(row) if pool_rows is not None else np.array([0])
    for number in rows:
        inside = (row == number) if pool_rows is not None else np.ones(len(row), dtype=bool)
        audited, pseudo = inside & sampled, inside & (prior > 0)
        n = int(audited.sum())
        if pool_rows is None:
            remainder = float(weight[audited].sum())
        else:
            remainder = max(float(pool_rows[number] - weight[inside & certain].sum()), float(n))
        if remainder == 0:
            continue
        unseen = remainder - n
        share = weight[audited] / weight[audited].sum() if n else np.empty(0)
        effective = 1 / (share**2).sum() if n else 0.0
        # A finite remainder adds the chance of its own composition: the same variance as that of
        # Dirichlet-multinomial draws, by counting each label for a little less.
        mass = effective + prior[pseudo].sum()
        shrunk = 1.0
        if unseen > 0:
            shrunk = max((1 / (1 / (mass + 1) + mass / (mass + 1) / unseen) - 1) / mass, 0.05)
        shape[audited] = shrunk * effective * share
        shape[pseudo] = shrunk * prior[pseudo]
        scale[audited | pseudo] = unseen
        fixed[audited] = 1.0
        stratum[audited | pseudo] = number
        base[audited] = remainder * share
        if not n:
            base[pseudo] = remainder * prior[pseudo] / prior[pseudo].sum()
    return Replicates(base, fixed, scale, shape, stratum, None, n_draws, seed)


def of_population(
    weight: FloatArray,
    cluster: IntArray,
    prior: FloatArray,
    *,
    n_draws: int = 2000,
    seed: int = 0,
) -> Replicates:
    """Replicates for the population of clusters (queries) behind the gold: Bayesian bootstrap.

    Whole clusters get Gamma weights, so that rows of one query may agree as they like [1]_. The
    shape (G − 2)/G gives means of G clusters the unbiased variance (the plain shape 1 is short by
    (G − 1)/(G + 1)). A prior worth one row for each weak class keeps rates off 0 and 1.

    Parameters
    ----------
    weight : (n,) design weight of each unit; 0 for the prior's pseudo-units
    cluster : (n,) int64 cluster of each unit; pseudo-units are clusters of their own
    prior : (n,) Gamma shape of pseudo-units; 0 for real labels
    n_draws : number of replicates
    seed : of the draws

    References
    ----------
    .. [1] Rubin (1981), The Bayesian bootstrap, Ann. Stat. 9; by clusters as in Field & Welsh
       (2007), Bootstrapping clustered data.
    """
    real = prior == 0
    n_clusters = len(np.unique(cluster[real]))
    shape = np.where(real, max((n_clusters - 2) / n_clusters, 0.25), prior)
    # One pseudo-row stands for as much as an average label.
    scale = np.where(real, weight / shape, weight[real].mean())
    zeros = np.zeros(len(weight))
    stratum = np.full(len(weight), -1, dtype=np.int64)
    number = np.unique(cluster, return_inverse=True)[1].astype(np.int64)
    return Replicates(
        np.where(real, weight, 0.0), zeros, scale, shape, stratum, number, n_draws, seed
    )
