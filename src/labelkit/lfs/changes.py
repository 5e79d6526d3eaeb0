"""What changed between two sets of votes on the same examples: gained, lost, flipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from labelkit.engine import NativeFrame, to_native_like, to_polars_lazy
from labelkit.errors import LFError
from labelkit.lfs.buckets import beside
from labelkit.lfs.patterns import ABSTAIN
from labelkit.lfs.votes import Votes

if TYPE_CHECKING:
    import polars as pl


def vote_changes(before: Votes, after: Votes) -> NativeFrame:
    """One row per LF of either side, counted over the examples that both sides have.

    Returns
    -------
    Frame of the kind that the examples came in

    - ``lf``; ``status``: "kept", "new" or "removed" (or renamed: votes are matched by name)
    - ``votes_before``, ``votes_after``: votes cast; an LF that is not there casts none
    - ``gained``: abstained before and votes now; ``lost``: the other way round; ``flipped``:
      voted both times, for another class
    - ``unchanged``: votes that are the same
    """
    import polars as pl

    joined = _joined(before, after)
    rows = []
    for name in _names(before, after):
        old, new = pl.col(f"{name}\tbefore"), pl.col(f"{name}\tafter")
        was, is_ = old != ABSTAIN, new != ABSTAIN
        figures = joined.select(
            votes_before=was.sum(),
            votes_after=is_.sum(),
            gained=(~was & is_).sum(),
            lost=(was & ~is_).sum(),
            flipped=(was & is_ & (old != new)).sum(),
            unchanged=(was & is_ & (old == new)).sum(),
        ).row(0, named=True)
        status = "kept"
        if name not in before.lf_names:
            status = "new"
        elif name not in after.lf_names:
            status = "removed"
        rows.append({"lf": name, "status": status, **figures})
    schema = {"lf": pl.String, "status": pl.String} | dict.fromkeys(
        ("votes_before", "votes_after", "gained", "lost", "flipped", "unchanged"), pl.Int64
    )
    table = pl.DataFrame(rows, schema=schema)
    return to_native_like(nw.from_native(table), _like(after))


def changed_examples(
    before: Votes, after: Votes, lf: str, *, examples: NativeFrame | None = None
) -> NativeFrame:
    """The examples on which an LF votes otherwise than before: keys, ``before``, ``after``.

    Parameters
    ----------
    examples : frame with the key columns and whatever a person wants to see beside them
    """
    import polars as pl

    if lf not in _names(before, after):
        raise LFError(f"Neither side has a labeling function {lf!r}.")
    old, new = pl.col(f"{lf}\tbefore"), pl.col(f"{lf}\tafter")
    keys = list(after.keys)
    table = (
        _joined(before, after)
        .filter(old != new)
        .select(*keys, old.alias("before"), new.alias("after"))
    )
    found = beside(table, keys, examples)
    return to_native_like(nw.from_native(found), _like(after))


def _joined(before: Votes, after: Votes) -> pl.DataFrame:
    """Votes of both sides on the examples that both have, in the order of ``after``."""
    import polars as pl

    keys = list(after.keys)
    if not keys or before.keys != after.keys:
        raise LFError(
            f"Votes are compared example by example, and so need the same keys; these have "
            f"{before.keys} and {after.keys}."
        )
    names = _names(before, after)
    sides = []
    for votes, side in ((before, "before"), (after, "after")):
        table = to_polars_lazy(votes.frame).collect()
        sides.append(
            table.select(
                *keys,
                # A tab cannot stand in the name of a Python function.
                *(
                    (
                        pl.col(name) if name in votes.lf_names else pl.lit(ABSTAIN, dtype=pl.Int8)
                    ).alias(f"{name}\t{side}")
                    for name in names
                ),
            )
        )
    old = sides[0].cast({key: sides[1].schema[key] for key in keys})
    return sides[1].join(old, on=keys, how="inner", maintain_order="left")


def _names(before: Votes, after: Votes) -> list[str]:
    return [*after.lf_names, *(name for name in before.lf_names if name not in after.lf_names)]


def _like(votes: Votes) -> NativeFrame:
    return votes.frame if votes.native is None else votes.native
