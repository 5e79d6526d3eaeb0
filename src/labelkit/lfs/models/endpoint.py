"""Calls to an OpenAI-compatible endpoint: retried when that may help, and never telling the key."""

from __future__ import annotations

import email.utils
import http.client
import json
import math
import os
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

from labelkit.errors import EndpointError, LFError
from labelkit.lfs.models.limits import RateLimit, Stopped
from labelkit.lfs.models.spending import NO_PURSE, Purse

_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_NEVER_PAID = {408, 409, 425, 429, 503, 529}
_LARGEST_ANSWER = 64 * 2**20
_LONGEST_BACKOFF_S = 60.0


@dataclass(frozen=True)
class Failed:
    """A call that never came to an answer: ``reason`` says why, without any secret."""

    reason: str
    perhaps_paid: bool = False


@dataclass(frozen=True)
class Filtered:
    """The endpoint's content filter refused the request."""


@dataclass(frozen=True)
class Endpoint:
    """Where the models are, and how patiently they are asked.

    Parameters
    ----------
    url : base address, up to and with ``/v1``
    api_key_env : environment variable with the key; no key is sent if it is not set
    timeout_s : of one attempt, in seconds
    tries : attempts in all, for failures that may pass (429, 5xx, timeouts, broken connections)
    backoff_s : first wait between attempts, doubled each time, where the server names none
    max_wait_s : longest ``Retry-After`` that is waited for; a longer one stops
    """

    url: str
    api_key_env: str = "OPENAI_API_KEY"
    timeout_s: float = 60.0
    tries: int = 6
    backoff_s: float = 1.0
    max_wait_s: float = 300.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LFError(f"endpoint={_without_login(self.url)!r} is no http(s) address.")
        if parts.username or parts.password:
            raise LFError(
                f"endpoint={_without_login(self.url)!r} holds a login: secrets come from the "
                f"environment ({self.api_key_env})."
            )
        if self.tries < 1 or self.timeout_s <= 0:
            raise LFError("An endpoint is tried at least once, for more than no time.")

    def post(
        self,
        path: str,
        payload: Mapping[str, object],
        *,
        tokens: int,
        limit: RateLimit,
        stop: threading.Event,
        purse: Purse = NO_PURSE,
        price: int = 0,
    ) -> dict[str, object] | Filtered | Failed:
        """One answer as a JSON object, or why there is none after all tries.

        Parameters
        ----------
        tokens : about how many the request and its answer take, for the rate limit
        purse, price : each try reserves ``price``, the most that it can cost. What an answer has
            really cost is for the caller to settle; of a try without answer, what may have been
            paid stays reserved

        Raises
        ------
        EndpointError
            Trying again cannot help: a refused key, an unknown model, a bad request.
        CostCapReached
            The purse has not enough left.
        Stopped
            ``stop`` was set while waiting.
        """
        data = json.dumps(payload, ensure_ascii=False).encode()
        failed = Failed("not tried")
        for attempt in range(self.tries):
            if attempt and stop.wait(self._backoff(attempt)):
                raise Stopped
            ticket = limit.acquire(tokens, stop)
            purse.reserve(price, stop)
            try:
                result = self._attempt(path, data, limit)
            except EndpointError:
                purse.settle(price, 0)
                raise
            if not isinstance(result, Failed | Filtered):
                limit.settle(ticket, _tokens_used(result, tokens))
                return result
            purse.settle(price, price if isinstance(result, Failed) and result.perhaps_paid else 0)
            if isinstance(result, Filtered):
                return result
            failed = result
        return failed

    def _attempt(
        self, path: str, data: bytes, limit: RateLimit
    ) -> dict[str, object] | Filtered | Failed:
        request = urllib.request.Request(self._address(path), data, self._headers())  # noqa: S310 - http(s) only, checked above
        try:
            with self._opener.open(request, timeout=self.timeout_s) as response:
                raw = response.read(_LARGEST_ANSWER)
        except urllib.error.HTTPError as error:
            with error:
                return self._refused(error, limit)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            unheard = isinstance(reason, ConnectionRefusedError | socket.gaierror)
            return Failed(self._clean(f"{type(reason).__name__}: {reason}"), not unheard)
        try:
            body = json.loads(raw)
        except ValueError:
            shown = self._clean(_text(raw))[:80]
            return Failed(f"the answer is no JSON: {shown!r}", perhaps_paid=True)
        if not isinstance(body, dict):
            return Failed("the answer is no JSON object", perhaps_paid=True)
        return body

    def _refused(self, error: urllib.error.HTTPError, limit: RateLimit) -> Filtered | Failed:
        try:
            raw = error.read(_LARGEST_ANSWER)
        except (OSError, http.client.HTTPException):
            raw = b""
        code, message = _explained(raw)
        told = self._clean(f"HTTP {error.code} {message}".strip())
        if error.code == 400 and "content_filter" in code:
            return Filtered()
        if 300 <= error.code < 400:
            self._stop(f"{told}: it redirects, and the key is not sent elsewhere")
        if error.code not in _RETRIED or code == "insufficient_quota":
            self._stop(told)
        wait = _retry_after(error.headers.get("Retry-After"))
        if wait is not None:
            if wait > self.max_wait_s:
                self._stop(f"{told}: it asks to wait {wait:,.0f} s, so run this again later")
            limit.pause(wait)
        return Failed(told, error.code not in _NEVER_PAID)

    def _stop(self, told: str) -> NoReturn:
        hint = ""
        if told.startswith(("HTTP 401", "HTTP 403")):
            state = "is set" if os.environ.get(self.api_key_env) else "is not set"
            hint = (
                f" (the key comes from the environment variable {self.api_key_env}, which {state})"
            )
        raise EndpointError(f"{self.url} says: {told}{hint}.")

    def _address(self, path: str) -> str:
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path, fragment=""))

    @property
    def _opener(self) -> urllib.request.OpenerDirector:
        here = _LOCAL.fullmatch(urlsplit(self.url).hostname or "")
        return _LOCAL_OPENER if here else _OPENER

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "labelkit"}
        key = os.environ.get(self.api_key_env, "").strip()
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return headers

    def _clean(self, text: str) -> str:
        """Without the key, which some servers repeat when they refuse it."""
        key = os.environ.get(self.api_key_env, "").strip()
        if key:
            text = text.replace(key, "***")
        return re.sub(r"\b(sk-|Bearer )[\w*.\-]+", r"\1***", text)

    def _backoff(self, attempt: int) -> float:
        # Spread, so that workers that failed together do not come back together.
        spread = 0.75 + 0.5 * ((threading.get_ident() * 2654435761 + attempt) % 1000) / 1000
        return min(self.backoff_s * 2.0 ** (attempt - 1), _LONGEST_BACKOFF_S) * spread


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: following it would carry the key to another host."""

    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect())
# A server on this machine is not reached through the proxy that leads out of it.
_LOCAL_OPENER = urllib.request.build_opener(_NoRedirect(), urllib.request.ProxyHandler({}))
_LOCAL = re.compile(r"localhost|127(\.\d+){3}|::1")


def _tokens_used(body: Mapping[str, object], otherwise: int) -> int:
    usage = body.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if isinstance(total, int) and total >= 0 else otherwise


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from seconds or a date; None if the server names none."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date: datetime = email.utils.parsedate_to_datetime(value)
            seconds = date.timestamp() - time.time()
        except (ValueError, TypeError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _explained(raw: bytes) -> tuple[str, str]:
    """Code and message of an error body, in the forms that servers give them."""
    try:
        body = json.loads(raw)
    except ValueError:
        return "", _text(raw)[:200]
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return "", str(error)[:200]
    code = " ".join(str(error.get(name) or "") for name in ("code", "type"))
    known = next((c for c in ("content_filter", "insufficient_quota") if c in code), code)
    return known, str(error.get("message") or error.get("detail") or "")[:300]


def _text(raw: bytes) -> str:
    return " ".join(raw.decode("utf-8", "replace").split())


def _without_login(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)
