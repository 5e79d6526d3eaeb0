"""Calls to Label Studio's SDK, and its errors as sentences that say what to do.

The SDK's own errors print response headers with a session cookie; none of that is passed on.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from labelkit.errors import PlatformError

# The SDK's client: an optional package whose declared types are wider than what it answers.
Client: TypeAlias = Any

_INSTALL = (
    "Labeling in Label Studio needs its SDK, which is not installed: "
    "pip install 'labelkit[label-studio]'"
)


class _Server(Protocol):
    @property
    def url(self) -> str: ...

    @property
    def _token(self) -> str: ...


@dataclass
class Call:
    """What a call brought; None where it ran past the last page."""

    result: Any = None


def checked_url(url: str) -> str:
    """The server's address without a slash at its end; it must not carry a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PlatformError(f"Label Studio's address must start with http:// or https://: {url!r}.")
    if parts.username or parts.password:
        raise PlatformError("Label Studio's address must not carry a user name or password.")
    return url.rstrip("/")


def connect(server: _Server, token: str, *, timeout_s: float) -> Client:
    """A client of the SDK, which is imported here and not before.

    Its connections are closed when ``server`` is no longer used.
    """
    import httpx
    from label_studio_sdk import LabelStudio

    connections = httpx.Client(timeout=timeout_s, follow_redirects=True)
    weakref.finalize(server, connections.close)
    client: Any = LabelStudio
    return client(base_url=server.url, api_key=token, timeout=timeout_s, httpx_client=connections)


@contextmanager
def talking(
    server: _Server, what: str, *, project: str | None = None, past_the_end: bool = False
) -> Iterator[Call]:
    """Turn whatever goes wrong in a call into a ``PlatformError`` that says what to do.

    Parameters
    ----------
    what : the call in words, as in "could not <what>"
    project : the project that the call is about
    past_the_end : "not found" is how Label Studio says that there is no such page
    """
    try:
        from httpx import HTTPError
        from label_studio_sdk.core.api_error import ApiError
    except ModuleNotFoundError:
        raise PlatformError(_INSTALL) from None
    try:
        yield Call()
    except ApiError as error:
        if error.status_code == 404 and past_the_end:
            return
        # `from None`: the SDK's error holds a session cookie, and tracebacks end up in reports.
        raise PlatformError(_advice(server, what, error, project)) from None
    except HTTPError as error:
        kind = type(error).__name__
        raise PlatformError(
            f"Label Studio at {server.url} does not answer ({kind} while trying to {what}). "
            "Is the server running, and is the address right? Repeat the command when it is: "
            "nothing is sent twice."
        ) from None


def _advice(server: _Server, what: str, error: Any, project: str | None) -> str:
    status, said = error.status_code, _detail(error.body).replace(server._token, "***")
    start = f"Label Studio at {server.url} could not {what}: "
    if status == 401:
        return (
            f"{start}it does not accept the access token (401). Check LABEL_STUDIO_API_KEY; tokens "
            "expire, and legacy tokens must be allowed in the organization's settings."
        )
    if status == 403:
        return f"{start}this token's user may not do that (403). Ask for access to the project."
    if status == 404 and project is not None:
        return (
            f"{start}project {project} is not there (404). It was deleted, or this is another "
            "server. Push with recreate=True to make it anew (answers in the ledger are kept)."
        )
    if status == 429 or (status is not None and status >= 500):
        return f"{start}the server is overloaded or broken ({status}). Repeat the command later."
    return f"{start}{said or 'it refused the call'} ({status})."


def _detail(body: object) -> str:
    if not isinstance(body, Mapping):
        return ""
    parts = [str(body.get("detail") or "")]
    if body.get("validation_errors"):
        parts.append(str(body["validation_errors"]))
    return ": ".join(part for part in parts if part)[:500]
