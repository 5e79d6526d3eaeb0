"""Curves that need no natural variation: randomised traffic, logged propensities, a given curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelkit.bias import randomised, swaps
from labelkit.bias.buckets import BucketCounts
from labelkit.bias.propensities import Diagnosis
from labelkit.bias.task import Estimate, FitTask, known
from labelkit.bias.uncertainty import bootstrap_covariance, effective_df, jackknife_covariance
from labelkit.errors import LabelkitError, NotIdentifiable
from labelkit.logs.cells import FIXED_POINT

FloatArray = npt.NDArray[np.float64]
DESIGNS = ("auto", "shuffle", "swaps")


def by_randomised(task: FitTask) -> Estimate:
    """Impressions flagged as randomised: click rates of shuffled pages, pairs of swapped ones."""
    if task.design not in DESIGNS:
        raise LabelkitError(f"design is one of {', '.join(DESIGNS)}; got {task.design!r}.")
    if task.design != "shuffle" and task.log is not None and "swapped_with" in task.log.columns:
        return swaps.by_pairs(task)
    flagged = None if task.log is None else task.log.randomised_counts
    if flagged is None:
        raise NotIdentifiable(
            "method='randomised' needs a log that flags randomised impressions: map the column "
            "'randomised' (1 where the page was shown in random order)."
        )
    positions = task.counts.positions
    if task.design == "auto":
        mixing = randomised.mixing(flagged)
        swapped, finding = not mixing.shuffled, _finding(mixing)
    else:
        swapped = task.design == "swaps"
        finding = Diagnosis("randomisation", "fine", f"Taken as {task.design}, as asked.")
    if swapped:
        return swaps.within_examples(task, flagged, finding)

    clicks, shown, n_clusters = randomised.rates_by_cluster(flagged, positions)
    randomised.require_clicks(clicks.sum(0), shown.sum(0), positions)
    beta = randomised.log_ratio(clicks.sum(0), shown.sum(0))
    if task.cluster == "query":

        def estimate(weight: FloatArray) -> FloatArray:
            return randomised.log_ratio(weight @ clicks, weight @ shown)

        covariance = bootstrap_covariance(
            estimate, n_clusters=n_clusters, n_bootstrap=task.n_bootstrap, seed=task.seed
        )
        df, interval = effective_df(clicks.sum(1)), "bootstrap over queries"
    else:
        buckets = BucketCounts.of(
            task.require_log(),
            task.cluster,
            impressions="randomised_impressions",
            clicks="randomised_clicks",
        )
        slot = buckets.bucket * len(positions) + np.searchsorted(positions, buckets.counts.position)
        n_slots = (int(buckets.bucket.max()) + 1) * len(positions)
        clicks, shown = (
            np.bincount(slot, values, n_slots).reshape(-1, len(positions)).astype(np.float64)
            for values in (buckets.counts.clicks, buckets.counts.impressions)
        )
        used = np.flatnonzero(shown.sum(1))
        left_out = [
            randomised.log_ratio(clicks.sum(0) - clicks[b], shown.sum(0) - shown[b]) for b in used
        ]
        covariance = jackknife_covariance(np.array(left_out))
        df, interval = len(used) - 1.0, f"jackknife over {task.cluster} buckets"
    return Estimate(np.exp(beta), covariance, df, interval, (finding,))


def _finding(mixing: randomised.Mixing) -> Diagnosis:
    if mixing.shuffled:
        message = (
            "Flagged impressions lie over positions as a full shuffle leaves them (dispersion "
            f"{mixing.dispersion:.2f}, 1 expected): click rates per position are compared."
        )
        return Diagnosis("randomisation", "fine", message)
    message = (
        f"Examples keep to some positions on flagged pages (dispersion {mixing.dispersion:.2f}, 1 "
        "for a full shuffle), as when only two places are swapped: each example is compared with "
        "itself. If pages were shuffled in full, set design='shuffle'."
    )
    return Diagnosis("randomisation", "fine", message)


def by_logged(task: FitTask) -> Estimate:
    """The propensity column of the log, averaged per slot."""
    if task.log is None or "propensity" not in task.log.columns:
        raise NotIdentifiable(
            "method='logged' needs a log with a propensity column: map 'propensity'."
        )
    positions = task.counts.positions
    position = task.log.cells["position"].to_numpy()
    slot = np.searchsorted(positions, position)
    total = np.bincount(slot, task.log.cells["propensity_fp"].to_numpy() / FIXED_POINT)
    theta = total / np.bincount(slot, task.log.cells["impressions"].to_numpy())
    return known(theta, "logged: no uncertainty")


def by_given(task: FitTask) -> Estimate:
    """A curve that the user names."""
    positions, curve = task.counts.positions, dict(task.curve or {})
    missing = [int(k) for k in positions if int(k) not in curve]
    if missing:
        raise LabelkitError(
            f"method='given' needs a propensity for every position of the log; curve lacks "
            f"{len(missing)} (first: position {missing[0]})."
        )
    theta = np.array([curve[int(k)] for k in positions], dtype=np.float64)
    if np.any((theta <= 0) | ~np.isfinite(theta)):
        bad = int(positions[np.argmax((theta <= 0) | ~np.isfinite(theta))])
        raise LabelkitError(f"Propensities are positive numbers; position {bad} has {curve[bad]}.")
    return known(theta, "given: no uncertainty")
