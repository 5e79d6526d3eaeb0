"""Error buckets: what each LF voted where gold knows the answer, and the examples behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame, to_native_like, to_polars_lazy
from labelkit.errors import LFError
from labelkit.lfs.gold import align_gold
from labelkit.lfs.patterns import ABSTAIN
from labelkit.lfs.votes import Votes

if TYPE_CHECKING:
    import polars as pl


def error_buckets(votes: Votes, gold: NativeFrame) -> NativeFrame:
    """How often each LF gave which vote to examples of which true class.

    Parameters
    ----------
    gold : as in `analyze`; examples without gold are in no bucket

    Returns
    -------
    Frame of the kind that the examples came in: ``lf``, ``vote`` (-1 abstains), ``gold``, ``n``
    examples, ``share`` of the gold examples of that class. Every bucket has a row, empty or not.
    """
    import polars as pl

    labels = align_gold(votes, gold)
    known = labels != ABSTAIN
    k = votes.cardinality
    truth, rows = labels[known], votes.matrix[known].astype(np.int64)
    # (m, k + 1, k)
    counts = np.array(
        [
            np.bincount((rows[:, j] + 1) * k + truth, minlength=(k + 1) * k).reshape(k + 1, k)
            for j in range(rows.shape[1])
        ]
    )
    m = len(votes.lf_names)
    per_class = np.bincount(truth, minlength=k)
    table = pl.DataFrame(
        {
            "lf": [name for name in votes.lf_names for _ in range((k + 1) * k)],
            "vote": np.tile(np.repeat(np.arange(-1, k), k), m),
            "gold": np.tile(np.arange(k), m * (k + 1)),
            "n": counts.reshape(-1).astype(np.int64),
            "share": (counts / np.maximum(per_class, 1)).reshape(-1),
        }
    )
    return to_native_like(nw.from_native(table), _like(votes))


def bucket_examples(
    votes: Votes,
    gold: NativeFrame,
    *,
    lf: str,
    vote: int | None = None,
    label: int | None = None,
    examples: NativeFrame | None = None,
) -> NativeFrame:
    """The examples behind a bucket of `error_buckets`, beside whatever is known of them.

    Parameters
    ----------
    lf : which LF
    vote : what it voted, -1 for abstained; None: any vote that gold contradicts
    label : the true class; None: any
    examples : frame with the key columns and anything that a person wants to see, such as titles;
        columns of its own that are called ``vote`` or ``gold`` are left out

    Returns
    -------
    Frame of the kind that the examples came in: the keys, ``vote``, ``gold``, and the columns of
    ``examples``, in the order of the votes.

    Raises
    ------
    LFError
        There is no such LF, or the votes have no keys to find examples by.
    """
    import polars as pl

    if lf not in votes.lf_names:
        raise LFError(f"There is no labeling function {lf!r}; there are {_named(votes)}.")
    if not votes.keys:
        raise LFError("These votes have no key columns: nothing leads back to the examples.")
    truth = align_gold(votes, gold)
    frame = to_polars_lazy(votes.key_frame).collect()
    cast = votes.matrix[:, votes.lf_names.index(lf)]
    chosen = truth != ABSTAIN
    chosen &= (cast != ABSTAIN) & (cast != truth) if vote is None else cast == vote
    if label is not None:
        chosen &= truth == label
    table = frame.with_columns(
        pl.Series("vote", cast.astype(np.int64)), pl.Series("gold", truth)
    ).filter(pl.Series(chosen))
    found = beside(table, list(votes.keys), examples)
    return to_native_like(nw.from_native(found), _like(votes))


def beside(table: pl.DataFrame, keys: list[str], examples: NativeFrame | None) -> pl.DataFrame:
    """``table`` with the columns that ``examples`` has on the same keys, in the table's order."""
    import polars as pl

    if examples is None:
        return table
    frame = to_polars_lazy(nw.from_native(examples))
    have = frame.collect_schema().names()
    missing = [key for key in keys if key not in have]
    if missing:
        raise LFError(f"The examples lack the key {', '.join(missing)}; they have {have}.")
    fresh = [name for name in have if name not in table.columns]
    wanted = frame.select([*keys, *fresh]).with_columns(
        pl.col(key).cast(table.schema[key]) for key in keys
    )
    few = wanted.join(table.lazy().select(keys), on=keys, how="semi").unique(keys).collect()
    return table.join(few, on=keys, how="left", maintain_order="left")


def _like(votes: Votes) -> NativeFrame:
    return votes.frame if votes.native is None else votes.native


def _named(votes: Votes) -> str:
    return ", ".join(votes.lf_names)
