"""When: a log covers four weeks, and time is counted in whole microseconds from its start."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt

from labelkit.logs.simulator.rows import BoolArray, IntArray

START = datetime(2024, 1, 1)
SPAN_S = 28 * 86_400
SPAN_US = SPAN_S * 1_000_000
EPOCH = np.datetime64(START, "us")


def moments(elapsed_us: IntArray, known: BoolArray | None = None) -> npt.NDArray[np.datetime64]:
    """(n,) date-times; no time at all where it is not ``known``."""
    when = EPOCH + elapsed_us.astype("timedelta64[us]")
    return np.asarray(when if known is None else np.where(known, when, np.datetime64("NaT", "us")))


def window_of(elapsed_us: IntArray, n_windows: int) -> IntArray:
    """(n,) the window, of ``n_windows`` equal ones, that each moment falls in.

    In whole numbers, so that a window read off a stored timestamp is the one that was drawn from.
    """
    return np.clip(elapsed_us * n_windows // SPAN_US, 0, n_windows - 1)


def window_starts(n_windows: int) -> npt.NDArray[np.datetime64]:
    """(n_windows + 1,) the first moment of each window, and the end of the last."""
    # Rounded up: the first whole microsecond that falls into the window.
    edges = -(-np.arange(n_windows + 1, dtype=np.int64) * SPAN_US // n_windows)
    return np.asarray(EPOCH + edges.astype("timedelta64[us]"))
