from __future__ import annotations

from datetime import timedelta
from typing import Any

import narwhals as nw
import polars as pl
import pytest

import labelkit as lk
from labelkit.errors import LogError
from labelkit.logs import BotRules, InteractionLog, count_once, exclude, find_bots


def visits() -> pl.DataFrame:
    """Four visitors: a person, one who clicks on everything, one like a clock, one in a hurry."""
    rows = []

    def page(user: str, at: float, clicks: tuple[int, ...]) -> None:
        rows.extend(
            {
                "user": user,
                "session": user,
                "query": f"q{at % 7:.0f}",
                "item": k,
                "position": k,
                "clicked": int(k in clicks),
                "timestamp": at,
            }
            for k in range(1, 5)
        )

    for i in range(12):
        page("person", 1000.0 + 37 * i + 13 * (i % 3), (1,) if i % 2 else ())
    for i in range(12):
        page("greedy", 1000.0 + 41 * i + 19 * (i % 2), (1, 2, 3, 4))
    for i in range(12):
        page("clock", 1000.0 + 60 * i, (1,))
    for i in range(40):
        page("fast", 1020.0 + 0.5 * i + 0.3 * (i % 2), ())
    return pl.DataFrame(rows)


@pytest.fixture
def log() -> InteractionLog:
    return lk.read_log(visits())


def test_each_rule_finds_the_visitor_that_breaks_it(engine: Any) -> None:
    log = lk.read_log(engine(visits()))
    found = nw.from_native(find_bots(log), eager_only=True).to_polars()
    assert found["id"].to_list() == ["clock", "fast", "greedy"]
    assert found["reason"].to_list() == ["clockwork", "too_fast", "clicks_everything"]
    assert found["value"].to_list() == [0.0, 40.0, 1.0]
    assert found["n_impressions"].to_list() == [48, 160, 48]


def test_a_rule_can_be_moved_or_switched_off(log: InteractionLog) -> None:
    lenient = BotRules(pages_a_minute=40, clockwork=None)
    assert find_bots(log, rules=lenient)["id"].to_list() == ["greedy"]
    many = BotRules(click_rate=None, clicks_a_page=3.9)
    reasons = dict(find_bots(log, rules=many).select("id", "reason").iter_rows())
    assert reasons["greedy"] == "too_many_clicks_a_page"


def test_what_is_excluded_is_counted_and_the_log_stays(engine: Any) -> None:
    log = lk.read_log(engine(visits()))
    without = exclude(log, find_bots(log))
    assert (without.n_ids, without.n_impressions, without.n_clicks) == (3, 256, 60)
    assert without.log.summary.n_impressions == 48
    assert without.log.summary.n_clicks == 6
    assert log.summary.n_impressions == 304
    with pytest.warns(lk.LabelkitWarning, match="no click among"):
        bias = lk.PositionBias("given", curve={k: 1 / k for k in range(1, 5)}).fit(without.log)
    table = nw.from_native(lk.evidence(without.log, bias)).lazy().collect().to_polars()
    assert table["impressions"].sum() == 48


def test_excluding_everybody_is_refused(log: InteractionLog) -> None:
    with pytest.raises(LogError, match="Nothing of the log is left"):
        exclude(log, ["person", "greedy", "clock", "fast"])


def test_a_log_without_visitors_cannot_have_bots() -> None:
    log = lk.read_log(visits().drop("user", "session", "timestamp"))
    with pytest.raises(LogError, match="no column 'session'"):
        find_bots(log)


def test_repeats_within_a_short_time_count_once(engine: Any) -> None:
    frame = pl.DataFrame(
        {
            "user": ["a", "a", "a", "a", "b", "a"],
            "query": ["x"] * 6,
            "item": [1, 1, 1, 1, 1, 2],
            "position": [1, 2, 1, 1, 1, 2],
            "clicked": [0, 1, 0, 1, 1, 0],
            "timestamp": [100.0, 104.0, 108.0, 300.0, 104.0, 100.0],
            "dwell": [None, 3.0, None, 9.0, 1.0, None],
        }
    )
    log = lk.read_log(engine(frame))
    once = count_once(log, within=timedelta(seconds=5))
    # 100, 104 and 108 are one chain; 300 is another visit, and b another user.
    assert (once.n_impressions, once.n_clicks) == (2, 0)
    rows = nw.from_native(once.log.frame.to_native()).lazy().collect().to_polars()
    first = rows.filter((pl.col("user") == "a") & (pl.col("item") == 1)).sort("timestamp")
    assert first["position"].to_list() == [1, 1]
    assert first["clicked"].to_list() == [1, 1]
    assert first["dwell"].to_list() == [3.0, 9.0]


def test_counting_once_does_not_depend_on_the_order_of_rows(log: InteractionLog) -> None:
    mixed = lk.read_log(visits().drop("session").sample(fraction=1, shuffle=True, seed=1))
    ordered = lk.read_log(visits().drop("session"))
    for within in (0.6, 60.0):
        a, b = (count_once(x, within=within).log.cells.to_polars() for x in (mixed, ordered))
        assert a.equals(b)
