"""``InteractionLog``: a log that keeps its contract, with the sums that everything else needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame
from labelkit.logs.counts import PositionCounts


@dataclass(frozen=True)
class LogSummary:
    """What one pass over the log found; nothing that was done to it is hidden."""

    n_impressions: int
    n_clicks: int
    n_examples: int
    n_queries: int
    n_positions: int
    n_quarantined: int = 0
    quarantine_file: Path | None = None
    unchecked: tuple[str, ...] = ()

    @property
    def click_rate(self) -> float:
        """Clicks per impression."""
        return self.n_clicks / self.n_impressions


@dataclass(frozen=True)
class InteractionLog:
    """An interaction log whose every row keeps the contract.

    ::

        frame   one row per impression, canonical columns, lazy, in the user's engine
        cells   one row per (query, item, position), sorted, with sums over its impressions:
                impressions, clicks [, dwell_ms, dwell_n, dwell_max, conversions, propensity_fp,
                ips_clicks_fp, randomised_impressions, randomised_clicks]

    Parameters
    ----------
    source_columns : canonical name → the user's own column name
    in_page_order : the impressions of each page and query stand in one piece, from the top down
    files : the files that were read, empty for in-memory tables
    native : the frame that the user passed in, so that results come back in its kind
    """

    frame: nw.LazyFrame[Any]
    cells: nw.DataFrame[Any]
    summary: LogSummary
    source_columns: dict[str, str]
    in_page_order: bool = False
    files: tuple[Path, ...] = ()
    native: NativeFrame = field(default=None, repr=False)
    keys: tuple[str, str] = ("query", "item")

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical names of the columns that this log has."""
        return tuple(self.source_columns)

    @cached_property
    def counts(self) -> PositionCounts:
        """Impressions and clicks per example and position, in NumPy."""
        return PositionCounts.from_cells(self.cells)

    @cached_property
    def randomised_counts(self) -> PositionCounts | None:
        """The same over impressions flagged as randomised; None if the log flags none."""
        if "randomised" not in self.source_columns:
            return None
        counts = PositionCounts.from_cells(
            self.cells, impressions="randomised_impressions", clicks="randomised_clicks"
        )
        return counts if np.any(counts.impressions) else None
