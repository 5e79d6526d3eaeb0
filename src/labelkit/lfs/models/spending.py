"""A cost cap that holds: what a call can cost at most is set aside before it is made."""

from __future__ import annotations

import math
import sqlite3
import threading
from dataclasses import dataclass
from typing import Protocol

from labelkit.errors import CostCapReached, LFError
from labelkit.lfs.models.limits import Stopped

# Money is counted in whole billionths, so that sums over many calls are exact.
NANO = 1_000_000_000
_MILLION = 1_000_000
_LOOK_AGAIN_S = 0.05

TABLE = """
CREATE TABLE IF NOT EXISTS spent (one INTEGER PRIMARY KEY CHECK (one = 1), nano INTEGER NOT NULL);
INSERT OR IGNORE INTO spent VALUES (1, 0);
"""


@dataclass(frozen=True)
class Prices:
    """What a million tokens cost, in the currency of your choice.

    Parameters
    ----------
    input, output : of the prompt, of the answer; ≥ 0
    """

    input: float
    output: float

    def __post_init__(self) -> None:
        for price in (self.input, self.output):
            if not (math.isfinite(price) and price >= 0):
                raise LFError(f"A price of {price} a million tokens is none.")

    def nano(self, tokens_in: int, tokens_out: int) -> int:
        """Cost in billionths, rounded up."""
        return math.ceil((tokens_in * self.input + tokens_out * self.output) * (NANO / _MILLION))


class Purse(Protocol):
    """Where calls take their money from."""

    def reserve(self, nano: int, stop: threading.Event) -> None:
        """Set so much aside, or raise `CostCapReached`."""

    def settle(self, reserved: int, nano: int) -> None:
        """Replace what was set aside by what it came to."""


class _NoPurse:
    """For calls that nobody counts."""

    def reserve(self, nano: int, stop: threading.Event) -> None:
        """Nothing to set aside."""

    def settle(self, reserved: int, nano: int) -> None:
        """Nothing to settle."""


NO_PURSE: Purse = _NoPurse()


class CappedPurse:
    """The sum of all calls of one cache file, never above a cap.

    The sum lies in the file: it holds over runs and processes, and what a killed process had set
    aside stays spent, since nobody knows whether it was billed.

    Parameters
    ----------
    database : open connection with `TABLE`
    lock : held for every use of the connection
    cap : billionths; None: only count
    """

    def __init__(self, database: sqlite3.Connection, lock: threading.Lock, cap: int | None) -> None:
        self._database, self._lock, self._cap = database, lock, cap
        self._n_open = 0

    def reserve(self, nano: int, stop: threading.Event) -> None:
        """Set so much aside; while other calls are open, wait for what they leave.

        Raises
        ------
        CostCapReached
            The cap leaves too little.
        Stopped
            ``stop`` was set meanwhile.
        """
        if nano == 0:
            return
        while True:
            with self._lock:
                spent = self._add(nano)
                if spent is None:
                    self._n_open += 1
                    return
                if self._n_open == 0:
                    raise CostCapReached(
                        f"the cost cap of {(self._cap or 0) / NANO:g} is reached: "
                        f"{spent / NANO:.6g} is spent, and one more call may cost {nano / NANO:.2g}"
                    )
            if stop.wait(_LOOK_AGAIN_S):
                raise Stopped

    def settle(self, reserved: int, nano: int) -> None:
        """Replace what was set aside by what it came to."""
        with self._lock:
            self.settle_within(reserved, nano)

    def settle_within(self, reserved: int, nano: int) -> None:
        """`settle`, for who holds the lock and is in a transaction of its own."""
        if reserved:
            self._n_open -= 1
        if reserved != nano:
            self._database.execute("UPDATE spent SET nano = nano + ?", (nano - reserved,))

    def _add(self, nano: int) -> int | None:
        """Add to the sum if the cap allows it; else what the sum is."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            (spent,) = self._database.execute("SELECT nano FROM spent").fetchone()
            if self._cap is not None and spent + nano > self._cap:
                return int(spent)
            self._database.execute("UPDATE spent SET nano = nano + ?", (nano,))
            return None
        finally:
            self._database.execute("COMMIT")
