"""Rate limits: so many requests and tokens in any minute, and a pause when the server asks."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from labelkit.errors import LFError


class Stopped(Exception):
    """Waiting was ended, because the work has been."""


@dataclass
class _Ticket:
    """One request: when it was let through, and the tokens that it counts for."""

    at: float
    tokens: int


class RateLimit:
    """Lets requests through so that no window holds more than was allowed.

    Parameters
    ----------
    requests, tokens : most in one window; None: no limit
    window_s : seconds; providers count by the minute
    """

    def __init__(
        self, requests: int | None = None, tokens: int | None = None, *, window_s: float = 60.0
    ) -> None:
        for limit in (requests, tokens):
            if limit is not None and limit < 1:
                raise LFError(f"A rate limit is at least 1 a minute; got {limit}.")
        self._requests, self._tokens, self._window_s = requests, tokens, window_s
        self._passed: deque[_Ticket] = deque()
        self._not_before = 0.0
        self._lock = threading.Lock()

    def acquire(self, tokens: int, stop: threading.Event) -> _Ticket:
        """Wait until a request of so many tokens may go.

        Raises
        ------
        LFError
            It is larger than a whole window allows.
        Stopped
            ``stop`` was set meanwhile.
        """
        if self._tokens is not None and tokens > self._tokens:
            raise LFError(
                f"One request needs about {tokens:,} tokens, and {self._tokens:,} a minute are "
                "allowed: shorten the texts (max_chars), or raise tokens_per_minute."
            )
        while True:
            with self._lock:
                now = time.monotonic()
                wait = self._wait(tokens, now)
                if wait <= 0:
                    ticket = _Ticket(now, tokens)
                    self._passed.append(ticket)
                    return ticket
            if stop.wait(wait):
                raise Stopped

    def settle(self, ticket: _Ticket, tokens: int) -> None:
        """Count the tokens that it really took."""
        with self._lock:
            ticket.tokens = tokens

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long: the server asked for it."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def _wait(self, tokens: int, now: float) -> float:
        """Seconds until it may be tried again; 0 if it may go now."""
        if now < self._not_before:
            return self._not_before - now
        while self._passed and self._passed[0].at <= now - self._window_s:
            self._passed.popleft()
        if not self._passed:
            return 0.0
        full = self._requests is not None and len(self._passed) >= self._requests
        used = sum(ticket.tokens for ticket in self._passed) if self._tokens is not None else 0
        full = full or (self._tokens is not None and used + tokens > self._tokens)
        return max(self._passed[0].at + self._window_s - now, 0.001) if full else 0.0
