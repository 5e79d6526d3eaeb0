"""A log in page order is recognised, and whatever is not in page order is not taken for one."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelkit as lk
from labelkit.engine import lazy
from labelkit.logs.checks import first_look

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


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 3)), max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_order_is_what_a_loop_over_rows_says(
    rows: list[tuple[int, int, int]], ascending: bool, as_text: bool
) -> None:
    rows = sorted(rows, key=lambda row: row[0]) if ascending else rows
    runs: list[tuple[tuple[int, int], list[int]]] = []
    for session, query, position in rows:
        if not runs or runs[-1][0] != (session, query):
            runs.append(((session, query), []))
        runs[-1][1].append(position)
    pages = [page for page, _ in runs]
    rising = all(sorted(set(places)) == places for _, places in runs)
    expected = rising and len(set(pages)) == len(pages)

    frame = pl.DataFrame(rows, schema={"session": int, "query": int, "position": int}, orient="row")
    frame = frame.with_columns(item=pl.int_range(pl.len()), clicked=pl.lit(0, pl.Int64))
    if as_text:
        frame = frame.with_columns(pl.col("session").cast(pl.String))
    assert first_look(lazy(frame), tuple(frame.columns), None).in_page_order == expected
