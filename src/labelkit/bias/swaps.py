"""Swap experiments: two results trade places by the toss of a coin, the rest of the page stays.

Given the pair of places, each of its two results stood at either with probability 1/2, so that
clicks at the two compare like with like (Joachims, Swaminathan & Schnabel 2017, section 5, for
position 1 with k; Radlinski & Joachims 2006, FairPairs, for neighbours). Raw click rates per
position do not: the upper place of a pair holds what the ranker thinks best. Where the log says
which places were paired, pairs are compared; where it only flags the page, each example is compared
with itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import allpairs
from labelkit.bias.buckets import with_buckets
from labelkit.bias.harvesting import CHAIN_SMOOTHING, by_poisson
from labelkit.bias.identifiability import HELP, next_to_each_other
from labelkit.bias.propensities import Diagnosis
from labelkit.bias.task import Estimate, FitTask
from labelkit.bias.uncertainty import MOST_GROUPS, bootstrap_covariance, effective_df
from labelkit.engine import collect
from labelkit.errors import LabelkitError, NotIdentifiable
from labelkit.logs import InteractionLog, PositionCounts

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairSums:
    """Clicks and impressions at k on pages that paired k with k′, each (G, K, K), per cluster."""

    clicks: FloatArray
    shown: FloatArray

    @classmethod
    def of(cls, log: InteractionLog, cluster: str, positions: IntArray) -> PairSums:
        frame = log.frame if cluster == "query" else with_buckets(log, cluster)
        by = "query" if cluster == "query" else "bucket"
        rows = frame.filter(nw.col("swapped_with") > 0).select(
            nw.col(by).alias("cluster"),
            "position",
            nw.col("swapped_with").cast(nw.Int64).alias("other"),
            nw.col("clicked").cast(nw.Int64).alias("clicks"),
        )
        sums = rows.group_by("cluster", "position", "other").agg(
            nw.len().alias("shown"), nw.col("clicks").sum()
        )
        # DuckDB adds whole numbers up in 128 bits.
        table = collect(sums).with_columns(nw.col("shown", "clicks").cast(nw.Int64))
        table = table.sort("cluster", "position", "other")
        place, other = (table[c].to_numpy().astype(np.int64) for c in ("position", "other"))
        known = np.isin(other, positions)
        if not known.all():
            at = int(np.argmin(known))
            raise LabelkitError(
                f"Column {log.source_columns['swapped_with']!r} (swapped_with) names position "
                f"{other[at]}, which the log does not show ({int((~known).sum())} such pair(s) of "
                "query and position). Positions count as in the column 'position'."
            )
        new = (nw.col("cluster") != nw.col("cluster").shift(1)).fill_null(True)
        number = np.cumsum(table.select(new.alias("new"))["new"].to_numpy().astype(bool)) - 1
        group = number % MOST_GROUPS
        n_groups, size = int(group.max(initial=-1)) + 1, len(positions)
        slot = (group * size + np.searchsorted(positions, place)) * size
        slot += np.searchsorted(positions, other)
        clicks, shown = (
            np.bincount(slot, table[c].to_numpy(), n_groups * size**2)
            .astype(np.float64)
            .reshape(n_groups, size, size)
            for c in ("clicks", "shown")
        )
        return cls(clicks, shown)


def by_pairs(task: FitTask) -> Estimate:
    """Curve from pairs of places, reconciled as harvested pairs are (see ``allpairs``)."""
    from scipy.sparse.csgraph import connected_components

    positions = task.counts.positions
    sums = PairSums.of(task.require_log(), task.cluster, positions)
    clicks, shown = sums.clicks.sum(0), sums.shown.sum(0)
    joined = (shown > 0) & (shown.T > 0) & (clicks + clicks.T > 0)
    _, component = connected_components(joined, directed=False)
    largest = int(np.argmax(np.bincount(component)))
    identified = component == largest
    n_clicks = int(clicks[np.ix_(identified, identified)].sum())
    if identified.sum() < 2:
        raise NotIdentifiable(
            f"The swap experiments of this log ({int(shown.sum()):,} impressions) join no two "
            f"positions by a click: nothing can be compared. {HELP}"
        )
    reference = int(np.argmax(identified))
    chained = not np.any(joined & ~next_to_each_other(len(positions)))
    smoothing = task.smoothing * (CHAIN_SMOOTHING if chained else 1.0)

    def estimate(weight: FloatArray) -> FloatArray:
        n = np.einsum("g,gkl->kl", weight, sums.shown)
        c = np.einsum("g,gkl->kl", weight, sums.clicks)
        total = n + n.T
        # Rows that a log lost at one place of a pair only: clicks count per impression.
        fair = np.divide(2 * c * n.T, total, out=np.zeros_like(c), where=total > 0)
        return allpairs.reconcile(fair, positions, smoothing=smoothing, reference=reference)

    n_groups = len(sums.clicks)
    beta = estimate(np.ones(n_groups))
    covariance = bootstrap_covariance(
        estimate, n_clusters=n_groups, n_bootstrap=task.n_bootstrap, seed=task.seed
    )
    clusters = "queries" if task.cluster == "query" else f"{task.cluster} buckets"
    message = (
        f"Pairs of swapped places are compared: {n_clicks:,} clicks on "
        f"{int(np.triu(joined).sum())} pairs of positions."
    )
    findings = [Diagnosis("randomisation", "fine", message)]
    if not identified.all():
        lost = ", ".join(map(str, positions[~identified]))
        message = f"No swap with a click joins position(s) {lost} to the rest: no propensity there."
        findings.append(Diagnosis("identifiability", "stop", message))
    return Estimate(
        np.where(identified, np.exp(beta), np.nan),
        covariance,
        effective_df(sums.clicks.sum((1, 2))),
        f"bootstrap over {clusters}",
        tuple(findings),
    )


def within_examples(task: FitTask, flagged: PositionCounts, finding: Diagnosis) -> Estimate:
    """Curve from flagged pages that do not say what was paired: each example with itself."""
    if task.cluster != "query":
        raise LabelkitError(
            f"Without a column swapped_with, swaps have intervals clustered by query only; "
            f"cluster={task.cluster!r} needs that column, or design='shuffle'."
        )
    shown = flagged.where(flagged.impressions > 0)
    part = FitTask(
        shown,
        task.log,
        task.method,
        smoothing=task.smoothing,
        n_bootstrap=task.n_bootstrap,
        seed=task.seed,
    )
    estimate = by_poisson(part)
    slot = np.searchsorted(task.counts.positions, shown.positions)
    size = len(task.counts.positions)
    theta, covariance = np.full(size, np.nan), np.zeros((size, size))
    theta[slot] = estimate.theta
    covariance[np.ix_(slot, slot)] = estimate.covariance
    return Estimate(
        theta, covariance, estimate.df, estimate.interval, (finding, *estimate.diagnostics)
    )
