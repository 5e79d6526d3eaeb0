"""Rows of whatever a classifier takes: arrays, sparse matrices, data frames, lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelkit.errors import SelectionError


class ExamplesError(SelectionError, ValueError):
    """Examples and labels that cannot be learned from; also the ValueError that modAL raises."""


def n_rows(data: Any) -> int:
    """How many rows there are."""
    return int(data.shape[0]) if hasattr(data, "shape") else len(data)


def rows_of(data: Any, at: Any) -> Any:
    """Rows at these positions, in the kind of ``data``; a single position gives a single row."""
    if hasattr(data, "iloc"):
        return data.iloc[at]
    if hasattr(data, "tocsr"):
        return data.tocsr()[at]
    if isinstance(data, (list, tuple)):
        return data[int(at)] if np.ndim(at) == 0 else [data[i] for i in np.asarray(at).ravel()]
    return data[at]


def appended(known: Any, new: Any) -> Any:
    """``new`` under ``known``, in the kind of ``known``.

    Raises
    ------
    ValueError
        Their columns differ, as NumPy, SciPy or pandas say.
    """
    if known is None:
        return new
    if hasattr(known, "tocsr"):
        from scipy.sparse import vstack

        return vstack([known, new]).tocsr()
    if hasattr(known, "iloc"):
        import pandas as pd

        return pd.concat([known, type(known)(new)])
    if isinstance(known, list):
        return known + list(new)
    return np.concatenate([np.asarray(known), np.asarray(new)])


def check_pair(X: Any, y: Any, *, finite: bool) -> None:
    """Refuse examples and labels that do not belong together.

    Raises
    ------
    ExamplesError
        Lengths differ, nothing is there, or ``finite`` and a number of X is not.
    """
    if X is None or y is None or n_rows(X) != n_rows(y):
        sizes = ["none" if part is None else f"{n_rows(part):,}" for part in (X, y)]
        raise ExamplesError(f"X has {sizes[0]} rows and y has {sizes[1]}: one label an example.")
    if not n_rows(X):
        raise ExamplesError("There are no examples to learn from.")
    if not finite:
        return
    values = X.data if hasattr(X, "tocsr") and not hasattr(X, "rows") else X
    values = X.tocsr().data if hasattr(X, "rows") and hasattr(X, "tocsr") else values
    array = np.asarray(values)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        raise ExamplesError(
            f"X has {int(bad.sum()):,} of {len(array):,} rows or values that are not finite "
            f"(first: {int(bad.argmax())}). If the estimator takes them: force_all_finite=False."
        )


def bootstrapped(X: Any, y: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """As many examples drawn with replacement."""
    at = rng.integers(n_rows(X), size=n_rows(X))
    return rows_of(X, at), rows_of(y, at)
