"""From answers to gold labels: who said what, put together once per example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from labelkit.errors import RoundError
from labelkit.rounds.keys import decode, polars_dtype

if TYPE_CHECKING:
    import polars as pl

GOLD_COLUMNS = (
    "label",
    "inclusion_probability",
    "round",
    "annotators",
    "agreement",
    "adjudicated",
)


@dataclass(frozen=True)
class AnswerRow:
    """One current, readable answer with the task that it belongs to.

    ``id`` grows in the order in which the ledger saw answers; ``round_id`` with the rounds.
    """

    id: int
    round_id: int
    round: str
    keys: tuple[str, ...]
    dtypes: tuple[str, ...]
    example_key: str
    inclusion_probability: float
    annotator: str
    label: int
    answered_at: datetime | None


@dataclass(frozen=True)
class Decision:
    """What an adjudicator decided on one example of a round; of one example, the last counts.

    ``id`` grows in the order in which decisions were taken.
    """

    id: int
    round_id: int
    round: str
    keys: tuple[str, ...]
    dtypes: tuple[str, ...]
    example_key: str
    inclusion_probability: float
    label: int


def gold_frame(
    answers: Sequence[AnswerRow],
    *,
    default_keys: Sequence[str],
    decisions: Sequence[Decision] = (),
) -> pl.DataFrame:
    """One row per example, with its key columns: ``settled`` in the words of the user's tables."""
    import polars as pl

    keys, dtypes = _common_keys([*answers, *decisions], default_keys)
    decided = settled(answers, decisions)
    values = [decode(text, dtypes) for text in decided["example"]]
    key_columns = {
        key: pl.Series(key, [row[i] for row in values], dtype=polars_dtype(dtypes[i]))
        for i, key in enumerate(keys)
    }
    return decided.with_columns(**key_columns).select(*keys, *GOLD_COLUMNS)


def settled(answers: Sequence[AnswerRow], decisions: Sequence[Decision] = ()) -> pl.DataFrame:
    """One row per encoded example: what the adjudicator says, else the majority of its annotators.

    Each annotator counts once, with their last answer. A tie goes to the answer that was given
    first, which favours no class; ``agreement`` (the share of annotators who chose ``label``, null
    if nobody answered) shows it. An example that several rounds asked about is taken from the
    latest that has an answer or a decision, with that round's inclusion probability.

    Returns
    -------
    Polars frame: ``example``, ``GOLD_COLUMNS``, ``answer_ids`` (those that were counted) and
    ``adjudication_id`` (null unless adjudicated), by ``example``.
    """
    import polars as pl

    given, decided = _answer_table(answers), _decision_table(decisions)
    place = ["example", "round_id", "round", "inclusion_probability"]
    latest = (
        pl.concat([given.select(place), decided.select(place)])
        .sort("round_id")
        .unique("example", keep="last", maintain_order=True)
    )
    each = (
        given.join(latest, on=["example", "round_id"], how="semi")
        .sort("at", "id", nulls_last=False)
        .unique(["example", "annotator"], keep="last", maintain_order=True)
    )
    majority = (
        each.group_by("example", "label", maintain_order=True)
        .agg(pl.len().alias("n"), pl.col("at").first(), pl.col("id").first())
        .sort("n", "at", "id", descending=[True, False, False])
        .unique("example", keep="first", maintain_order=True)
        .select("example", majority="label")
    )
    labels = (
        latest.join(
            decided.select("example", "round_id", "decided", "adjudication_id"),
            on=["example", "round_id"],
            how="left",
        )
        .join(majority, on="example", how="left")
        .with_columns(label=pl.coalesce("decided", "majority"))
    )
    counts = (
        each.join(labels.select("example", final="label"), on="example")
        .group_by("example")
        .agg(
            pl.len().cast(pl.Int64).alias("annotators"),
            (pl.col("label") == pl.col("final")).mean().alias("agreement"),
            pl.col("id").sort().alias("answer_ids"),
        )
    )
    return (
        labels.join(counts, on="example", how="left")
        .with_columns(
            pl.col("annotators").fill_null(0),
            pl.col("answer_ids").fill_null([]),
            adjudicated=pl.col("adjudication_id").is_not_null(),
        )
        .sort("example")
        .select("example", *GOLD_COLUMNS, "answer_ids", "adjudication_id")
    )


def _answer_table(answers: Sequence[AnswerRow]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        [
            (a.example_key, a.round_id, a.round, a.inclusion_probability, a.annotator, a.label,
             a.answered_at, a.id)
            for a in answers
        ],
        schema={
            "example": pl.String, "round_id": pl.Int64, "round": pl.String,
            "inclusion_probability": pl.Float64, "annotator": pl.String, "label": pl.Int64,
            "at": pl.Datetime("us", "UTC"), "id": pl.Int64,
        },
        orient="row",
    )  # fmt: skip


def _decision_table(decisions: Sequence[Decision]) -> pl.DataFrame:
    """The last decision on each example of each round."""
    import polars as pl

    table = pl.DataFrame(
        [
            (d.example_key, d.round_id, d.round, d.inclusion_probability, d.label, d.id)
            for d in decisions
        ],
        schema={
            "example": pl.String, "round_id": pl.Int64, "round": pl.String,
            "inclusion_probability": pl.Float64, "decided": pl.Int64, "adjudication_id": pl.Int64,
        },
        orient="row",
    )  # fmt: skip
    return table.sort("adjudication_id").unique(["round_id", "example"], keep="last")


def _common_keys(
    answers: Sequence[AnswerRow | Decision], default_keys: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    kinds = {(a.keys, a.dtypes): a.round for a in answers}
    if not kinds:
        return tuple(default_keys), ("String",) * len(default_keys)
    if len(kinds) > 1:
        what = "; ".join(
            f"{name!r}: " + ", ".join(f"{k} {t}" for k, t in zip(keys, dtypes, strict=True))
            for (keys, dtypes), name in kinds.items()
        )
        raise RoundError(
            f"The rounds of this ledger name their examples by different key columns ({what}). "
            "Ask for one round at a time: ledger.gold(round=...)."
        )
    return next(iter(kinds))
