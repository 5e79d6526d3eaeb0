"""Small frames as Rich tables. Cells are data: nothing in them is taken for markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from labelkit.report.sheets import Sheet, sheet

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

# Padding and a line between columns, and as much at the ends.
_GAP = 3
# Text may be folded down to this many characters; numbers are never cut.
_LEAST_TEXT = 14


def rich_tables(frame: pl.DataFrame, *, title: str = "", width: int | None = None) -> list[Table]:
    """Tables for the terminal: numbers to the right, intervals folded into their estimate.

    Where one would be wider than ``width``, headers and intervals go onto lines of their own and
    texts are folded; and if that is not enough, the columns that do not fit follow in another
    table, with the first column once more.
    """
    cells = sheet(frame)
    if width is None or sum(_widths(cells)) <= width:
        return [_table(cells, title)]
    parts = _parts(_stacked(cells), width)
    return [_table(part, title if number == 0 else "") for number, part in enumerate(parts)]


def _table(cells: Sheet, title: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    side: Literal["left", "right"]
    table = Table(title=Text(title) if title else None, box=box.SIMPLE_HEAD, title_justify="left")
    for j, (name, numeric) in enumerate(zip(cells.header, cells.numeric, strict=True)):
        side = "right" if numeric else "left"
        least = None if numeric else min(_LEAST_TEXT, _longest(cells, j))
        table.add_column(
            Text(name), justify=side, overflow="fold", no_wrap=numeric, min_width=least
        )
    for row in cells.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _stacked(cells: Sheet) -> Sheet:
    """Headers word by word, and intervals below their estimates."""
    rows = tuple(
        tuple(
            cell.replace(" [", "\n[") if numeric else cell
            for cell, numeric in zip(row, cells.numeric, strict=True)
        )
        for row in cells.rows
    )
    header = tuple(name.replace(" ", "\n") for name in cells.header)
    return Sheet(header, cells.numeric, rows)


def _parts(cells: Sheet, width: int) -> list[Sheet]:
    """Columns dealt to as many tables as it takes, the first column in each of them."""
    least = [
        needed if numeric else min(needed, _LEAST_TEXT + _GAP)
        for needed, numeric in zip(_widths(cells), cells.numeric, strict=True)
    ]
    chosen: list[list[int]] = [[0]]
    for j in range(1, len(least)):
        if len(chosen[-1]) > 1 and sum(least[i] for i in (*chosen[-1], j)) > width:
            chosen.append([0])
        chosen[-1].append(j)
    return [
        Sheet(
            tuple(cells.header[j] for j in columns),
            tuple(cells.numeric[j] for j in columns),
            tuple(tuple(row[j] for j in columns) for row in cells.rows),
        )
        for columns in chosen
    ]


def _widths(cells: Sheet) -> list[int]:
    return [_longest(cells, j) + _GAP for j in range(len(cells.header))]


def _longest(cells: Sheet, j: int) -> int:
    texts = [cells.header[j], *(row[j] for row in cells.rows)]
    return max(len(line) for text in texts for line in text.split("\n"))
