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
from labelkit.project.units import refuse_other_gold

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
N_FOLDS = 5


def match_gold(gold: pl.DataFrame, examples: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The gold labels of examples that this log still has, with keys of the log's type.

    Parameters
    ----------
    gold : of the ledger, or empty
    keys : of the examples: the labeled unit

    Raises
    ------
    ProjectError
        The ledger's answers are about another unit, or its keys cannot be read as the log's.
    """
    import polars as pl

    if gold.is_empty():
        return gold
    refuse_other_gold(gold, keys)
    on = list(keys)
    try:
        # The ledger stores categories as text, and the log may have them again.
        cast = gold.cast({key: examples.schema[key] for key in on})
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{key} {examples.schema[key]}" for key in on)
        raise ProjectError(f"Gold labels have other keys than the log ({types}): {error}") from None
    return cast.join(examples.select(on), on=on, how="semi", maintain_order="left")


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
    flatter itself. Whole queries (values of the first key) go to one fold, since examples of one
    query resemble each other.

    Each fold's model has its own calibration and class balance, which a fold with many positives
    leaves low: probabilities of different models must not be ranked against each other (the AUC of
    merged folds is biased downwards, Parker et al. 2007). ``rank`` is comparable: the place of the
    example's probability among all examples, under the model that gave it.

    Parameters
    ----------
    model : the fitted label model; each fold fits a new one by the same method. Which method that
        is has been chosen with all gold: a choice among three, by a margin of a standard error
    gold : keys, ``label``, ``inclusion_probability``, …; all of them examples of ``votes``

    Returns
    -------
    Keys, weak labels and ``rank`` in [0, 1] (of ``p_1``), one row per gold example, sorted by key.

    References
    ----------
    Parker, Günter & Bedo (2007), Stratification bias in low signal microarray studies, BMC
    Bioinformatics 8:326.
    """
    import polars as pl

    parts = []
    fold = folds(gold, seed, keys=votes.keys)
    for number in range(int(fold.max()) + 1):
        inside = pl.Series(fold == number)
        rest, held_out = gold.filter(~inside), gold.filter(inside)
        fresh = LabelModel(model.cardinality, method=model.method_, seed=seed)
        fresh.fit(votes, gold=rest if len(rest) else None, class_balance=class_balance)
        labels = pl.DataFrame(fresh.label(votes_of(votes, held_out)))
        parts.append(labels.with_columns(rank=_rank(labels["p_1"].to_numpy(), fresh, votes)))
    return pl.concat(parts).sort(votes.keys)


def _rank(p: FloatArray, model: LabelModel, votes: Votes) -> FloatArray:
    """Mid-rank of ``p`` among the model's probabilities of class 1 for all examples, in [0, 1]."""
    patterns = votes.patterns
    pool = np.round(model.predict_proba(patterns.rows)[:, 1], 9)
    order = np.argsort(pool, kind="stable")
    below = np.concatenate([[0], np.cumsum(patterns.counts[order])])
    # The same votes may differ in the last bit when they are computed in another batch.
    left = np.searchsorted(pool[order], np.round(p, 9) - 1e-8)
    right = np.searchsorted(pool[order], np.round(p, 9) + 1e-8)
    return np.asarray((below[left] + below[right]) / 2 / below[-1])


def folds(gold: pl.DataFrame, seed: int, *, keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """Fold number of each gold example: whole queries (values of the first key), at random.

    With a single query, examples are dealt instead: better than no held-out label at all.
    """
    whole = list(keys[:1] if gold[keys[0]].n_unique() > 1 else keys)
    ids = gold.select(whole).select(gold_unit=_dense(whole))["gold_unit"].to_numpy()
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
    on = list(votes.keys)
    picked = table.join(examples.select(on), on=on, how="semi", maintain_order="left")
    return replace(votes, frame=nw.from_native(picked))


def unflattered(labels: pl.DataFrame, held_out: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Labels in which those of the gold examples come from models that did not see their gold.

    Parameters
    ----------
    labels : keys and weak labels of all examples
    held_out : keys of some of them, and columns to take the place of those in ``labels``

    Returns
    -------
    A frame like ``labels``, in the same order.
    """
    columns = [name for name in labels.columns if name in held_out.columns]
    return labels.update(held_out.select(columns), on=list(keys), how="left")
