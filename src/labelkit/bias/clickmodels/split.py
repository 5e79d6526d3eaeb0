"""Result pages told apart, and split at random into pages to learn from and pages to judge by.

A page is a ``page`` id (within its query), or where the log has none, a session and query. Pages
are numbered in ascending order of their ids, and the number is hashed by whole-number arithmetic:
the same log gives the same split on every engine, whatever the order of its rows and the type of
its ids. (Narwhals has no hash, and engines' own hashes differ.) A log with more pages numbers them
anew, so a page may change sides as a log grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from labelkit.bias.clickmodels.counts import PageCounts, count_pages, index_examples
from labelkit.bias.clickmodels.pages import Pages
from labelkit.engine import collect
from labelkit.errors import LogError
from labelkit.logs import InteractionLog
from labelkit.logs.schema import page_columns

# A page's clicks are the bits of one whole number. 40 leaves room for a page id that stands for
# millions of pages: the sum of bits must not overflow before such a page is found out.
DEEPEST = 40
# More held-out impressions than these only cost memory: differences are then known to far better
# than what matters. The same number of training rows tells how users read on below a last click.
MOST_ROWS = 4_000_000
PRIME = 2**31 - 1


@dataclass(frozen=True)
class SplitLog:
    """A log in two parts that share no page.

    ::

        train      counts of the pages to fit on
        sample     these pages row by row, or a random sample of them
        held_out   the other pages, row by row
        n_aside    impressions in neither: no page id, deeper than ``depth``, or on a page whose
                   id shows a position twice and so stands for several pages
    """

    train: PageCounts
    sample: Pages
    held_out: Pages
    n_train: int
    n_aside: int


def split_pages(log: InteractionLog, *, held_out: float, seed: int, depth: int) -> SplitLog:
    """Count the training pages in one query of the engine, and fetch rows in another.

    Parameters
    ----------
    held_out : share of the pages to judge by, in (0, 1); at most about ``MOST_ROWS``
        impressions, the rest go to training
    depth : positions below it are left out, at most ``DEEPEST``

    Raises
    ------
    LogError
        The log cannot tell pages apart, or ``held_out`` or ``depth`` is out of range.
    """
    by = page_columns(log.columns)
    if not by:
        raise LogError("The log has neither a page nor a session column: pages are not known.")
    if not 0 < held_out < 1 or not 1 <= depth <= DEEPEST:
        raise LogError(
            f"held_out lies between 0 and 1 and depth is 1 to {DEEPEST}; got {held_out}, {depth}."
        )
    n_impressions = log.summary.n_impressions
    share = min(held_out, MOST_ROWS / n_impressions)
    depth = min(depth, int(log.cells["position"].max()))
    rows = _rows(log, by, depth)
    pages = _pages(rows, by, depth)
    judged = int(share * PRIME)
    drawn = nw.col("drawn")
    pages = pages.with_columns(drawn=page_hash(nw.col("number"), seed))

    train = rows.join(pages.filter(drawn >= judged).select(*by, "mask"), on=list(by), how="inner")
    counts, index = index_examples(collect(count_pages(train, depth)))
    looked_at = pages.filter(drawn < judged + int(MOST_ROWS / n_impressions * PRIME))
    fetched = rows.join(looked_at.select(*by, "number", "drawn"), on=list(by), how="inner")
    both = collect(fetched.select("query", "item", "position", "clicked", "number", "drawn"))
    test, sample = (
        _to_pages(both.filter(rule), index) for rule in (drawn < judged, drawn >= judged)
    )
    n_train = int(counts.impressions.sum())
    return SplitLog(counts, sample, test, n_train, n_impressions - n_train - len(test))


def page_hash(number: nw.Expr, seed: int) -> nw.Expr:
    """Whole numbers to about uniform whole numbers below 2³¹ − 1, all steps below 2⁶³."""
    a, b = (int(v) for v in np.random.default_rng([seed, 2]).integers(1, PRIME, 2))
    x = (number.cast(nw.Int64) % PRIME) * 48_271 % PRIME
    x = (x + a) % PRIME
    # Squares break the lattice that a multiplication alone leaves between neighbouring numbers.
    x = (x * x + b) % PRIME
    x = (x * x) % PRIME
    return (x * 69_621) % PRIME


def _rows(log: InteractionLog, by: tuple[str, ...], depth: int) -> nw.LazyFrame[Any]:
    columns = dict.fromkeys((*by, "query", "item"))
    position = nw.col("position").cast(nw.Int64)
    known = ~nw.any_horizontal(*(nw.col(name).is_null() for name in by), ignore_nulls=False)
    # Powers of two are exact in floating point.
    bit = (nw.lit(2.0) ** (position.cast(nw.Float64) - 1)).cast(nw.Int64)
    return log.frame.filter((nw.col("position") <= depth) & known).select(
        *columns,
        position.alias("position"),
        nw.col("clicked").cast(nw.Int64).alias("clicked"),
        bit.alias("bit"),
    )


def _pages(rows: nw.LazyFrame[Any], by: tuple[str, ...], depth: int) -> nw.LazyFrame[Any]:
    """One row per page: its id, ``number`` and ``mask``; pages with a position twice left out."""
    whole = nw.lit(1).cast(nw.Int64)
    marked = rows.select(
        *by, "bit", whole.alias("n"), (nw.col("bit") * nw.col("clicked")).alias("mask")
    )
    sums = marked.group_by(*by).agg(*(nw.col(name).sum() for name in ("n", "bit", "mask")))
    # DuckDB adds whole numbers up in 128 bits.
    pages = sums.with_columns(nw.col("n", "bit", "mask").cast(nw.Int64))
    if pages.implementation.is_polars():
        # Worth keeping: it is joined twice, and small beside the log.
        pages = collect(pages).sort(*by).with_row_index("number").lazy()
    else:
        pages = pages.with_row_index("number", order_by=list(by))
    # n different powers of two add up to a number with n binary ones, and only different ones do.
    ones = whole * 0
    for k in range(depth):
        ones = ones + (nw.col("bit") // 2**k) % 2
    return pages.filter(ones == nw.col("n")).select(*by, "number", "mask")


def _to_pages(rows: nw.DataFrame[Any], index: nw.DataFrame[Any]) -> Pages:
    queries = rows.select("query").unique().sort("query").with_row_index("cluster")
    known = rows.join(index, on=["query", "item"], how="left").join(queries, on="query", how="left")
    known = known.with_columns(nw.col("example").fill_null(-1)).sort("number", "position")
    page, query, example, position = (
        known[name].to_numpy().astype(np.int64)
        for name in ("number", "cluster", "example", "position")
    )
    return Pages(page, query, example, position, known["clicked"].to_numpy() == 1)
