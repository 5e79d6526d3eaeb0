"""A project's labels, held against a target or against a truth: what more labels would bring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from labelkit.errors import LogError, ProjectError
from labelkit.logs.sources import find_files, scan_files
from labelkit.project.gold import match_gold, unflattered
from labelkit.project.runs import Run
from labelkit.selection import LabelPlan, LearningCurves, plan_labels, simulate_rounds
from labelkit.selection.scores import SCORES

if TYPE_CHECKING:
    import polars as pl


def plan_project(
    run: Run,
    gold: pl.DataFrame,
    target: str,
    *,
    n_max: int | None,
    strategy: str | None,
    audit: Literal["equal", "pps", "poisson", "class", "score"],
    audit_share: float,
    cost_per_label: float | None,
    seconds_per_label: float | None,
    seed: int,
) -> LabelPlan:
    """``plan_labels`` for a run and the gold of its project.

    Gold that the run was fitted with meets labels of models that did not see it, as in validation:
    errors that the model has been told of would make it look nearer to its target than it is.

    Parameters
    ----------
    gold : of examples of the run, ``round`` in time; may be empty
    """
    labels = run.labels()
    if run.has("crossfit") and len(gold):
        labels = unflattered(labels, run.table("crossfit"), run.keys)
    return plan_labels(
        labels,
        target,
        gold=gold if len(gold) else None,
        n_max=n_max,
        # A batch strategy chooses among the most uncertain: their plan stands for it.
        strategy=strategy if strategy in (*SCORES, "random") else "margin",
        audit_share=audit_share,
        audit=audit,
        cost_per_label=cost_per_label,
        seconds_per_label=seconds_per_label,
        keys=run.keys,
        seed=seed,
    )


def simulate_project(
    run: Run,
    truth: Path,
    *,
    strategies: Sequence[str] | None,
    rounds: int,
    n: int,
    seeds: int,
    metric: str,
    error_rate: float,
    cost: float,
    seed: int,
) -> LearningCurves:
    """``simulate_rounds`` for a run, with the numbers of its evidence as features.

    Raises
    ------
    ProjectError
        The file of truth cannot be read, or has other keys than the log.
    """
    try:
        table = scan_files(find_files(truth), "polars").collect("polars").to_polars()
    except LogError as error:
        raise ProjectError(f"The file of truth cannot be used: {error}") from None
    lacking = [c for c in (*run.keys, "label") if c not in table.columns]
    if lacking:
        raise ProjectError(
            f"'{truth.name}' has no column {', '.join(map(repr, lacking))} "
            f"(columns: {', '.join(table.columns)})."
        )
    labels = run.labels()
    return simulate_rounds(
        labels,
        match_gold(table.select(*run.keys, "label"), labels, run.keys),
        features=evidence_numbers(run.evidence(), run.keys),
        strategies=strategies,
        rounds=rounds,
        n=n,
        seeds=seeds,
        metric=metric,
        error_rate=error_rate,
        cost=cost,
        keys=run.keys,
        seed=seed,
    )


def evidence_numbers(evidence: pl.DataFrame, keys: Sequence[str]) -> npt.NDArray[np.float64]:
    """The numeric columns of an evidence table as features, (N, d).

    Counts and times reach over orders of magnitude, so they come as log(1 + x). A null becomes the
    column's median: a learner may not take a row's absence of evidence for evidence.
    """
    import polars as pl
    import polars.selectors as cs

    numbers = evidence.drop(keys).select(cs.numeric().cast(pl.Float64))
    columns = []
    for column in numbers.iter_columns():
        filled = column.fill_nan(None)
        median = filled.median()
        if median is None:  # nothing but nulls
            continue
        values = filled.fill_null(median).to_numpy()
        columns.append(np.log1p(values) if values.min() >= 0 else values)
    return np.column_stack(columns) if columns else np.empty((len(evidence), 0))
