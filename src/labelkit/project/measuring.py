"""``validate``: what a run's labels are worth on gold, also on gold that they learned from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labelkit.project.gold import unflattered
from labelkit.project.runs import Run
from labelkit.validation import ValidationReport, validate

if TYPE_CHECKING:
    import polars as pl

NAIVE = "naive clicks"


def measure(run: Run, gold: pl.DataFrame, *, seed: int) -> ValidationReport:
    """Validate a run's labels next to the naive reading of its clicks.

    Gold that the run was fitted with is compared with labels from models that did not see it; for
    metrics of ranking (AUC, NDCG) these are ranked by their place under the model that gave them,
    see ``gold.crossfit``.

    Parameters
    ----------
    gold : keys (all of them of the run), ``label``, ``inclusion_probability``, ``round`` in time
    seed : of the intervals
    """
    import polars as pl

    labels, baselines = run.labels(), {}
    if len(run.manifest.label_names) == 2:
        # The naive reading: what was clicked is relevant, as likely as its click rate.
        evidence = run.evidence()
        labels = labels.with_columns(raw_ctr=evidence["clicks"] / evidence["impressions"])
        baselines[NAIVE] = "raw_ctr"
    if not run.has("crossfit"):
        return validate(labels, gold, baselines=baselines, keys=run.keys, seed=seed)
    held_out = run.table("crossfit")
    honest = unflattered(labels, held_out, run.keys)
    report = validate(honest, gold, baselines=baselines, keys=run.keys, seed=seed)
    if len(run.manifest.label_names) > 2:
        return report
    placed = held_out.select(*run.keys, p_0=1 - pl.col("rank"), p_1="rank")
    ranked = unflattered(labels, placed, run.keys)
    by_place = validate(ranked, gold, baselines=baselines, keys=run.keys, seed=seed)
    return replace(
        report,
        frame=_ranking_from(by_place.frame, report.frame),
        difference=_ranking_from(by_place.difference, report.difference),
    )


def _ranking_from(by_place: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """``others`` with its rows about ranking taken from ``by_place``, which has the same rows."""
    import polars as pl

    ranking = pl.col("metric").str.starts_with("auc") | pl.col("metric").str.starts_with("ndcg")
    numbered = [frame.with_row_index("__row__") for frame in (by_place, others)]
    rows = pl.concat([numbered[0].filter(ranking), numbered[1].filter(~ranking)])
    return rows.sort("__row__").drop("__row__")
