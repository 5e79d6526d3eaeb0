"""Labeling functions in the report: how they agree, what each adds, what gold says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelkit.project import ResultTable
from labelkit.project.functions import AGREEMENT
from labelkit.project.runs import LFS_PREFIX
from labelkit.report import charts
from labelkit.report.sheets import Sheet, sheet

# More functions than this make a map that nobody can read.
MOST_FUNCTIONS = 40


@dataclass(frozen=True)
class FunctionPart:
    """One part of the section: text, perhaps a chart (SVG that labelkit drew), and a table."""

    title: str
    note: str
    svg: str
    sheet: Sheet


def function_parts(tables: Sequence[ResultTable]) -> tuple[FunctionPart, ...]:
    """The parts that a run has tables for, in the order of their names."""
    return tuple(_part(table) for table in tables if table.name.startswith(LFS_PREFIX))


def _part(table: ResultTable) -> FunctionPart:
    svg = ""
    if table.name == AGREEMENT and len(table.frame.drop_nulls("agreement")):
        n = len({*table.frame["lf"], *table.frame["other"]})
        if n <= MOST_FUNCTIONS:
            svg = charts.agreement_chart(table.frame)
    return FunctionPart(table.title, table.note, svg, sheet(table.frame))
