"""Rate limits hold in every window, on a real clock that runs fast."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from labelkit.errors import LFError
from labelkit.lfs.models import RateLimit
from labelkit.lfs.models.limits import Stopped

WINDOW_S = 0.25


def passed(limit, n, tokens, workers=4):
    """When each of n requests was let through, in order."""
    never = threading.Event()

    def one(_):
        return limit.acquire(tokens, never).at

    with ThreadPoolExecutor(workers) as pool:
        return sorted(pool.map(one, range(n)))


@pytest.mark.parametrize(
    ("limit", "tokens", "most"),
    [
        (RateLimit(5, window_s=WINDOW_S), 1, 5),
        (RateLimit(tokens=100, window_s=WINDOW_S), 30, 3),
        (RateLimit(5, 100, window_s=WINDOW_S), 50, 2),
    ],
)
def test_no_window_holds_more_than_allowed_and_none_is_wasted(limit, tokens, most):
    n = most * 4
    at = passed(limit, n, tokens)
    assert all(at[i + most] - at[i] >= WINDOW_S for i in range(n - most))
    assert at[-1] - at[0] < WINDOW_S * 8


def test_what_was_really_used_counts_afterwards():
    limit = RateLimit(tokens=100, window_s=5.0)
    never = threading.Event()
    ticket = limit.acquire(90, never)
    limit.settle(ticket, 10)
    began = time.monotonic()
    limit.acquire(90, never)
    assert time.monotonic() - began < 1


def test_a_request_that_never_fits_is_refused():
    with pytest.raises(LFError, match="needs about 101 tokens, and 100 a minute"):
        RateLimit(tokens=100).acquire(101, threading.Event())


def test_waiting_ends_when_the_work_does():
    limit, stop = RateLimit(), threading.Event()
    limit.pause(60)
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopped):
        limit.acquire(1, stop)
