"""Gold inside a project: fitted on, and yet measured on honestly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.errors import ProjectError
from labelkit.labelmodels import LabelModel
from labelkit.lfs import Votes

if TYPE_CHECKING:
    import polars as pl

N_FOLDS = 5
KEYS = ["query", "item"]


def match_gold(gold: pl.DataFrame, examples: pl.DataFrame) -> pl.DataFrame:
    """The gold labels of examples that this log still has, with keys of the log's type.

    Raises
    ------
    ProjectError
        The ledger's keys cannot be read as the log's.
    """
    import polars as pl

    if gold.is_empty():
        return gold
    try:
        # The ledger stores categories as text, and the log may have them again.
        cast = gold.cast({key: examples.schema[key] for key in KEYS})
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{key} {examples.schema[key]}" for key in KEYS)
        raise ProjectError(f"Gold labels have other keys than the log ({types}): {error}") from None
    return cast.join(examples.select(KEYS), on=KEYS, how="semi", maintain_order="left")


def crossfit(
    model: LabelModel,
    votes: Votes,
    gold: pl.DataFrame,
    *,
    class_balance: Sequence[float] | None,
    seed: int,
) -> pl.DataFrame:
    """Labels of the gold examples, each from a model that did not see the gold of its query.

    A model that was fitted with a gold label has been told the answer; measured on it, it would
    flatter itself. Whole queries go to one fold, since examples of one query resemble each other.

    Parameters
    ----------
    model : the label model as configured; cloned for each fold
    gold : keys, ``label``, ``inclusion_probability``, …; all of them examples of ``votes``

    Returns
    -------
    Keys and weak labels, one row per gold example, sorted by key.
    """
    import polars as pl

    parts = []
    fold = folds(gold, seed)
    for number in range(int(fold.max()) + 1):
        inside = pl.Series(fold == number)
        rest, held_out = gold.filter(~inside), gold.filter(inside)
        fresh = LabelModel(**model.get_params())
        fresh.fit(votes, gold=rest if len(rest) else None, class_balance=class_balance)
        parts.append(pl.DataFrame(fresh.label(votes_of(votes, held_out))))
    return pl.concat(parts).sort(KEYS)


def folds(gold: pl.DataFrame, seed: int) -> npt.NDArray[np.int64]:
    """Fold number of each gold example: whole queries, dealt at random.

    With a single query, examples are dealt instead: better than no held-out label at all.
    """
    unit = KEYS[:1] if gold["query"].n_unique() > 1 else KEYS
    ids = gold.select(unit).select(gold_unit=_dense(unit))["gold_unit"].to_numpy()
    n_units = int(ids.max()) + 1
    deal = np.arange(n_units) % min(N_FOLDS, n_units)
    np.random.default_rng(seed).shuffle(deal)
    return np.asarray(deal[ids])


def _dense(columns: list[str]) -> pl.Expr:
    import polars as pl

    return pl.struct(columns).rank("dense").cast(pl.Int64) - 1


def votes_of(votes: Votes, examples: pl.DataFrame) -> Votes:
    """The votes on some examples only."""
    table = nw.to_native(votes.frame)
    picked = table.join(examples.select(KEYS), on=KEYS, how="semi", maintain_order="left")
    return replace(votes, frame=nw.from_native(picked))


def unflattered(labels: pl.DataFrame, held_out: pl.DataFrame) -> pl.DataFrame:
    """Labels in which those of the gold examples come from models that did not see their gold.

    Parameters
    ----------
    labels : keys and weak labels of all examples
    held_out : what ``crossfit`` gave, for some of them

    Returns
    -------
    A frame like ``labels``, in the same order.
    """
    columns = [name for name in labels.columns if name not in KEYS]
    return labels.update(held_out.select(*KEYS, *columns), on=KEYS, how="left")
