"""Trying again: how often, how long to wait, and what is worth another try.

The policy is the same for a platform and for the ledger's database; what failed for good and what
may pass is for the caller to say.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from labelkit.errors import RoundError

T = TypeVar("T")

_LOG = logging.getLogger("labelkit")


@dataclass(frozen=True)
class RetryPolicy:
    """Pauses that double, each shortened by chance so that many clients do not come back at once.

    Parameters
    ----------
    attempts : calls in all, the first one included; 1 never tries again
    first_s : longest pause before the second call, in seconds
    longest_s : no pause is longer, in seconds, even where the server asks for more

    Raises
    ------
    RoundError
        ``attempts`` is below 1, or a pause is negative.

    Notes
    -----
    The i-th pause is uniform on [b/2, b] with b = min(longest_s, first_s · 2^i): half of it is
    certain, so that a server gets its rest, and half is left to chance ("equal jitter"). The
    default waits 16 to 32 seconds in all, which a restart of a server takes.

    Examples
    --------
    >>> list(RetryPolicy(attempts=3, first_s=0.0).pauses())
    [0.0, 0.0]
    """

    attempts: int = 7
    first_s: float = 0.5
    longest_s: float = 16.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first_s < 0 or self.longest_s < 0:
            raise RoundError(
                "A retry policy needs at least one attempt and pauses of at least 0 seconds; got "
                f"{self}."
            )

    def pauses(self, seed: int | None = None) -> Iterator[float]:
        """Seconds to wait before each further call: ``attempts`` - 1 of them."""
        rng = np.random.default_rng(seed)
        for number in range(self.attempts - 1):
            bound = min(self.longest_s, self.first_s * 2.0**number)
            yield bound * float(rng.uniform(0.5, 1.0))


@dataclass(frozen=True)
class Again:
    """A failure that may pass.

    Parameters
    ----------
    why : what happened, in words that may stand in a log
    after_s : seconds that the other side asked us to wait, None if it did not say
    """

    why: str
    after_s: float | None = None


def trying(
    call: Callable[[], T],
    policy: RetryPolicy,
    *,
    verdict: Callable[[Exception], Again | None],
    what: str,
) -> T:
    """The result of ``call``, which is made again while its failure may pass.

    Parameters
    ----------
    verdict : says of an exception whether another call may help; None lets it through at once
    what : the call in words, for the log

    Raises
    ------
    Exception
        Whatever the last call raised.
    """
    for number, pause in enumerate(policy.pauses(), start=2):
        try:
            return call()
        except Exception as error:
            again = verdict(error)
            if again is None:
                raise
            wait_s = min(max(pause, again.after_s or 0.0), policy.longest_s)
            _LOG.warning(
                "could not %s (%s): attempt %d of %d in %.1f s",
                what,
                again.why,
                number,
                policy.attempts,
                wait_s,
            )
        time.sleep(wait_s)
    return call()
