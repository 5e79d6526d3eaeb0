"""Position bias in the report: one part a question, with a chart where there is a curve to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelkit.project import ResultTable
from labelkit.project.biasing import (
    BY_POSITION,
    CLICK_MODELS,
    CURVES,
    PERPLEXITY,
    RANKERS,
    REFUSED,
    SENSITIVITY,
    WEIGHTS,
    WINDOW_CURVES,
    WINDOWS,
)
from labelkit.report import charts
from labelkit.report.sheets import Sheet, curves_side_by_side, sheet

if TYPE_CHECKING:
    import polars as pl

ORDER = (
    *(CURVES, REFUSED, CLICK_MODELS, PERPLEXITY, WINDOWS, WINDOW_CURVES),
    *(RANKERS, WEIGHTS, BY_POSITION, SENSITIVITY),
)
NUMBERS = ("propensity", "low", "high", "background")


@dataclass(frozen=True)
class BiasPart:
    """One part of the section: text, perhaps a chart (SVG that labelkit drew), perhaps a table."""

    title: str
    note: str
    svg: str
    sheet: Sheet | None


def propensity_figure(propensities: pl.DataFrame, truth: pl.DataFrame | None) -> str:
    """The curve in use: one line, or one line a context."""
    import polars as pl

    context = [name for name in propensities.columns if name not in ("position", *NUMBERS)]
    if not context:
        return charts.propensity_chart(propensities, truth)
    named = pl.concat_str([pl.col(name).cast(pl.String) for name in context], separator=", ")
    return charts.curves_chart(propensities.with_columns(curve=named), "curve")


def bias_parts(tables: Sequence[ResultTable]) -> tuple[BiasPart, ...]:
    """The parts that a run has tables for, in the order in which a reader asks."""
    found = {table.name: table for table in tables}
    return tuple(_part(found[name]) for name in ORDER if name in found)


def _part(table: ResultTable) -> BiasPart:
    frame, svg = table.frame, ""
    shown: Sheet | None = sheet(frame)
    if table.name == CURVES and len(frame):
        svg = charts.curves_chart(frame, "method")
        shown = sheet(curves_side_by_side(frame, "method"))
    elif table.name == PERPLEXITY and len(frame):
        svg = charts.curves_chart(
            frame, "model", y="perplexity", low="perplexity_low", high="perplexity_high"
        )
        bounds = {"perplexity_low": "low", "perplexity_high": "high"}
        shown = sheet(curves_side_by_side(frame.rename(bounds), "model", y="perplexity"))
    elif table.name == WINDOW_CURVES and len(frame):
        svg = charts.curves_chart(frame, "group")
        shown = sheet(curves_side_by_side(frame, "group"))
    elif table.name == BY_POSITION and len(frame):
        svg = charts.weight_chart(frame)
    return BiasPart(table.title, table.note, svg, shown)
