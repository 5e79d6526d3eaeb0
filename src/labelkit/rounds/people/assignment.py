"""Who is asked what: examples that get several answers, questions with known answers, and hands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import RoundError

if TYPE_CHECKING:
    import polars as pl

GOLD_STRATUM = "gold"


def overlap_plan(n: int, *, share: float, k: int = 2, seed: int = 0) -> npt.NDArray[np.int64]:
    """How many answers each of ``n`` examples is to get: ``k`` for a random share, else 1.

    The examples with several answers are a simple random sample, so each has the same known
    probability, ``round(share · n) / n``, and agreement among them is an unbiased picture of the
    batch: agreement on hard examples alone would be of hard examples alone.

    Parameters
    ----------
    share : of examples with ``k`` answers, in [0, 1]
    k : answers to each of those, at least 2

    Returns
    -------
    (n,) whole numbers, 1 or k

    Examples
    --------
    >>> int((overlap_plan(100, share=0.2, k=3, seed=1) == 3).sum())
    20
    """
    if not 0 <= share <= 1 or k < 2 or n < 0:
        raise RoundError(
            f"n = {n}, share = {share}, k = {k}: at least 0, within [0, 1], and at least 2."
        )
    wanted = np.ones(n, dtype=np.int64)
    chosen = np.random.default_rng(seed).choice(n, round(share * n), replace=False)
    wanted[chosen] = k
    return wanted


def mix_gold(
    batch: NativeFrame,
    known: NativeFrame,
    *,
    keys: Sequence[str],
    share: float = 0.1,
    seed: int = 0,
) -> pl.DataFrame:
    """A batch with questions mixed in whose answers are known; ``known_label`` marks them.

    Only the ledger learns which they are. They are placed at random among the others and carry no
    pre-annotation, as the audit sample carries none. Their answers judge annotators and never
    become gold.

    Parameters
    ----------
    batch : of ``select`` (``batch.frame``)
    known : frame with ``keys`` and ``label``; examples of the batch are not used
    share : of the tasks that are such questions, in (0, 1)
    seed : of which questions and of their places

    Raises
    ------
    RoundError
        There are fewer known answers than the share asks for, or a column is missing.
    """
    import polars as pl

    if not 0 < share < 1:
        raise RoundError(f"share is between 0 and 1; got {share}.")
    table = collect(lazy(batch)).to_polars()
    answers = collect(lazy(known)).to_polars()
    lacking = [name for name in (*keys, "label") if name not in answers.columns]
    if lacking:
        raise RoundError(f"The known answers have no column {lacking[0]!r}.")
    on = list(keys)
    usable = answers.select(
        *(pl.col(key).cast(table.schema[key]) for key in on),
        known_label=pl.col("label").cast(pl.Int64),
    ).join(table.select(on), on=on, how="anti")
    usable = usable.unique(on, keep="first", maintain_order=True)
    n = max(round(len(table) * share / (1 - share)), 1)
    if len(usable) < n:
        raise RoundError(
            f"{n:,} hidden gold questions are wanted and {len(usable):,} answers are known outside "
            "the batch. Lower the share, or give more."
        )
    random = np.random.default_rng(seed)
    asked = usable[np.sort(random.choice(len(usable), n, replace=False)).tolist()]
    asked = asked.with_columns(inclusion_probability=pl.lit(1.0), stratum=pl.lit(GOLD_STRATUM))
    table = table.with_columns(known_label=pl.lit(None, dtype=pl.Int64))
    if "rank" in table.columns:
        table = table.sort("rank", maintain_order=True)
    whole = pl.concat([table, asked], how="diagonal")
    # Half-way places keep the order of the others.
    places = np.r_[np.arange(len(table)), random.integers(0, len(table) + 1, n) - 0.5]
    order = np.argsort(np.argsort(places, kind="stable"), kind="stable")
    mixed: pl.DataFrame = whole.with_columns(rank=pl.Series(order + 1, dtype=pl.Int64))
    return mixed


def assign(
    n_wanted: npt.ArrayLike, annotators: Sequence[str], *, seed: int = 0
) -> tuple[tuple[str, ...], ...]:
    """Deal tasks out: each to as many different people as it wants, all with equal loads.

    Parameters
    ----------
    n_wanted : (n,) answers that each task is to get
    annotators : their names
    seed : of the dealing; who meets whom on a task is random

    Returns
    -------
    For each task the names; loads differ by one at most.

    Raises
    ------
    RoundError
        A task wants more answers than there are people.
    """
    wanted = np.asarray(n_wanted, dtype=np.int64)
    names = tuple(dict.fromkeys(annotators))
    if len(wanted) and (wanted.max() > len(names) or wanted.min() < 0):
        raise RoundError(
            f"A task wants {wanted.max()} answers of different people, and there are {len(names)}."
        )
    random = np.random.default_rng(seed)
    load = np.zeros(len(names))
    dealt: list[tuple[str, ...]] = [()] * len(wanted)
    for task in random.permutation(len(wanted)):
        free = np.lexsort((random.random(len(names)), load))[: wanted[task]]
        load[free] += 1
        dealt[task] = tuple(names[i] for i in sorted(free))
    return tuple(dealt)
