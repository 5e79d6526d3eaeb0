"""Calls to Label Studio's SDK: made again while a failure may pass, else told in a sentence.

The SDK's own errors print response headers with a session cookie; none of that is passed on.
"""

from __future__ import annotations

import ssl
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from labelkit.errors import PlatformError
from labelkit.rounds.retry import Again, RetryPolicy, trying

# The SDK's client: an optional package whose declared types are wider than what it answers.
Client: TypeAlias = Any
T = TypeVar("T")

_INSTALL = (
    "Labeling in Label Studio needs its SDK, which is not installed: "
    "pip install 'labelkit[label-studio]'"
)
# What a gateway or an application says that did not even begin.
_NOT_BEGUN = (429, 503)


class MaybeDone(PlatformError):
    """A call that must not be repeated blindly failed, and may have been carried out all the same.

    Parameters
    ----------
    over : the server itself said that it failed, so nothing of it will come later
    """

    def __init__(self, message: str, *, over: bool) -> None:
        super().__init__(message)
        self.over = over


class NotAllowed(PlatformError):
    """The token's user may not do that."""


@dataclass
class Server:
    """A Label Studio server, and how we talk to it.

    Parameters
    ----------
    url : its address, without a slash at the end
    token : personal or legacy access token
    timeout_s : seconds to wait for one call
    retry : how often a call is made again
    tls : certificates that are trusted instead of the usual ones, or None
    """

    url: str
    token: str = field(repr=False)
    timeout_s: float
    retry: RetryPolicy
    tls: ssl.SSLContext | None = None
    _client: Client = field(default=None, init=False, repr=False)
    _has_answered: bool = field(default=False, init=False, repr=False)

    @property
    def sdk(self) -> Client:
        """The SDK's client, which is imported and made here and not before.

        Its connections are closed when this object is no longer used.
        """
        if self._client is None:
            import httpx
            from label_studio_sdk import LabelStudio

            connections = httpx.Client(
                timeout=self.timeout_s,
                follow_redirects=True,
                verify=True if self.tls is None else self.tls,
            )
            weakref.finalize(self, connections.close)
            client: Any = LabelStudio
            self._client = client(
                base_url=self.url,
                api_key=self.token,
                timeout=self.timeout_s,
                httpx_client=connections,
                # Ours knows which calls may be repeated.
                max_retries=0,
            )
        return self._client

    def ask(
        self,
        what: str,
        call: Callable[[Client], T],
        *,
        then: str,
        project: str | None = None,
        repeatable: bool = True,
        past_the_end: T | None = None,
    ) -> T:
        """What ``call`` brings; whatever goes wrong in it becomes a ``PlatformError``.

        Parameters
        ----------
        what : the call in words, as in "could not <what>"
        call : it is given the SDK's client
        then : the step of a round that goes on from here: "push" or "pull"
        project : the project that the call is about
        repeatable : the call may be made again though the last one may have been carried out
        past_the_end : the result where Label Studio says "not found"; None if that is an error

        Raises
        ------
        NotAllowed
            The token's user may not do that.
        MaybeDone
            The call is not ``repeatable``, failed, and may have been carried out.
        PlatformError
            The call failed for good, or too often.
        """
        try:
            from httpx import HTTPError
            from label_studio_sdk.core.api_error import ApiError
        except ModuleNotFoundError:
            raise PlatformError(_INSTALL) from None

        def verdict(error: Exception) -> Again | None:
            again = _may_pass(error, repeatable=repeatable)
            # A server that never answered is more likely a wrong address than a restart.
            hasty = again is not None and not self._has_answered and _not_sent(error)
            return None if hasty and next(patience, None) is None else again

        def asked() -> T:
            result = call(self.sdk)
            self._has_answered = True
            return result

        patience = iter(range(2))
        try:
            return trying(asked, self.retry, verdict=verdict, what=f"{what} at {self.url}")
        except ApiError as error:
            status = error.status_code
            if status == 404 and past_the_end is not None:
                return past_the_end
            said = _advice(self, what, error, project=project, then=then)
            begun = status is not None and status >= 500 and status not in _NOT_BEGUN
            if not repeatable and begun:
                raise MaybeDone(said, over=status not in (502, 504)) from None
            kind = NotAllowed if status == 403 else PlatformError
            # `from None`: the SDK's error holds a session cookie, and tracebacks get into reports.
            raise kind(said) from None
        except HTTPError as error:
            said = _no_answer(self, what, error, then=then)
            if not repeatable and not _not_sent(error):
                raise MaybeDone(said, over=False) from None
            raise PlatformError(said) from None


def checked_url(url: str) -> str:
    """The server's address without a slash at its end; it must not carry a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PlatformError(f"Label Studio's address must start with http:// or https://: {url!r}.")
    if parts.username or parts.password:
        raise PlatformError("Label Studio's address must not carry a user name or password.")
    return url.rstrip("/")


def trusting(ca_bundle: str | Path | None) -> ssl.SSLContext | None:
    """A TLS context that trusts the certificates of one file alone; None for the usual ones."""
    if ca_bundle is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(ca_bundle))
    except (OSError, ssl.SSLError) as error:
        raise PlatformError(
            f"ca_bundle {str(ca_bundle)!r} holds no certificates that can be read ({error})."
        ) from None


def _not_sent(error: Exception) -> bool:
    """The call never reached the server."""
    import httpx

    return isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))


def _untrusted(error: BaseException | None) -> bool:
    """The server's certificate was refused, somewhere down the chain of causes."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _may_pass(error: Exception, *, repeatable: bool) -> Again | None:
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    if isinstance(error, ApiError):
        status = error.status_code or 0
        if status in _NOT_BEGUN or (repeatable and (status == 408 or status >= 500)):
            return Again(str(status), after_s=_retry_after(error.headers))
        return None
    if not isinstance(error, httpx.TransportError) or _untrusted(error):
        return None
    if isinstance(error, (httpx.LocalProtocolError, httpx.UnsupportedProtocol)):
        return None
    again = Again(type(error).__name__)
    return again if repeatable or _not_sent(error) else None


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    named = {name.lower(): value for name, value in (headers or {}).items()}
    try:
        return max(0.0, float(named["retry-after"]))
    except (KeyError, ValueError):
        return None


def _no_answer(server: Server, what: str, error: Exception, *, then: str) -> str:
    if _untrusted(error):
        return (
            f"The certificate of {server.url} cannot be verified (while trying to {what}), so "
            "nothing was sent. If the server is yours and its certificate is signed by your own "
            "authority, name that authority's file: ca_bundle=… ([platform] ca_bundle)."
        )
    return (
        f"Label Studio at {server.url} does not answer ({type(error).__name__} while trying to "
        f"{what}). Is the server running, and is the address right? Repeat the command when it is "
        f"(labelkit round {then}): nothing is sent twice."
    )


def _advice(server: Server, what: str, error: Any, *, project: str | None, then: str) -> str:
    status, said = error.status_code, _detail(error.body).replace(server.token, "***")
    start = f"Label Studio at {server.url} could not {what}: "
    if status == 401:
        return (
            f"{start}it does not accept the access token (401). Check LABEL_STUDIO_API_KEY; tokens "
            "expire, and legacy tokens must be allowed in the organization's settings. Then go on "
            f"with labelkit round {then}."
        )
    if status == 403:
        return (
            f"{start}this token's user may not do that (403). Ask for access to the project, then "
            f"go on with labelkit round {then}."
        )
    if status == 404 and project is not None:
        return (
            f"{start}project {project} is not there (404). It was deleted, or this is another "
            "server. Push with recreate=True to make it anew (answers in the ledger are kept)."
        )
    if status == 429 or (status is not None and status >= 500):
        return (
            f"{start}the server is overloaded or broken ({status}). Repeat the command later "
            f"(labelkit round {then}): it goes on where it stopped."
        )
    return f"{start}{said or 'it refused the call'} ({status})."


def _detail(body: object) -> str:
    if not isinstance(body, Mapping):
        return ""
    parts = [str(body.get("detail") or "")]
    if body.get("validation_errors"):
        parts.append(str(body["validation_errors"]))
    return ": ".join(part for part in parts if part)[:500]
