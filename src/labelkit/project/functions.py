"""What a run's labeling functions do, one by one, in pairs and together, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import narwhals as nw
from threadpoolctl import threadpool_limits

from labelkit.engine import NativeFrame, collect
from labelkit.errors import GoldError
from labelkit.labelmodels import marginal_value
from labelkit.labelmodels.diagnostics import Diagnosis
from labelkit.labelmodels.model import MethodName
from labelkit.lfs import Votes, agreement, bucket_examples, error_buckets, redundancy
from labelkit.project.config import Config
from labelkit.project.gold import match_gold
from labelkit.project.runs import DOUBTS, LFS_PREFIX, ResultTable, Run
from labelkit.project.tables import shown_items

if TYPE_CHECKING:
    import polars as pl

AGREEMENT, REDUNDANCY = f"{LFS_PREFIX}1-agreement", f"{LFS_PREFIX}2-redundancy"
VALUE, ERRORS = f"{LFS_PREFIX}3-value", f"{LFS_PREFIX}4-errors"
# The model is fitted once for each LF, at about 0.2 ms for a thousand cells of the pattern table:
# up to so many cells in all, `label` does it by itself, and above it `labelkit lfs value`.
CHEAP_CELLS = 1_000_000
# The weak labels, where they stand beside the votes as those of one more function.
LABELS = "(labels)"
ABSTAINED = "abstained"


def votes_of(run: Run) -> Votes:
    """The votes of a run, as `label` had them."""
    table, keys = run.votes(), run.manifest.unit
    names = tuple(name for name in table.columns if name not in keys)
    cardinality = len(run.manifest.label_names)
    return Votes(nw.from_native(table), keys, names, cardinality, table.clear())


def agreement_table(votes: Votes) -> ResultTable:
    """How the functions agree, pair by pair."""
    note = (
        "together: examples on which both vote; agreement: share of these on which they vote "
        "alike; kappa: agreement beyond chance, 0 for none, 1 for throughout, nothing where both "
        "can only vote one way. Two good functions agree beyond chance; a pair at 0 or below has "
        "one that is no better than a coin, or both look at different things."
    )
    frame = _polars(agreement(votes))
    return ResultTable(AGREEMENT, "Labeling functions in pairs", note, frame)


def redundancy_table(votes: Votes) -> ResultTable:
    """Which functions say something that no other says."""
    note = (
        "alone: share of its votes where no other function votes; repeats: the function that most "
        "surely votes the same wherever this one votes, and how surely beyond chance. Near copies "
        "share the weight of one in the label model; keep the one that you can explain."
    )
    frame = _polars(redundancy(votes))
    return ResultTable(REDUNDANCY, "What each labeling function adds", note, frame)


def value_table(
    votes: Votes,
    gold: pl.DataFrame,
    *,
    method: MethodName,
    class_balance: Sequence[float] | None,
    seed: int,
) -> ResultTable:
    """What the labels would be without each function."""
    with threadpool_limits(1, user_api="blas"):
        found = marginal_value(
            votes,
            gold if len(gold) else None,
            method=method,
            class_balance=class_balance,
            seed=seed,
        )
    note = (
        "Each function is left out in turn and the label model fitted again. coverage lost: "
        "examples on which no other votes; labels changed: examples with another label; "
        "probability moved: by how much on average."
    )
    if len(gold):
        note += (
            f" Gains are on {len(gold):,} gold labels that the model did not see, with 95 % "
            "intervals: positive says that the function helps."
        )
    return ResultTable(VALUE, "What the labels lose without a labeling function", note, found)


def errors_table(
    votes: Votes, labels: pl.DataFrame, gold: pl.DataFrame, names: Sequence[str]
) -> ResultTable:
    """What each function, and the labels, said of the gold examples of each class."""
    import polars as pl

    counts = _polars(error_buckets(with_labels(votes, labels), gold))
    wide = (
        counts.pivot("gold", index=["lf", "vote"], values="n")
        .rename({str(y): f"truly {name}" for y, name in enumerate(names)})
        .with_columns(vote=_named("vote", names))
    )
    said = pl.sum_horizontal(f"truly {name}" for name in names) > 0
    note = (
        "How often gold says what of the examples to which a function gives which vote. "
        f"{LABELS}: the weak labels, from models that did not see the gold. "
        "labelkit lfs errors NAME shows the examples."
    )
    return ResultTable(ERRORS, "Votes beside gold", note, wide.filter(said))


def with_labels(votes: Votes, labels: pl.DataFrame) -> Votes:
    """The votes, and the weak labels as those of one more function."""
    import polars as pl

    table = nw.to_native(votes.frame)
    keys = list(votes.keys)
    label = labels.select(*keys, pl.col("label").cast(pl.Int8).alias(LABELS))
    joined = table.join(label, on=keys, how="left", maintain_order="left")
    joined = joined.with_columns(pl.col(LABELS).fill_null(-1))
    names = (*votes.lf_names, LABELS)
    return Votes(nw.from_native(joined), votes.keys, names, votes.cardinality, joined.clear())


def errors_of(
    run: Run,
    gold: pl.DataFrame,
    config: Config,
    directory: Path,
    *,
    lf: str,
    vote: int | None = None,
    label: int | None = None,
) -> pl.DataFrame:
    """The examples behind a bucket, with the run's evidence and what people are shown.

    Raises
    ------
    GoldError
        There is no gold label for this run.
    """
    known = needed_gold(gold, run)
    votes = with_labels(votes_of(run), honest_labels(run))
    found = _polars(
        bucket_examples(votes, known, lf=lf, vote=vote, label=label, examples=run.evidence())
    )
    return shown_beside(found, config, directory, examples=run.evidence(), keys=run.keys)


def shown_beside(
    table: pl.DataFrame,
    config: Config,
    directory: Path,
    *,
    examples: pl.DataFrame,
    keys: Sequence[str],
) -> pl.DataFrame:
    """``table`` with the columns that people see when they label, right after the keys.

    ``examples`` and ``keys`` as of ``tables.shown_items``.
    """
    items = shown_items(table, config.tables, directory, examples=examples, keys=keys)
    fresh = [name for name in items.columns if name not in table.columns]
    beside = items.select(*keys, *fresh)
    joined = table.join(beside, on=list(keys), how="left", maintain_order="left")
    rest = [name for name in table.columns if name not in keys]
    return joined.select(*keys, *fresh, *rest)


def needed_gold(gold: pl.DataFrame, run: Run) -> pl.DataFrame:
    """The gold of a run's examples; an error where there is none."""
    known = match_gold(gold, run.labels(), run.keys)
    if known.is_empty():
        raise GoldError(
            "There is no gold label yet to compare votes with. Ask people: `labelkit round plan`, "
            "`labelkit round push`, and when they have labeled `labelkit round pull`."
        )
    return known


def honest_labels(run: Run) -> pl.DataFrame:
    """A run's labels, those of gold examples from models that did not see their gold."""
    from labelkit.project.gold import unflattered

    labels = run.labels()
    return unflattered(labels, run.table("crossfit"), run.keys) if run.has("crossfit") else labels


def doubts_table(diagnosis: Diagnosis) -> ResultTable:
    """What to doubt in the label model, and what to do about it."""
    note = (
        f"The label model explains {diagnosis.explained:.0%} of what functions do in pairs. "
        "Each doubt comes with what to do about it; none of them is proof that labels are wrong."
    )
    frame = diagnosis.frame.fill_nan(None)
    return ResultTable(DOUBTS, "What to doubt in the label model", note, frame)


def lf_tables(
    votes: Votes,
    labels: pl.DataFrame,
    gold: pl.DataFrame,
    names: Sequence[str],
    *,
    method: MethodName,
    class_balance: Sequence[float] | None,
    seed: int,
) -> list[ResultTable]:
    """Everything that a run keeps about its functions beside their analysis.

    Parameters
    ----------
    labels : those of the gold examples from models that did not see their gold
    method : that the label model ended in
    """
    tables = [agreement_table(votes), redundancy_table(votes)]
    m = len(votes.lf_names)
    if len(votes.patterns) * m * m <= CHEAP_CELLS:
        tables.append(
            value_table(votes, gold, method=method, class_balance=class_balance, seed=seed)
        )
    if len(gold):
        tables.append(errors_table(votes, labels, gold, names))
    return tables


def _map(names: Sequence[str]) -> dict[int, str]:
    return dict(enumerate(names))


def _named(column: str, names: Sequence[str]) -> pl.Expr:
    import polars as pl

    return pl.col(column).replace_strict({-1: ABSTAINED, **_map(names)}, return_dtype=pl.String)


def _polars(frame: NativeFrame) -> pl.DataFrame:
    return collect(nw.from_native(frame)).to_polars()
