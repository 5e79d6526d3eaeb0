"""Where a platform's access token comes from; it goes nowhere but into the header of a call."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from labelkit.errors import PlatformError

TOKEN_VARIABLE = "LABEL_STUDIO_API_KEY"  # noqa: S105 - the name of the variable, not a token
KEYRING_SERVICE = "labelkit"


def find_token(url: str, given: str | None) -> str:
    """The token given, else that of the environment, else that of the system's keyring.

    Parameters
    ----------
    url : the server's address, under which the keyring holds the token

    Raises
    ------
    PlatformError
        There is none, or it cannot be one; the message does not show it.
    """
    token = (given or os.environ.get(TOKEN_VARIABLE) or _from_keyring(url) or "").strip()
    if not token:
        raise PlatformError(
            f"Label Studio needs an access token: set the environment variable {TOKEN_VARIABLE} "
            "(in Label Studio: Account & Settings → Access Token), or keep it in the system's "
            f"keyring: keyring set {KEYRING_SERVICE} {url}"
        )
    # Libraries below us print a header that they refuse, and the token with it.
    if not token.isascii() or not token.isprintable() or " " in token:
        raise PlatformError(
            "The access token has characters that no token has (spaces, line breaks or letters "
            f"beyond ASCII): copy it again into {TOKEN_VARIABLE}."
        )
    return token


def _from_keyring(url: str) -> str | None:
    keyring = _keyring()
    if keyring is None:
        return None
    try:
        found: str | None = keyring.get_password(KEYRING_SERVICE, url)
    except keyring.errors.KeyringError:
        # A locked or missing keyring is as good as an empty one: the environment is the other way.
        return None
    return found


def _keyring() -> ModuleType | None:
    """The optional package ``keyring``; None if it is not installed."""
    try:
        importlib.import_module("keyring.errors")
    except ModuleNotFoundError:
        return None
    return importlib.import_module("keyring")
