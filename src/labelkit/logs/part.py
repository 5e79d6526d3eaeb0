"""A part of a log: the same contract over fewer rows, with its sums made anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import narwhals as nw

from labelkit.engine import collect
from labelkit.errors import LogError
from labelkit.logs.cells import Ranges, sum_cells
from labelkit.logs.log import InteractionLog


def part_of(
    log: InteractionLog,
    frame: nw.LazyFrame[Any],
    *,
    nothing_left: str,
    keeps_order: bool = True,
    ranges: Ranges | None = None,
) -> InteractionLog:
    """``log`` over the rows of ``frame``, which are some of its own.

    Parameters
    ----------
    frame : of the log's engine, or of Polars
    nothing_left : what to say if no row is left
    keeps_order : whether the rows stand in the order in which they stood
    ranges : of the key columns, if they are known to be whole numbers without a gap

    Raises
    ------
    LogError
        No row is left.
    """
    cells = sum_cells(frame, log.columns, ranges)
    if not len(cells):
        raise LogError(nothing_left)
    if cells.implementation != log.cells.implementation:
        cells = collect(cells.lazy().collect(log.cells.implementation))
    in_order = log.in_page_order and keeps_order
    part = replace(log, frame=frame, cells=cells, in_page_order=in_order)
    summary = replace(
        log.summary,
        n_impressions=int(cells["impressions"].sum()),
        n_clicks=int(cells["clicks"].sum()),
        n_positions=int(cells["position"].n_unique()),
        n_examples=part.counts.n_examples,
        n_queries=part.counts.n_queries,
    )
    return replace(part, summary=summary)
