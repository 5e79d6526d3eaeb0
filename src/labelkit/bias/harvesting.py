"""Curves from natural variation: the same example clicked at one position or at another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias import adaptive, allpairs, bernoulli, diagnose, power
from labelkit.bias.buckets import BucketCounts, bucket_scores
from labelkit.bias.poisson import ClickedCells, score_and_information, smoothing_matrix
from labelkit.bias.propensities import Diagnosis
from labelkit.bias.task import Estimate, FitTask
from labelkit.bias.uncertainty import (
    GroupSums,
    bootstrap_covariance,
    free_positions,
    jackknife_covariance,
    one_step_bootstrap,
    sandwich,
    shares_and_scores,
)
from labelkit.errors import LabelkitError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# Above this many informative cells the sandwich is as good as a bootstrap, and quicker.
MOST_CELLS_TO_BOOTSTRAP = 200_000
# A chain adds up the pull of the prior at every link, and no interval knows of it: with one
# deviation per e-fold 84 % of 95 % intervals cover, with two 95 % (benchmarks/bias.py coverage).
CHAIN_SMOOTHING = 2.0


def by_poisson(task: FitTask) -> Estimate:
    """Poisson position-based model: see ``poisson``."""
    fit, basis = task.poisson, free_positions(len(task.cells.positions), task.reference)
    penalty = smoothing_matrix(task.cells.positions, task.smoothing)
    covariance, df, interval = score_intervals(task, fit.beta, basis, penalty, fit.curvature)
    return _estimate(task, fit.beta, covariance, df, interval, diagnose.convergence(fit))


def by_bernoulli(task: FitTask) -> Estimate:
    """Bernoulli position-based model: see ``bernoulli``."""
    if task.cluster != "query":
        raise LabelkitError(
            "method='bernoulli' has intervals clustered by query only; use method='poisson' for "
            f"cluster={task.cluster!r}."
        )
    fit = bernoulli.fit_bernoulli(
        task.counts,
        task.cells,
        task.poisson,
        smoothing=task.smoothing,
        reference=task.reference,
        seed=task.seed,
    )
    beta, basis = fit.poisson.beta, free_positions(len(task.cells.positions), task.reference)
    penalty = smoothing_matrix(task.cells.positions, task.smoothing)
    _, query = np.unique(fit.cells.query, return_inverse=True)
    covariance, interval = _by_query(
        task, beta, fit.cells, query, basis, penalty, fit.poisson.curvature
    )
    finding = diagnose.convergence(fit.poisson)
    return _estimate(task, beta, covariance, task.clusters[1], interval, finding)


def by_adaptive(task: FitTask) -> Estimate:
    """A curve near a power law, as near as its clicks allow: see ``adaptive``."""
    cells, start = task.cells, task.poisson.beta
    query, df = task.clusters
    if task.cluster == "query":
        _, scores = shares_and_scores(start, cells, query, int(query.max()) + 1)
        interval = "posterior, clicks clustered by query"
    else:
        scores = bucket_scores(task.require_log(), task.cluster, start, cells)
        used = int(np.count_nonzero(np.any(scores != 0, axis=1)))
        df, interval = max(used - 1.0, 1.0), f"posterior, clicks clustered by {task.cluster}"
    _, information = score_and_information(start, cells)
    fit = adaptive.fit_adaptive(
        cells,
        start,
        reference=task.reference,
        dispersion=adaptive.dispersion_of(scores, information),
    )
    return _estimate(task, fit.beta, fit.covariance, df, interval, _adapted(fit))


def _adapted(fit: adaptive.AdaptiveFit) -> Diagnosis:
    message = (
        f"log θ strays from a power law by about {fit.spread:.2g} per e-fold of position; the last "
        f"round moved it by {fit.moved:.1g}."
    )
    return Diagnosis("convergence", "fine" if fit.converged else "look", message)


def by_power(task: FitTask) -> Estimate:
    """One parameter for the whole curve: see ``power``."""
    law = power.fit_power_law(task.cells)
    beta = power.log_curve(law.eta, task.cells)
    size = len(beta)
    basis = power.log_curve(1.0, task.cells)[:, None]
    _, information = score_and_information(beta, task.cells)
    free = np.zeros((size, size))
    covariance, df, interval = score_intervals(task, beta, basis, free, information)
    return _estimate(task, beta, covariance, df, interval, diagnose.power_law(law))


def by_allpairs(task: FitTask) -> Estimate:
    """Harvesting over all pairs of positions: see ``allpairs``."""
    return _pairs(task, neighbours=False)


def by_adjacent(task: FitTask) -> Estimate:
    """Harvesting over neighbouring positions only: see ``allpairs.neighbours_only``."""
    return _pairs(task, neighbours=True)


def _pairs(task: FitTask, *, neighbours: bool) -> Estimate:
    reference, positions = task.reference, task.counts.positions
    smoothing = task.smoothing * (CHAIN_SMOOTHING if neighbours else 1.0)

    def harvest(cells: ClickedCells, group: IntArray, n_groups: int) -> FloatArray:
        sums = allpairs.harvest(cells, group, n_groups)
        return allpairs.neighbours_only(sums) if neighbours else sums

    def reconcile(sums: FloatArray) -> FloatArray:
        return allpairs.reconcile(sums, positions, smoothing=smoothing, reference=reference)

    query, df = task.clusters
    n_groups = min(int(query.max()) + 1, 1000)
    by_group = harvest(task.cells, query % n_groups, n_groups)
    beta = reconcile(by_group.sum(0))
    if task.cluster == "query":

        def estimate(weight: FloatArray) -> FloatArray:
            total: FloatArray = np.tensordot(weight, by_group, axes=1).astype(np.float64)
            return reconcile(total)

        covariance = bootstrap_covariance(
            estimate, n_clusters=n_groups, n_bootstrap=task.n_bootstrap, seed=task.seed
        )
        return _estimate(task, beta, covariance, df, "bootstrap over queries")
    buckets = BucketCounts.of(task.require_log(), task.cluster)
    left_out = []
    for bucket in np.unique(buckets.bucket):
        cells = ClickedCells.of(buckets.without(int(bucket)), positions)
        left_out.append(
            reconcile(harvest(cells, np.zeros(len(cells.starts), dtype=np.int64), 1)[0])
        )
    covariance = jackknife_covariance(np.array(left_out))
    return _estimate(
        task, beta, covariance, len(left_out) - 1, f"jackknife over {task.cluster} buckets"
    )


def score_intervals(
    task: FitTask,
    beta: FloatArray,
    basis: FloatArray,
    penalty: FloatArray,
    curvature: FloatArray,
) -> tuple[FloatArray, float, str]:
    """Covariance of log θ (K, K), degrees of freedom, and how, for a curve of the likelihood."""
    if task.cluster == "query":
        query, df = task.clusters
        covariance, interval = _by_query(task, beta, task.cells, query, basis, penalty, curvature)
        return covariance, df, interval
    scores = bucket_scores(task.require_log(), task.cluster, beta, task.cells)
    used = scores[np.any(scores != 0, axis=1)]
    covariance = sandwich(used, curvature, basis)
    return covariance, max(len(used) - 1.0, 1.0), f"sandwich over {task.cluster} buckets"


def _by_query(
    task: FitTask,
    beta: FloatArray,
    cells: ClickedCells,
    query: IntArray,
    basis: FloatArray,
    penalty: FloatArray,
    curvature: FloatArray,
) -> tuple[FloatArray, str]:
    if len(cells.segment) <= MOST_CELLS_TO_BOOTSTRAP:
        covariance = one_step_bootstrap(
            GroupSums.of(beta, cells, query),
            basis,
            gradient=-penalty @ beta,
            penalty=penalty,
            n_bootstrap=task.n_bootstrap,
            seed=task.seed,
        )
        return covariance, "bootstrap over queries"
    _, scores = shares_and_scores(beta, cells, query, int(query.max()) + 1)
    return sandwich(scores, curvature, basis), "sandwich over queries"


def _estimate(
    task: FitTask,
    beta: FloatArray,
    covariance: FloatArray,
    df: float,
    interval: str,
    *findings: Diagnosis,
) -> Estimate:
    theta = np.where(task.graph.identified, np.exp(beta), np.nan)
    links = diagnose.links(task.graph, task.cells)
    return Estimate(theta, covariance, df, interval, (*links, *findings))
