"""Small frames as Rich tables. Cells are data: nothing in them is taken for markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from labelkit.report.sheets import sheet

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table


def rich_table(frame: pl.DataFrame, *, title: str = "") -> Table:
    """A table for the terminal: numbers to the right, intervals folded into their estimate."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = sheet(frame)
    side: Literal["left", "right"]
    table = Table(title=Text(title) if title else None, box=box.SIMPLE_HEAD, title_justify="left")
    for name, numeric in zip(cells.header, cells.numeric, strict=True):
        side = "right" if numeric else "left"
        table.add_column(Text(name), justify=side, overflow="fold", no_wrap=numeric)
    for row in cells.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
