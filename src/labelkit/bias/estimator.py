"""``PositionBias``: one interface over every way to find propensities."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from labelkit.bias import diagnose
from labelkit.bias.buckets import require_cluster
from labelkit.bias.choice import choose
from labelkit.bias.methods import METHODS
from labelkit.bias.propensities import Propensities
from labelkit.bias.task import Estimate, FitTask
from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import LabelkitError, NotFittedError, PositivityWarning
from labelkit.logs import InteractionLog, PositionCounts

Method = Literal[
    "auto",
    "poisson",
    "bernoulli",
    "allpairs",
    "adjacent",
    "adaptive",
    "power",
    "randomised",
    "trust",
    "logged",
    "given",
]
Cluster = Literal["query", "session", "user"]
Design = Literal["auto", "shuffle", "swaps"]


class PositionBias:
    """Estimate examination propensities θ_k from an interaction log.

    Parameters
    ----------
    method : how to estimate
        - "poisson": the Poisson position-based model at its maximum (needs rankings that vary)
        - "bernoulli": the same for coins instead of counts: sharper where examined items are
          nearly always clicked
        - "allpairs": intervention harvesting over all pairs of positions (Agarwal et al. 2019)
        - "adjacent": harvesting over neighbouring positions only (AdjacentChain, same source)
        - "adaptive": a curve near a power law, as near as its clicks allow
        - "power": one parameter, θ_k = k^−η, for logs too thin for a propensity per position
        - "randomised": click rates of impressions flagged as randomised; where only two places of
          a page were swapped, comparisons within each example (see ``design``)
        - "trust": P(click) = α_k γ + β_k (trust bias), told by gold labels, or up to a constant of
          γ by shuffled pages
        - "logged": the propensity column of the log, as it is
        - "given": ``curve``
        - "auto": logged if the log has it; else randomised if flagged and clicked; else poisson,
          or bernoulli where examined items are mostly clicked
    context : label columns of the log; each combination of their values gets a curve of its own,
        shrunk towards the common one ("poisson" and "logged")
    curve : position → propensity, for "given"
    smoothing : standard deviation of log θ per e-fold of position under the random-walk prior
        that keeps sparse positions finite; ``inf`` for plain maximum likelihood
    cluster : clicks of one "query", "session" or "user" hang together in the intervals
    design : of randomised pages: "shuffle" (all of the page), "swaps" (two places of it), or
        "auto" to find out
    n_bootstrap : bootstrap samples behind the intervals
    level : of the intervals, in (0, 1)
    seed : of the bootstrap

    Attributes
    ----------
    propensities_ : frame with the context, ``position``, ``propensity``, ``low``, ``high``, and
        ``background`` where trust bias was fitted
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
        context: Sequence[str] = (),
        curve: Mapping[int, float] | None = None,
        smoothing: float = 1.0,
        cluster: Cluster = "query",
        design: Design = "auto",
        n_bootstrap: int = 200,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.method = method
        self.context = context
        self.curve = curve
        self.smoothing = smoothing
        self.cluster = cluster
        self.design = design
        self.n_bootstrap = n_bootstrap
        self.level = level
        self.seed = seed

    def fit(
        self, log: InteractionLog | PositionCounts, *, gold: NativeFrame | None = None
    ) -> PositionBias:
        """Estimate from a log, or from counts alone.

        Parameters
        ----------
        gold : for method="trust": ``query``, ``item``, ``label`` (a grade, 0 the lowest) and
            optionally ``inclusion_probability``

        Raises
        ------
        NotIdentifiable
            The log cannot carry the estimate; the message says what would help.
        """
        full = log if isinstance(log, InteractionLog) else None
        context = (self.context,) if isinstance(self.context, str) else tuple(self.context)
        require_cluster(self.cluster, full)
        task = FitTask(
            counts=log if isinstance(log, PositionCounts) else log.counts,
            log=full,
            method=self.method,
            smoothing=self.smoothing,
            n_bootstrap=self.n_bootstrap,
            seed=self.seed,
            cluster=self.cluster,
            context=context,
            design=self.design,
            curve=self.curve,
            gold=gold,
        )
        self.method_, self.reason_ = self._choose(task)
        task = task.using(self.method_)
        estimate = self._estimate(task)
        positions = task.counts.positions if estimate.positions is None else estimate.positions
        curve = Propensities(
            positions=positions,
            theta=estimate.theta,
            covariance=estimate.covariance,
            df=estimate.df,
            method=self.method_,
            interval=estimate.interval,
            level=self.level,
            per_impression=self.method_ == "logged",
            context=estimate.context,
            background=estimate.background,
        )
        findings = estimate.diagnostics
        if not curve.context:
            findings = (*findings, *diagnose.positivity(curve, task.counts))
        self.curve_ = replace(curve, diagnostics=findings)
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

    def _choose(self, task: FitTask) -> tuple[str, str]:
        if self.method == "auto":
            return choose(task)
        if self.method not in METHODS:
            raise LabelkitError(
                f"Unknown method {self.method!r}. Known: auto, {', '.join(METHODS)}."
            )
        return self.method, "asked for"

    def _estimate(self, task: FitTask) -> Estimate:
        method = METHODS[task.method]
        if not task.context:
            return method.fit(task)
        if method.by_context is None:
            offered = [name for name, entry in METHODS.items() if entry.by_context is not None]
            raise LabelkitError(
                f"method={task.method!r} has one curve for the whole log; a curve per context is "
                f"offered by {', '.join(offered)}."
            )
        if self.cluster != "query":
            raise LabelkitError("Curves per context have intervals clustered by query only.")
        return method.by_context(task)
