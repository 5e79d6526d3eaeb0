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


def gold_frame(answers: Sequence[AnswerRow], *, default_keys: Sequence[str]) -> pl.DataFrame:
    """One row per example: the majority of its annotators.

    Each annotator counts once, with their last answer. A tie goes to the answer that was given
    first, which favours no class; ``agreement`` (the share of annotators who chose ``label``) shows
    it. An example that several rounds asked about is taken from the latest that has an answer,
    with that round's inclusion probability.
    """
    import polars as pl

    keys, dtypes = _common_keys(answers, default_keys)
    table = pl.DataFrame(
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
    latest_round = pl.col("round_id") == pl.col("round_id").max().over("example")
    each = (
        table.filter(latest_round)
        .sort("at", "id", nulls_last=False)
        .unique(["example", "annotator"], keep="last", maintain_order=True)
    )
    counted = each.group_by("example", "label", maintain_order=True).agg(
        pl.len().alias("n"),
        pl.col("at").first(),
        pl.col("id").first(),
        pl.col("round", "inclusion_probability").first(),
    )
    decided = (
        counted.with_columns(pl.col("n").sum().over("example").alias("annotators"))
        .sort("n", "at", "id", descending=[True, False, False])
        .unique("example", keep="first", maintain_order=True)
        .sort("example")
    )
    values = [decode(text, dtypes) for text in decided["example"]]
    key_columns = {
        key: pl.Series(key, [row[i] for row in values], dtype=polars_dtype(dtypes[i]))
        for i, key in enumerate(keys)
    }
    return decided.with_columns(**key_columns).select(
        *keys,
        "label",
        "inclusion_probability",
        "round",
        pl.col("annotators").cast(pl.Int64),
        (pl.col("n") / pl.col("annotators")).alias("agreement"),
        pl.lit(value=False).alias("adjudicated"),
    )


def _common_keys(
    answers: Sequence[AnswerRow], default_keys: Sequence[str]
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
