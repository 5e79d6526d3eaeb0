from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from labelkit.errors import RoundError
from labelkit.rounds.people import forecast

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def times(per_day):
    """Answers of whole days back from NOW, the last day last."""
    n = len(per_day)
    return [
        NOW - timedelta(days=n - day, seconds=-60 * (i + 1) * (day > 0) or -1)
        for day, count in enumerate(per_day)
        for i in range(int(count))
    ]


def test_a_steady_pace_gives_its_date_and_what_it_takes():
    found = forecast(
        times([50] * 10), n_left=200, now=NOW, lead_times_s=[18.0] * 100, cost_per_label=0.1
    )
    assert found.days == pytest.approx(4, rel=0.12)
    assert found.low_days < found.days < found.high_days
    assert found.hours == pytest.approx(1.0)
    assert found.cost == pytest.approx(20)
    assert found.low <= found.finish <= found.high


def test_the_interval_holds_the_day_on_which_the_work_was_done():
    random = np.random.default_rng(5)
    hits = []
    for _ in range(400):
        days = random.negative_binomial(4, 4 / (4 + 40), size=80)
        found = forecast(times(days[:12]), n_left=300, now=NOW, level=0.9)
        done = np.searchsorted(np.cumsum(days[12:]), 300) + 1
        hits.append(
            found.low_days <= done and (found.high_days is None or done - 1 <= found.high_days)
        )
    assert np.mean(hits) > 0.86


def test_without_an_answer_there_is_no_date():
    found = forecast([], n_left=5, now=NOW)
    assert (found.finish, found.per_day, found.hours) == (None, None, None)


def test_one_day_gives_a_date_without_an_interval():
    found = forecast([NOW - timedelta(hours=3)] * 10, n_left=20, now=NOW)
    assert found.days == pytest.approx(2)
    assert found.high is None


def test_a_pace_that_comes_and_goes_may_never_end():
    found = forecast(times([40, 0, 0]), n_left=50, now=NOW)
    assert found.high_days is None


def test_nothing_left_is_done_now():
    assert forecast(times([5, 5]), n_left=0, now=NOW).days == 0


def test_less_than_nothing_is_refused():
    with pytest.raises(RoundError, match="n_left = -1"):
        forecast([], n_left=-1, now=NOW)
