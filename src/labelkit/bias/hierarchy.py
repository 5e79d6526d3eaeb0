"""A curve per context (device, layout, query class), each as much its own as its clicks prove.

Every context has its own profile likelihood (see ``poisson``), so that an example may be as
attractive as it likes on each device. Curves hang together by a prior:

    β_g = μ + δ_g,    δ_g ~ τ · (a slope in log k + a random walk over log k, from the reference)

μ is the pooled curve and τ how much contexts differ, in log θ per e-fold: in halves as one
exponent to all of the curve, and place by place. τ is integrated out over a grid
with a half-Cauchy prior (Gelman 2006), so that two contexts do not pass for two hundred. A context
with next to no clicks keeps the pooled curve, with an interval that admits that it may differ. For
the idea see Fang, Agarwal and Joachims (2019), *Intervention harvesting for context-dependent
examination-bias estimation*, who let a network of the context do what the prior does here.

The likelihoods are replaced by their quadratic expansions, made again at the result until nothing
moves (Breslow & Clayton 1993), and are tempered by the dispersion that the clusters show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.bias.poisson import ClickedCells, score_and_information, smoothing_matrix
from labelkit.bias.score_test import wild_p_value
from labelkit.bias.uncertainty import MOST_GROUPS, shares_and_scores

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Deviation of log θ between contexts per e-fold of position: from none to a curve of another kind.
SPREADS = np.geomspace(0.005, 3.0, 28)
# Half-Cauchy scale: halves of the prior lie on either side of η differing by a half.
PRIOR_SCALE = 0.5
# Clicks vary less than the Poisson likelihood assumes, by 1 − θγ: held at 1 or above, 98.5 % of the
# 95 % intervals cover (benchmarks/bias.py coverage). Below a half it is chance, with few clusters.
LEAST_DISPERSION = 0.5


@dataclass(frozen=True)
class Hierarchy:
    """Curves of all contexts, and how much they differ.

    ::

        beta        (G, K) posterior mean of log θ
        covariance  (G·K, G·K) its posterior covariance, all contexts together
        spread      posterior mean of τ
        dispersion  variance of clustered scores over that of independent Poisson clicks
        moved       largest change in the last round
    """

    beta: FloatArray
    covariance: FloatArray
    spread: float
    dispersion: float
    moved: float


def fit_hierarchy(
    cells: tuple[ClickedCells, ...],
    start: FloatArray,
    *,
    smoothing: float,
    reference: int,
    max_rounds: int = 25,
    tolerance: float = 1e-5,
) -> Hierarchy:
    """Curves per context, shrunk towards each other.

    Parameters
    ----------
    cells : informative cells of each context, over the same positions
    start : (K,) pooled log θ
    """
    positions = cells[0].positions
    size, n_groups = len(positions), len(cells)
    free = np.arange(size) != reference
    prior = np.linalg.inv(difference_covariance(positions, reference)).astype(np.float64)
    ties = smoothing_matrix(positions, smoothing)[np.ix_(free, free)]
    beta = np.tile(start, (n_groups, 1))
    moved, spread, dispersion = np.inf, 0.0, 1.0
    for _ in range(max_rounds):
        dispersion = _dispersion(beta, cells, free)
        expansions = [_expand(b, c, free, dispersion) for b, c in zip(beta, cells, strict=True)]
        mean, covariance, spread = _integrate(expansions, prior, ties / dispersion)
        step = mean - beta[:, free]
        moved = float(np.abs(step).max(initial=0))
        # As in ``fit_poisson``: within a step of 2 the quadratic model holds.
        beta[:, free] += step * min(1.0, 2.0 / max(moved, 1e-12))
        if moved <= tolerance:
            break
    whole = np.zeros((n_groups, size, n_groups, size))
    slots = np.flatnonzero(free)
    parts = covariance.reshape(n_groups, len(slots), n_groups, len(slots))
    groups = np.arange(n_groups)
    whole[np.ix_(groups, slots, groups, slots)] = parts
    return Hierarchy(
        beta, whole.reshape(n_groups * size, n_groups * size), spread, dispersion, moved
    )


def difference_covariance(positions: IntArray, reference: int) -> FloatArray:
    """Prior covariance (K−1, K−1) of δ at τ = 1, without the reference, at which δ is 0."""
    free = np.arange(len(positions)) != reference
    # Positions may fall on either side of the reference; the walk starts there.
    walk = np.linalg.inv(smoothing_matrix(positions, 1.0)[np.ix_(free, free)])
    slope = np.log(positions[free] / positions[reference])
    covariance: FloatArray = (walk + np.outer(slope, slope)) / 2
    return covariance


def _expand(
    beta: FloatArray, cells: ClickedCells, free: npt.NDArray[np.bool_], dispersion: float
) -> tuple[FloatArray, FloatArray]:
    """Information H (F, F) and H β + score (F,) of one context: all that its clicks say."""
    if not len(cells.segment):
        size = int(free.sum())
        return np.zeros((size, size)), np.zeros(size)
    score, information = score_and_information(beta, cells)
    inner = information[np.ix_(free, free)] / dispersion
    return inner, inner @ beta[free] + score[free] / dispersion


def _dispersion(
    beta: FloatArray, cells: tuple[ClickedCells, ...], free: npt.NDArray[np.bool_]
) -> float:
    meat = bread = 0.0
    for b, part in zip(beta, cells, strict=True):
        if not len(part.segment):
            continue
        _, query = np.unique(part.query, return_inverse=True)
        n_clusters = int(query.max()) + 1
        _, scores = shares_and_scores(b, part, query, n_clusters)
        _, information = score_and_information(b, part)
        meat += float((scores[:, free] ** 2).sum())
        bread += float(np.diag(information)[free].sum())
    return max(LEAST_DISPERSION, meat / bread) if bread else 1.0


def _integrate(
    expansions: list[tuple[FloatArray, FloatArray]], prior: FloatArray, ties: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Posterior mean (G, F) and covariance (G·F, G·F) of the curves, and mean of τ."""
    results = [_given_spread(expansions, prior / tau**2, ties) for tau in SPREADS]
    log_weight = np.array([r[2] for r in results])
    # On a grid even in log τ, the half-Cauchy density of τ gains a factor τ.
    log_weight += np.log(SPREADS) - np.log1p((SPREADS / PRIOR_SCALE) ** 2)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    means = np.array([r[0] for r in results])
    mean = np.tensordot(weight, means, axes=1)
    covariance = np.tensordot(weight, np.array([r[1] for r in results]), axes=1)
    apart = (means - mean).reshape(len(SPREADS), -1)
    covariance += (apart * weight[:, None]).T @ apart
    return mean, covariance, float(weight @ SPREADS)


def _given_spread(
    expansions: list[tuple[FloatArray, FloatArray]], precision: FloatArray, ties: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """The same at one τ, with the log marginal likelihood; μ is eliminated last."""
    size = len(ties)
    # Flat but for a trace: a free position that no context has clicks at.
    curvature = ties + 1e-9 * np.eye(size)
    right: FloatArray = np.zeros(size)
    _, log_prior = np.linalg.slogdet(precision)
    evidence, inverses = 0.0, []
    for information, pull in expansions:
        inverse = np.linalg.inv(information + precision)
        inverses.append(inverse)
        curvature = curvature + information - information @ inverse @ information
        right = right + pull - information @ (inverse @ pull)
        evidence += 0.5 * (log_prior + np.linalg.slogdet(inverse)[1] + pull @ inverse @ pull)
    of_mu = np.linalg.inv(curvature)
    mu = of_mu @ right
    evidence += 0.5 * (np.linalg.slogdet(of_mu)[1] + right @ mu)
    means, loads = [], []
    for (_, pull), inverse in zip(expansions, inverses, strict=True):
        means.append(inverse @ (pull + precision @ mu))
        loads.append(inverse @ precision)
    load = np.vstack(loads)
    covariance = load @ of_mu @ load.T
    for g, inverse in enumerate(inverses):
        part = slice(g * size, (g + 1) * size)
        covariance[part, part] += inverse
    return np.array(means), covariance, float(evidence)


def difference_p_value(
    cells: tuple[ClickedCells, ...], pooled: FloatArray, *, reference: int, seed: int
) -> float:
    """p-value of "all contexts share one curve": scores at it, flipped by query.

    Parameters
    ----------
    pooled : (K,) log θ fitted to all contexts together
    """
    size = len(pooled)
    free = np.arange(size) != reference
    queries = np.unique(np.concatenate([part.query for part in cells]))
    n_clusters = min(len(queries), MOST_GROUPS)
    scores, informations = [], []
    for part in cells:
        group = np.searchsorted(queries, part.query) % n_clusters
        _, of_cluster = shares_and_scores(pooled, part, group, n_clusters)
        _, information = score_and_information(pooled, part)
        scores.append(of_cluster[:, free])
        informations.append(information[np.ix_(free, free)])
    ridge = 1e-9 * np.eye(int(free.sum()))
    common = np.linalg.solve(sum(informations) + ridge, np.sum(scores, axis=0).T)
    efficient = [s - (h @ common).T for s, h in zip(scores, informations, strict=True)]
    alike = difference_covariance(cells[0].positions, reference)
    kernel = np.asarray(np.kron(np.eye(len(cells)), alike), dtype=np.float64)
    return wild_p_value(np.hstack(efficient), kernel, seed=seed)
