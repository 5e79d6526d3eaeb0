"""Personal data before people see it: columns left out, and columns hashed with a key.

A rule works on columns by name. It does not read texts: a name inside a title stays there.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import RoundError
from labelkit.rounds.plan import as_text

if TYPE_CHECKING:
    import polars as pl

KEY_VARIABLE = "LABELKIT_PRIVACY_KEY"
"""The environment variable that holds the key of the hashes."""

_SHORTEST_KEY = 16
_SHOWN_CHARACTERS = 16


@dataclass(frozen=True)
class PrivacyRule:
    """What must not leave as it is.

    Parameters
    ----------
    drop : columns that are not shown
    hash : columns of which only a keyed hash is shown: equal values stay equal, and nobody without
        the key can tell which they are
    """

    drop: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        both = [name for name in self.drop if name in self.hash]
        if both:
            raise RoundError(f"Column {both[0]!r} is to be dropped and hashed: say one of them.")

    def __bool__(self) -> bool:
        return bool(self.drop or self.hash)


def protect(
    items: NativeFrame, rule: PrivacyRule, *, keys: Sequence[str], secret: str | None = None
) -> pl.DataFrame:
    """The items of a batch as people may see them.

    Parameters
    ----------
    items : frame with the columns to show, one row per example of a batch
    rule : columns to drop or to hash
    keys : the round's key columns, which cannot be protected: a task is found again by them
    secret : key of the hashes, at least 16 characters; keep it, or equal values of two rounds will
        not be equal any more

    Returns
    -------
    Polars frame without the dropped columns; a hashed value is the first 16 hexadecimal digits of
    HMAC-SHA256 over the column's name and the value's text, and null where the value is null.

    Raises
    ------
    RoundError
        The rule names a column that is not there (a misspelt rule protects nothing) or a key
        column, or hashing is asked for without a key or with a short one.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"item": [1], "seller": ["Ann"], "mail": ["a@b.c"]})
    >>> rule = PrivacyRule(drop=("mail",), hash=("seller",))
    >>> protect(frame, rule, keys=["item"], secret="0123456789abcdef").row(0)
    (1, '2f647889ee043a36')
    """
    import polars as pl

    table = collect(lazy(items)).to_polars()
    _check_rule(rule, table.columns, keys)
    if rule.hash:
        key = _checked_key(secret)
        hashed = [
            pl.Series(name, _hashes(key, name, table[name].to_list()), dtype=pl.String)
            for name in rule.hash
        ]
        table = table.with_columns(hashed)
    return table.drop(rule.drop)


def _check_rule(rule: PrivacyRule, columns: Iterable[str], keys: Sequence[str]) -> None:
    there = list(columns)
    for word, names in (("drop", rule.drop), ("hash", rule.hash)):
        for name in names:
            if name in keys:
                raise RoundError(
                    f"The privacy rule would {word} {name!r}, a key column of the round: tasks "
                    "are found again by it, so it stands on the platform as it is. Label another "
                    "unit, or hash this key before the log is read."
                )
            if name not in there:
                raise RoundError(
                    f"The privacy rule would {word} {name!r}, which is not shown (shown are "
                    f"{', '.join(there)}). Is it misspelt? A misspelt rule protects nothing."
                )


def _checked_key(secret: str | None) -> bytes:
    if not secret or len(secret) < _SHORTEST_KEY:
        raise RoundError(
            f"Hashed columns need a key of at least {_SHORTEST_KEY} characters in the environment "
            f'variable {KEY_VARIABLE} (make one: python -c "import secrets; '
            'print(secrets.token_hex(32))"). Without a key, hashes of e-mail addresses or numbers '
            "can be undone by trying them all."
        )
    return secret.encode()


def _hashes(key: bytes, column: str, values: Iterable[object]) -> list[str | None]:
    def hashed(value: object) -> str:
        text = f"{column}\x00{as_text(value)}".encode("utf-8", "surrogatepass")
        return hmac.new(key, text, hashlib.sha256).hexdigest()[:_SHOWN_CHARACTERS]

    return [None if value is None else hashed(value) for value in values]
