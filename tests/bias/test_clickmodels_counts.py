"""The statistic and the split behind rival click models, against loops over rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelkit as lk
from labelkit.bias.clickmodels import PageCounts, Pages, SplitLog, split_pages
from labelkit.bias.clickmodels.split import PRIME, page_hash
from labelkit.errors import LogError

ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame.lazy(),
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
    "pandas": lambda frame: frame.to_pandas(),
    "pyarrow": lambda frame: frame.to_arrow(),
}


def draw_log(seed: int, n_pages: int = 60) -> pl.DataFrame:
    """Pages of up to 6 results, some positions missing, rows shuffled, ids as text."""
    rng = np.random.default_rng(seed)
    rows = []
    for page in range(n_pages):
        query = int(rng.integers(4))
        items = rng.permutation(8)
        for k in range(1, 7):
            if rng.random() < 0.8:
                clicked = int(rng.random() < 0.3)
                rows.append((f"p{page}", f"q{query}", f"i{items[k]}", k, clicked))
    schema = ["page", "query", "item", "position", "clicked"]
    return pl.DataFrame(rows, schema=schema, orient="row").sample(
        fraction=1.0, shuffle=True, seed=seed
    )


def loop_over_rows(frame: pl.DataFrame) -> Counter[tuple[Any, ...]]:
    """(query, item, position, previous) → impressions, clicks, reached, last; by the book."""
    sums: Counter[tuple[Any, ...]] = Counter()
    for (_, query), page in frame.group_by("page", "query"):
        rows = sorted(page.iter_rows(named=True), key=lambda row: row["position"])
        clicks = [row["position"] for row in rows if row["clicked"]]
        for row in rows:
            k = row["position"]
            previous = max((c for c in clicks if c < k), default=0)
            cell = (query, row["item"], k, previous)
            sums[*cell, "impressions"] += 1
            sums[*cell, "clicks"] += row["clicked"]
            sums[*cell, "reached"] += int(not clicks or k <= clicks[-1])
            sums[*cell, "last"] += int(bool(clicks) and k == clicks[-1])
    return +sums


def by_name(frame: pl.DataFrame, counts: PageCounts) -> Counter[tuple[Any, ...]]:
    """Counts under the names of queries and items, which are indexed in ascending order."""
    names = frame.select("query", "item").unique().sort("query", "item").rows()
    assert counts.n_examples == len(names)
    sums: Counter[tuple[Any, ...]] = Counter()
    for i in range(len(counts)):
        cell = (*names[counts.example[i]], int(counts.position[i]), int(counts.previous[i]))
        for name in ("impressions", "clicks", "reached", "last"):
            sums[*cell, name] += int(getattr(counts, name)[i])
    return +sums


def split(frame: Any, held_out: float = 0.3, seed: int = 0) -> SplitLog:
    return split_pages(lk.read_log(frame), held_out=held_out, seed=seed, depth=40)


def train_pages(frame: pl.DataFrame, result: SplitLog) -> pl.DataFrame:
    """The rows that were not held out: pages are numbered in ascending order of their ids."""
    numbered = frame.select("page", "query").unique().sort("page", "query").with_row_index("n")
    held = frame.join(numbered, on=["page", "query"]).filter(
        pl.col("n").is_in(np.unique(result.held_out.page).tolist())
    )
    assert len(held) == len(result.held_out)
    return frame.join(held, on=["page", "query"], how="anti")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_counts_what_a_loop_over_rows_counts(engine: str) -> None:
    frame = draw_log(0)
    result = split(ENGINES[engine](frame))
    rest = train_pages(frame, result)
    assert 0 < len(result.held_out) < len(frame)
    assert result.n_train == len(rest)
    assert by_name(rest, result.train) == loop_over_rows(rest)


def test_engines_and_row_orders_agree_on_who_is_held_out() -> None:
    frame = draw_log(1)
    variants = [make(frame) for make in ENGINES.values()] + [frame.reverse()]
    results = [split(variant) for variant in variants]
    for result in results[1:]:
        for name in ("page", "query", "example", "position", "clicked"):
            expected = getattr(results[0].held_out, name)
            np.testing.assert_array_equal(getattr(result.held_out, name), expected)


def test_another_seed_holds_out_other_pages() -> None:
    frame = draw_log(2, n_pages=200)
    one, other = (set(split(frame, seed=s).held_out.page.tolist()) for s in (0, 1))
    assert one != other


def test_the_hash_of_page_numbers_is_uniform_and_without_pattern() -> None:
    numbers = nw.from_native(pl.DataFrame({"number": np.arange(200_000)}))
    for seed in range(5):
        drawn = numbers.select(h=page_hash(nw.col("number"), seed))["h"].to_numpy() / PRIME
        held = drawn < 0.2
        assert held.mean() == pytest.approx(0.2, abs=0.005)
        # Neighbours, and numbers at other distances at which ids may repeat, are independent.
        for lag in (1, 2, 7, 10, 1000):
            both = np.mean(held[lag:] & held[:-lag])
            assert both == pytest.approx(0.04, abs=0.004), (seed, lag)


def test_a_page_that_shows_a_position_twice_is_set_aside_whole() -> None:
    frame = draw_log(3)
    twice = pl.DataFrame(
        {
            "page": ["x"] * 3,
            "query": ["q0"] * 3,
            "item": ["i1", "i2", "i3"],
            "position": [1, 1, 2],
            "clicked": [0, 1, 0],
        }
    )
    result = split(pl.concat([frame, twice]))
    assert result.n_aside == 3
    assert result.n_train + len(result.held_out) == len(frame)


def test_rows_without_a_page_and_below_the_depth_are_counted_aside() -> None:
    frame = draw_log(4).with_columns(
        page=pl.when(pl.col("page") == "p7").then(None).otherwise(pl.col("page"))
    )
    result = split_pages(lk.read_log(frame), held_out=0.2, seed=0, depth=3)
    kept = frame.filter(pl.col("page").is_not_null() & (pl.col("position") <= 3))
    assert result.n_train + len(result.held_out) == len(kept)
    assert result.n_aside == len(frame) - len(kept)
    assert result.train.depth <= 3


def test_without_page_ids_a_page_is_a_session_and_a_query() -> None:
    frame = draw_log(5)
    by_page, by_session = split(frame), split(frame.rename({"page": "session"}))
    # The same split: ids are numbered in the same order, whatever their column is called.
    np.testing.assert_array_equal(by_session.train.impressions, by_page.train.impressions)
    np.testing.assert_array_equal(by_session.held_out.page, by_page.held_out.page)


def test_the_sample_of_a_small_log_is_all_its_training_pages() -> None:
    result = split(draw_log(6))
    assert len(result.sample) == result.n_train
    assert not set(result.sample.page.tolist()) & set(result.held_out.page.tolist())
    assert result.sample.example.min() >= 0


def test_positions_up_to_40_are_told_apart_exactly() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "page": np.repeat(np.arange(50), 40),
            "query": 1,
            "item": np.tile(np.arange(40), 50),
            "position": np.tile(np.arange(1, 41), 50),
            "clicked": (rng.random(2_000) < 0.5).astype(int),
        }
    )
    result = split(frame)
    rest = train_pages(frame, result)
    assert by_name(rest, result.train) == loop_over_rows(rest)


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(LogError, match="held_out lies between 0 and 1"):
        split(draw_log(0), held_out=1.0)


cells = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(0, 3), st.integers(0, 2)),
    max_size=12,
)


def counts_of(rows: list[tuple[int, int, int, int]]) -> PageCounts:
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    e, k, r, c = columns
    return PageCounts.from_arrays(e, k, r, np.asarray(c, int) + 1, c, np.asarray(c, int) + 1, c)


@given(cells, cells)
@settings(max_examples=50, deadline=None)
def test_counts_of_two_logs_add_up_to_those_of_both(
    one: list[tuple[int, int, int, int]], other: list[tuple[int, int, int, int]]
) -> None:
    added, whole = counts_of(one) + counts_of(other), counts_of(one + other)
    for name in ("example", "position", "previous", "impressions", "clicks", "reached", "last"):
        np.testing.assert_array_equal(getattr(added, name), getattr(whole, name))


def test_pages_out_of_order_are_refused() -> None:
    page, one = np.array([0, 0]), np.array([1, 1])
    with pytest.raises(LogError, match="sorted by page and position"):
        Pages(page, one, one, np.array([2, 1]), np.array([True, False]))


def test_pages_know_the_click_above() -> None:
    page = np.array([0, 0, 0, 0, 1, 1])
    position = np.array([1, 2, 4, 5, 1, 2])
    clicked = np.array([False, True, False, True, False, False])
    pages = Pages(page, page, page, position, clicked)
    assert pages.previous.tolist() == [0, 0, 2, 2, 0, 0]
