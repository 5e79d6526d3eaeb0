"""How good each annotator is: by questions with known answers, and by what the others say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelkit.rounds.people.counts import one_answer_each
from labelkit.rounds.people.drift import drift

if TYPE_CHECKING:
    import polars as pl

    from labelkit.labelmodels import CrowdModel


def quality(
    annotations: pl.DataFrame,
    *,
    level: float = 0.95,
    false_alarm: float = 0.05,
    seed: int = 0,
) -> pl.DataFrame:
    """One row per annotator: accuracy on hidden gold questions, accuracy by the crowd, and drift.

    Parameters
    ----------
    annotations : of ``Ledger.annotations``
    level : of the interval on hidden gold (Wilson's)
    false_alarm : of the drift test, over all annotators and all looks

    Returns
    -------
    Polars frame: ``annotator``, ``n_answers``, ``n_known`` (hidden gold questions answered),
    ``known_accuracy``, ``known_low``, ``known_high`` (null without any), ``crowd_accuracy``,
    ``crowd_low``, ``crowd_high`` (95 %, by ``labelkit.CrowdModel`` with hidden gold clamped; null
    where no example has two answers and none is known), ``drift`` (alarm on hidden gold; null below
    two questions), ``seconds`` (median time of an answer).
    """
    import polars as pl

    last = one_answer_each(annotations)
    known = last.filter(pl.col("known_label").is_not_null())
    rows = last.group_by("annotator").agg(
        n_answers=pl.len().cast(pl.Int64), seconds=pl.col("lead_time_s").median()
    )
    judged = _on_known(known, level, false_alarm, seed)
    frame = rows.join(judged, on="annotator", how="left").join(
        _by_crowd(last), on="annotator", how="left"
    )
    return frame.with_columns(pl.col("n_known").fill_null(0)).select(
        "annotator", "n_answers", "n_known", "known_accuracy", "known_low", "known_high",
        "crowd_accuracy", "crowd_low", "crowd_high", "drift", "seconds",
    ).sort("n_answers", "annotator", descending=[True, False])  # fmt: skip


def confusions(annotations: pl.DataFrame) -> pl.DataFrame:
    """P(answer | true label) of every annotator by the crowd model: ``annotator``, ``label``,
    ``answer``, ``probability``; empty where no model can be fitted."""
    import polars as pl

    last = one_answer_each(annotations)
    if not _can_fit(last):
        schema = {
            "annotator": pl.String, "label": pl.Int64, "answer": pl.Int64, "probability": pl.Float64
        }  # fmt: skip
        return pl.DataFrame(schema=schema)
    found: pl.DataFrame = fit_crowd(last).confusions_
    return found


def fit_crowd(last: pl.DataFrame) -> CrowdModel:
    """A crowd model of annotations, each annotator once an example; known answers are clamped."""
    import polars as pl

    from labelkit.labelmodels import CrowdModel

    long = last.select(
        "annotator", "label", "known_label", item=pl.format("{}\t{}", "round", "example")
    )
    gold = (
        long.filter(pl.col("known_label").is_not_null())
        .select("item", label="known_label")
        .unique("item", keep="first", maintain_order=True)
    )
    k = int(last.select(pl.max_horizontal("label", "known_label").max()).item()) + 1
    return CrowdModel(cardinality=max(k, 2)).fit(
        long.select("item", "annotator", "label"),
        worker="annotator",
        gold=gold if len(gold) else None,
    )


def _can_fit(last: pl.DataFrame) -> bool:
    """Whether anything but an annotator's own word speaks on the annotator."""
    import polars as pl

    if last.is_empty() or last["label"].n_unique() < 2:
        return False
    several = last.group_by("round", "example").len().filter(pl.col("len") > 1)
    return bool(len(several)) or last["known_label"].count() > 0


def _by_crowd(last: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    names = {"accuracy": "crowd_accuracy", "low": "crowd_low", "high": "crowd_high"}
    if not _can_fit(last):
        schema = {"annotator": pl.String, **dict.fromkeys(names.values(), pl.Float64)}
        return pl.DataFrame(schema=schema)
    workers: pl.DataFrame = fit_crowd(last).workers_
    return workers.rename(names).drop("answers")


def _on_known(known: pl.DataFrame, level: float, false_alarm: float, seed: int) -> pl.DataFrame:
    import polars as pl
    from scipy import stats

    rows = []
    people = known["annotator"].unique(maintain_order=True).to_list()
    for person in people:
        mine = known.filter(pl.col("annotator") == person)
        right = (mine["label"] == mine["known_label"]).to_numpy()
        n, n_right = len(right), int(np.sum(right))
        limits = stats.binomtest(n_right, n).proportion_ci(level, method="wilson")
        seen = drift(right, false_alarm=false_alarm, n_annotators=len(people), seed=seed)
        alarm = seen.alarm if n > 1 else None
        rows.append((person, n, n_right / n, float(limits.low), float(limits.high), alarm))
    schema = {
        "annotator": pl.String, "n_known": pl.Int64, "known_accuracy": pl.Float64,
        "known_low": pl.Float64, "known_high": pl.Float64, "drift": pl.Boolean,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
