from __future__ import annotations

import numpy as np
import pytest

from labelkit.errors import RoundError
from labelkit.rounds.people import drift


@pytest.mark.parametrize("accuracy", [0.6, 0.8, 0.95])
def test_a_steady_annotator_is_seldom_accused_however_often_one_looks(accuracy):
    random = np.random.default_rng(7)
    alarms = [
        drift(random.random(300) < accuracy, false_alarm=0.1, seed=i).alarm for i in range(400)
    ]
    # The promise is at most 0.1; the bound here is three standard errors above it.
    assert np.mean(alarms) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)


def test_a_collapse_is_found():
    random = np.random.default_rng(8)
    found = [
        drift(np.r_[random.random(150) < 0.95, random.random(150) < 0.5], seed=i)
        for i in range(100)
    ]
    assert np.mean([f.alarm for f in found]) > 0.8
    assert min(f.since for f in found if f.since) > 1
    assert found[0].before > found[0].after


def test_many_annotators_raise_the_bound():
    assert drift([True, False], false_alarm=0.05, n_annotators=10).bound == pytest.approx(200)


def test_nothing_to_look_at_is_no_alarm():
    assert not drift([]).alarm


def test_a_false_alarm_rate_that_is_none_is_refused():
    with pytest.raises(RoundError, match="false_alarm = 2"):
        drift([True], false_alarm=2)
