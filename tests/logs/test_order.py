"""A log in page order is recognised, and whatever is not in page order is not taken for one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import labelkit as lk

PAGES = pl.DataFrame(
    {
        "session": [1, 1, 1, 1, 2, 2],
        "query": [5, 5, 6, 6, 5, 5],
        "item": [1, 2, 1, 2, 1, 3],
        "position": [1, 2, 1, 2, 1, 3],
        "clicked": [0, 1, 0, 0, 1, 0],
    }
)


def test_pages_in_one_piece_from_the_top_down_are_in_order() -> None:
    assert lk.read_log(PAGES).in_page_order


@pytest.mark.parametrize(
    "rows",
    [
        [1, 0, 2, 3, 4, 5],  # from the bottom up
        [0, 2, 3, 4, 5, 1],  # a page in two pieces
        [0, 4, 1, 5, 2, 3],  # pages mixed
    ],
)
def test_pages_in_another_order_are_not(rows: list[int]) -> None:
    log = lk.read_log(PAGES[rows])
    assert not log.in_page_order
    assert log.cells.to_polars().equals(lk.read_log(PAGES).cells.to_polars())


def test_a_session_that_asks_twice_is_no_page_but_no_repeat_either() -> None:
    twice = pl.concat([PAGES, PAGES]).sort("session", maintain_order=True)
    log = lk.read_log(twice.with_columns(timestamp=pl.int_range(12)))
    assert not log.in_page_order
    assert log.summary.n_impressions == 12


def test_without_a_page_or_session_there_is_no_order_to_speak_of() -> None:
    assert not lk.read_log(PAGES.drop("session")).in_page_order


def test_rows_left_after_quarantine_are_looked_at_again(tmp_path: Path) -> None:
    bad = PAGES.with_columns(position=pl.Series([1, 2, 1, 0, 1, 3]))
    log = lk.read_log(bad, on_bad_rows="quarantine", quarantine_file=tmp_path / "bad.parquet")
    assert log.summary.n_quarantined == 1
    assert log.in_page_order
