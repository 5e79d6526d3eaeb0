"""Contexts of a log (device, layout, query class): cut by them, and a curve for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import diagnose
from labelkit.bias.hierarchy import Hierarchy, difference_p_value, fit_hierarchy
from labelkit.bias.identifiability import check
from labelkit.bias.poisson import (
    ClickedCells,
    fit_poisson,
)
from labelkit.bias.propensities import Diagnosis, Propensities
from labelkit.bias.task import Estimate, FitTask, known
from labelkit.bias.uncertainty import effective_df
from labelkit.errors import LabelkitError
from labelkit.logs import PositionCounts
from labelkit.logs.cells import FIXED_POINT

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_CONTEXTS = 200


@dataclass(frozen=True)
class ContextCounts:
    """A log's counts, cut by context.

    ::

        labels   column → (G,) value of each context
        counts   (G,) counts of each; examples and queries are numbered alike in all
    """

    labels: Mapping[str, npt.NDArray[Any]]
    counts: tuple[PositionCounts, ...]

    @classmethod
    def of(cls, cells: nw.DataFrame[Any], context: tuple[str, ...]) -> ContextCounts:
        distinct = cells.select(*context).unique().sort(*context)
        if len(distinct) > MOST_CONTEXTS:
            raise LabelkitError(
                f"context={context} tells {len(distinct):,} contexts apart; at most "
                f"{MOST_CONTEXTS} can have a curve each. Merge rare ones first."
            )
        whole = PositionCounts.from_cells(cells)
        group = np.zeros(len(whole), dtype=np.int64)
        for number, row in enumerate(distinct.rows()):
            is_here = nw.lit(True)
            for name, value in zip(context, row, strict=True):
                is_here = is_here & (nw.col(name) == value)
            here = cells.select(here=is_here)["here"].to_numpy().astype(bool)
            group[here] = number
        labels = {name: distinct[name].to_numpy() for name in context}
        return cls(labels, tuple(whole.where(group == g) for g in range(len(distinct))))

    def name(self, number: int) -> str:
        return ", ".join(f"{column}={values[number]}" for column, values in self.labels.items())

    def pooled(self) -> PositionCounts:
        """All contexts as one log, in which an example of each context is one of its own."""
        n = len(self.counts)
        parts = [
            (c.query, c.example * n + g, c.position, c.impressions, c.clicks)
            for g, c in enumerate(self.counts)
        ]
        q, e, k, i, c = (np.concatenate(column) for column in zip(*parts, strict=True))
        _, example = np.unique(e, return_inverse=True)
        return PositionCounts.from_arrays(q, example, k, i, c)


def by_context(task: FitTask) -> Estimate:
    """Poisson curves per context, shrunk towards the pooled one."""
    cut = ContextCounts.of(task.require_log().cells_by(task.context), task.context)
    pooled_counts = cut.pooled()
    pooled_cells = ClickedCells.of(pooled_counts)
    graph = check(pooled_counts, pooled_cells)
    reference, positions = int(np.argmax(graph.identified)), pooled_counts.positions
    pooled = fit_poisson(pooled_cells, smoothing=task.smoothing, reference=reference)
    cells = tuple(ClickedCells.of(c, positions) for c in cut.counts)
    fit = fit_hierarchy(cells, pooled.beta, smoothing=task.smoothing, reference=reference)
    p_value = difference_p_value(cells, pooled.beta, reference=reference, seed=task.seed)
    findings = [
        *diagnose.links(graph, pooled_cells),
        diagnose.convergence(pooled),
        _difference(p_value, fit, len(cells)),
        *_thin(cut, cells),
    ]
    _, query = np.unique(pooled_cells.query, return_inverse=True)
    df = effective_df(np.bincount(query, pooled_cells.totals).astype(np.float64))
    group, slot = _occurring(cut, positions)
    rows = group * len(positions) + slot
    theta = np.where(graph.identified[slot], np.exp(fit.beta[group, slot]), np.nan)
    covariance = fit.covariance[np.ix_(rows, rows)]
    interval = "posterior of the hierarchy, clicks clustered by query"
    for g, counts in enumerate(cut.counts):
        here = group == g
        part = Propensities(
            positions[slot[here]], theta[here], covariance[np.ix_(here, here)], df, "", interval
        )
        for finding in diagnose.positivity(part, counts):
            # A place where one context has no click leans on the others; only where none has one
            # is it a guess.
            if finding.name == "positivity":
                message = f"{cut.name(g)}: {finding.message}"
                findings.append(Diagnosis(finding.name, finding.level, message))
    everyone = Propensities(
        positions,
        np.where(graph.identified, np.exp(pooled.beta), np.nan),
        np.zeros((len(positions), len(positions))),
        df,
        "",
        interval,
    )
    silent = diagnose.positivity(everyone, pooled_counts)
    findings += [finding for finding in silent if finding.level == "stop"]
    return Estimate(
        theta,
        covariance,
        df,
        interval,
        tuple(findings),
        positions=positions[slot],
        context={name: values[group] for name, values in cut.labels.items()},
    )


def by_logged_context(task: FitTask) -> Estimate:
    """Logged propensities, averaged per slot."""
    log = task.require_log()
    cells = log.cells_by(task.context)
    cut = ContextCounts.of(cells, task.context)
    sums = cells.group_by("position", *task.context).agg(
        nw.col("propensity_fp").sum(), nw.col("impressions").sum()
    )
    sums = sums.sort(*task.context, "position")
    total = sums["propensity_fp"].to_numpy().astype(np.float64) / FIXED_POINT
    estimate = known(total / sums["impressions"].to_numpy(), "logged: no uncertainty")
    return Estimate(
        **{
            **estimate.__dict__,
            "positions": sums["position"].to_numpy().astype(np.int64),
            "context": {name: sums[name].to_numpy() for name in cut.labels},
        }
    )


def _occurring(cut: ContextCounts, positions: IntArray) -> tuple[IntArray, IntArray]:
    """Context and position index of every slot that the log shows, in order."""
    slots = [np.searchsorted(positions, c.positions) for c in cut.counts]
    group = np.repeat(np.arange(len(slots)), [len(s) for s in slots])
    return group, np.concatenate(slots)


def _difference(p_value: float, fit: Hierarchy, n_contexts: int) -> Diagnosis:
    if n_contexts < 2:
        message = "The log has one context: its curve is the pooled one."
    elif p_value < 0.05:
        message = (
            f"Contexts have different curves (p = {p_value:.3g}); log θ differs by about "
            f"{fit.spread:.2g} per e-fold of position. Keep a curve for each."
        )
    else:
        message = (
            f"No sign that contexts have different curves (p = {p_value:.2g}): one curve for all "
            "says the same with narrower intervals."
        )
    return Diagnosis("contexts differ", "fine", message)


def _thin(cut: ContextCounts, cells: tuple[ClickedCells, ...]) -> list[Diagnosis]:
    findings = []
    for g, part in enumerate(cells):
        clicks = float(part.clicks.sum())
        if clicks < 10 * len(part.positions):
            message = (
                f"{cut.name(g)} has {clicks:,.0f} clicks that tell positions apart: its curve is "
                "mostly the pooled one. Read the interval, or merge it with a similar context."
            )
            findings.append(Diagnosis("thin context", "look", message))
    return findings
