"""``PositionBias``: one interface over every way to find propensities."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from labelkit.bias import allpairs, diagnose, poisson, power, randomised
from labelkit.bias.identifiability import check
from labelkit.bias.poisson import ClickedCells
from labelkit.bias.propensities import Diagnosis, Propensities
from labelkit.bias.uncertainty import bootstrap_covariance, effective_df, sandwich_covariance
from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import LabelkitError, NotFittedError, NotIdentifiable, PositivityWarning
from labelkit.logs import InteractionLog, PositionCounts

FloatArray = npt.NDArray[np.float64]
Method = Literal[
    "auto", "poisson", "allpairs", "adjacent", "power", "randomised", "logged", "given"
]

# A refit costs a few passes over the informative cells; above this many of them 200 refits take
# longer than reading the log, and the sandwich, their limit, is indistinguishable from them.
MOST_CELLS_TO_REFIT = 20_000


@dataclass(frozen=True)
class _Estimate:
    theta: FloatArray
    covariance: FloatArray
    df: float
    interval: str
    diagnostics: tuple[Diagnosis, ...]


class PositionBias:
    """Estimate examination propensities θ_k from an interaction log.

    Parameters
    ----------
    method : how to estimate
        - "poisson": the Poisson position-based model at its maximum (needs rankings that vary)
        - "allpairs": intervention harvesting over all pairs of positions (Agarwal et al. 2019)
        - "adjacent": harvesting over neighbouring positions only (AdjacentChain, same source)
        - "power": one parameter, θ_k = k^−η, for logs too thin for a propensity per position
        - "randomised": click rates of impressions flagged as randomised
        - "logged": the propensity column of the log, as it is
        - "given": ``curve``
        - "auto": logged if the log has it; else randomised if flagged and clicked; else poisson
    curve : position → propensity, for "given"
    smoothing : standard deviation of log θ per e-fold of position under the random-walk prior
        that keeps sparse positions finite; ``inf`` for plain maximum likelihood
    n_bootstrap : bootstrap samples of queries behind the intervals
    level : of the intervals, in (0, 1)
    seed : of the bootstrap

    Attributes
    ----------
    propensities_ : frame with ``position``, ``propensity``, ``low``, ``high``
    curve_ : ``Propensities``, the same as a value, with the covariance of log θ
    method_ : the method that was used
    reason_ : why, in one sentence
    diagnostics_ : findings, each with a level ("fine", "look", "stop") and advice
    identifiable_ : whether every position of the log got a propensity

    Examples
    --------
    >>> import labelkit as lk
    >>> log = lk.read_log(lk.simulate(n_impressions=50_000, seed=1).frame)
    >>> bias = lk.PositionBias().fit(log)
    >>> bias.method_
    'poisson'
    """

    def __init__(
        self,
        method: Method = "auto",
        *,
        curve: Mapping[int, float] | None = None,
        smoothing: float = 1.0,
        n_bootstrap: int = 200,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.method = method
        self.curve = curve
        self.smoothing = smoothing
        self.n_bootstrap = n_bootstrap
        self.level = level
        self.seed = seed

    def fit(self, log: InteractionLog | PositionCounts) -> PositionBias:
        """Estimate from a log, or from counts alone.

        Raises
        ------
        NotIdentifiable
            The log cannot carry the estimate; the message says what would help.
        """
        counts = log if isinstance(log, PositionCounts) else log.counts
        full = log if isinstance(log, InteractionLog) else None
        method, self.reason_ = self._choose(full)
        fit = {
            "poisson": self._fit_harvesting,
            "allpairs": self._fit_harvesting,
            "adjacent": self._fit_harvesting,
            "power": self._fit_harvesting,
            "randomised": self._fit_randomised,
            "logged": self._fit_logged,
            "given": self._fit_given,
        }.get(method)
        if fit is None:
            raise LabelkitError(
                f"Unknown method {method!r}. Known: auto, poisson, allpairs, adjacent, power, "
                "randomised, logged, given."
            )
        self.method_ = method
        estimate = fit(counts, full)
        propensities = Propensities(
            positions=counts.positions,
            theta=estimate.theta,
            covariance=estimate.covariance,
            df=estimate.df,
            method=method,
            interval=estimate.interval,
            level=self.level,
            per_impression=method == "logged",
        )
        findings = (*estimate.diagnostics, *diagnose.positivity(propensities, counts))
        self.curve_ = replace(propensities, diagnostics=findings)
        self.diagnostics_ = findings
        self.identifiable_ = not np.any(np.isnan(estimate.theta))
        self._native = None if full is None else full.native
        for finding in findings:
            if finding.level == "stop":
                warnings.warn(finding.message, PositivityWarning, stacklevel=2)
        return self

    @property
    def propensities_(self) -> NativeFrame:
        import narwhals as nw

        if not hasattr(self, "curve_"):
            raise NotFittedError.of(self)
        frame = self.curve_.frame()
        if self._native is None:
            return frame
        return to_native_like(nw.from_native(frame, eager_only=True), self._native)

    def _choose(self, log: InteractionLog | None) -> tuple[str, str]:
        if self.method != "auto":
            return self.method, "asked for"
        if log is not None and "propensity" in log.columns:
            return "logged", "the log carries propensities"
        if log is not None and (flagged := log.randomised_counts) is not None:
            clicks = int(flagged.clicks.sum())
            # 100 clicks give ±20 % on the average position; fewer are beaten by harvesting.
            if clicks >= 100:
                return "randomised", f"{clicks:,} clicks fell on randomised impressions"
        return "poisson", "neither propensities nor enough randomised traffic are logged"

    def _fit_harvesting(self, counts: PositionCounts, log: InteractionLog | None) -> _Estimate:
        cells = ClickedCells.of(counts)
        graph = check(counts, cells)
        reference = int(np.argmax(graph.identified))
        queries, query = np.unique(cells.query, return_inverse=True)
        n_clusters = len(queries)
        df = effective_df(np.bincount(query, cells.totals).astype(np.float64))
        seed, smoothing = self.seed, self.smoothing
        findings = list(diagnose.links(graph, cells))

        if self.method_ in ("allpairs", "adjacent"):
            n_groups = min(n_clusters, 1000)
            sums = allpairs.harvest(cells, query % n_groups, n_groups)
            if self.method_ == "adjacent":
                sums = allpairs.neighbours_only(sums)

            def estimate(weight: FloatArray) -> FloatArray:
                total: FloatArray = np.tensordot(weight, sums, axes=1).astype(np.float64)
                return allpairs.reconcile(
                    total, cells.positions, smoothing=smoothing, reference=reference
                )

            beta = estimate(np.ones(n_groups))
            covariance = bootstrap_covariance(
                estimate, n_clusters=n_groups, n_bootstrap=self.n_bootstrap, seed=seed
            )
            interval = "bootstrap over queries"
        elif self.method_ == "power":
            law = power.fit_power_law(cells)
            beta = power.log_curve(law.eta, cells)
            findings.append(diagnose.power_law(law))

            def estimate(weight: FloatArray) -> FloatArray:
                again = power.fit_power_law(cells, weight=weight[query], start=law.eta)
                return power.log_curve(again.eta, cells)

            covariance = bootstrap_covariance(
                estimate, n_clusters=n_clusters, n_bootstrap=self.n_bootstrap, seed=seed
            )
            interval = "bootstrap over queries"
        else:
            fit = poisson.fit_poisson(cells, smoothing=smoothing, reference=reference)
            beta = fit.beta
            findings.append(diagnose.convergence(fit))
            if len(cells.segment) <= MOST_CELLS_TO_REFIT:

                def estimate(weight: FloatArray) -> FloatArray:
                    return poisson.fit_poisson(
                        cells,
                        smoothing=smoothing,
                        reference=reference,
                        weight=weight[query],
                        start=beta,
                        tolerance=1e-4,
                    ).beta

                covariance = bootstrap_covariance(
                    estimate, n_clusters=n_clusters, n_bootstrap=self.n_bootstrap, seed=seed
                )
                interval = "bootstrap over queries"
            else:
                covariance = sandwich_covariance(
                    beta, cells, cluster=query, smoothing=smoothing, reference=reference
                )
                interval = "sandwich over queries"
        theta = np.where(graph.identified, np.exp(beta), np.nan)
        return _Estimate(theta, covariance, df, interval, tuple(findings))

    def _fit_randomised(self, counts: PositionCounts, log: InteractionLog | None) -> _Estimate:
        flagged = None if log is None else log.randomised_counts
        if flagged is None:
            raise NotIdentifiable(
                "method='randomised' needs a log that flags randomised impressions: map the column "
                "'randomised' (1 where the page was shown in random order)."
            )
        positions = counts.positions
        clicks, shown, n_clusters = randomised.rates_by_cluster(flagged, positions)
        randomised.require_clicks(clicks.sum(0), shown.sum(0), positions)

        def estimate(weight: FloatArray) -> FloatArray:
            return randomised.log_ratio(weight @ clicks, weight @ shown)

        beta = estimate(np.ones(n_clusters))
        covariance = bootstrap_covariance(
            estimate, n_clusters=n_clusters, n_bootstrap=self.n_bootstrap, seed=self.seed
        )
        return _Estimate(
            np.exp(beta), covariance, effective_df(clicks.sum(1)), "bootstrap over queries", ()
        )

    def _fit_logged(self, counts: PositionCounts, log: InteractionLog | None) -> _Estimate:
        if log is None or "propensity" not in log.columns:
            raise NotIdentifiable(
                "method='logged' needs a log with a propensity column: map 'propensity'."
            )
        from labelkit.logs.cells import FIXED_POINT

        position = log.cells["position"].to_numpy()
        slot = np.searchsorted(counts.positions, position)
        total = np.bincount(slot, log.cells["propensity_fp"].to_numpy() / FIXED_POINT)
        theta = total / np.bincount(slot, log.cells["impressions"].to_numpy())
        return _known(theta, "logged: no uncertainty")

    def _fit_given(self, counts: PositionCounts, log: InteractionLog | None) -> _Estimate:
        curve = dict(self.curve or {})
        missing = [int(k) for k in counts.positions if int(k) not in curve]
        if missing:
            raise LabelkitError(
                f"method='given' needs a propensity for every position of the log; curve lacks "
                f"{len(missing)} (first: position {missing[0]})."
            )
        theta = np.array([curve[int(k)] for k in counts.positions], dtype=np.float64)
        if np.any((theta <= 0) | ~np.isfinite(theta)):
            bad = int(counts.positions[np.argmax((theta <= 0) | ~np.isfinite(theta))])
            raise LabelkitError(
                f"Propensities are positive numbers; position {bad} has {curve[bad]}."
            )
        return _known(theta, "given: no uncertainty")


def _known(theta: FloatArray, interval: str) -> _Estimate:
    size = len(theta)
    return _Estimate(theta, np.zeros((size, size)), np.inf, interval, ())
