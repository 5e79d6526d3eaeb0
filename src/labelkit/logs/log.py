"""``InteractionLog``: a log that keeps its contract, with the sums that everything else needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame
from labelkit.errors import LogError
from labelkit.logs.cells import CELL, Ranges, sum_cells
from labelkit.logs.counts import PositionCounts
from labelkit.logs.schema import BY_NAME, page_columns


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
    unit : what ``query`` and ``item`` of ``frame`` and ``cells`` stand for, in the contract's
        names; other than them only in a log that ``evidence`` has re-keyed
    query_column : where ``frame`` keeps what was asked
    """

    frame: nw.LazyFrame[Any]
    cells: nw.DataFrame[Any]
    summary: LogSummary
    source_columns: dict[str, str]
    in_page_order: bool = False
    files: tuple[Path, ...] = ()
    native: NativeFrame = field(default=None, repr=False)
    keys: tuple[str, str] = ("query", "item")
    unit: tuple[str, ...] = ("query", "item")
    query_column: str = "query"

    @property
    def columns(self) -> tuple[str, ...]:
        """Canonical names of the columns that this log has."""
        return tuple(self.source_columns)

    @property
    def page_key(self) -> tuple[str, ...]:
        """Columns of ``frame`` that tell result pages apart; empty if the log names no pages."""
        own = {"query": self.query_column}
        return tuple(own.get(name, name) for name in page_columns(self.columns))

    def example_name(self, row: Iterable[object]) -> str:
        """An example in words, from its values of ``keys``: "query 'shoes', item 17"."""
        return ", ".join(f"{name} {value!r}" for name, value in zip(self.unit, row, strict=False))

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

    def cells_by(self, context: Sequence[str]) -> nw.DataFrame[Any]:
        """The cells with more columns in their key, sorted by query, item, position, context.

        One more group-by in the engine, made when it is first asked for and then kept.

        Raises
        ------
        LogError
            The log lacks such a column, or has rows in which it is empty.
        """
        key = tuple(context)
        if not key:
            return self.cells
        kept: dict[tuple[str, ...], nw.DataFrame[Any]] = self.__dict__.setdefault("_cells_by", {})
        if key not in kept:
            for name in key:
                self._require_label(name)
            schema = self.frame.collect_schema()
            # Categories of two tables do not compare on every engine; strings do.
            plain = [n for n in key if schema[n] in (nw.Categorical, nw.Enum)]
            frame = self.frame.with_columns(nw.col(n).cast(nw.String) for n in plain)
            cells = sum_cells(frame, self.columns, self.ranges, key)
            for name in key:
                self._require_filled(name, cells)
            kept[key] = cells
        return kept[key]

    @cached_property
    def ranges(self) -> Ranges | None:
        """Lowest and highest query, item and position; None unless all are whole numbers."""
        if not all(self.cells[name].dtype.is_integer() for name in CELL):
            return None
        ends = ((self.cells[name].min(), self.cells[name].max()) for name in CELL)
        return tuple((int(low), int(high)) for low, high in ends)

    def _require_label(self, name: str) -> None:
        if name in self.columns and name not in CELL:
            return
        labels = [c for c in self.columns if BY_NAME[c].kind == "label"]
        have = f"It has: {', '.join(labels)}." if labels else "It has no context column."
        raise LogError(
            f"The log has no column {name!r} to tell contexts apart. {have} Map one, as in "
            f"columns={{'device': 'your_column'}}."
        )

    def _require_filled(self, name: str, cells: nw.DataFrame[Any]) -> None:
        empty = cells.filter(nw.col(name).is_null())
        if not len(empty):
            return
        first = empty.select("query", "item", "position").row(0)
        raise LogError(
            f"Column {self.source_columns[name]!r} ({name}) is empty in "
            f"{int(empty['impressions'].sum()):,} rows (first: "
            f"{self.example_name(first[:2])}, position {first[2]}). Give these rows a label "
            "of their own."
        )
