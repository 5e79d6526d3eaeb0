"""Squared Euclidean distances to a few points, dense or sparse; wide sparse rows made narrow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from labelkit.selection.features import BLOCK, Float32Array, is_sparse, squared_norms

WIDE = 256
"""Sparse rows of more features are reduced before they are clustered."""
NARROW = 100
"""To so many, the customary number of latent semantic analysis (Deerwester et al. 1990)."""


def to_point(rows: Any, norms: Float32Array, at: int) -> Float32Array:
    """(n,) squared distances of all rows to row ``at``."""
    if is_sparse(rows):
        product = np.asarray((rows @ rows[at].T).todense(), dtype=np.float32).ravel()
    else:
        product = rows @ rows[at]
    away: Float32Array = norms + (norms[at] - 2 * product)
    return np.maximum(away, 0, out=away)


def to_nearest(rows: Any, norms: Float32Array, points: Any) -> Float32Array:
    """(n,) squared distances of all rows to the nearest of ``points`` (m, d).

    Blocks of rows by blocks of points: memory does not grow with n × m.
    """
    lengths = squared_norms(points)
    nearest = np.full(len(norms), np.inf, dtype=np.float32)
    step = 512
    for start in range(0, len(norms), BLOCK):
        block = slice(start, start + BLOCK)
        for first in range(0, len(lengths), step):
            few = slice(first, first + step)
            product = rows[block] @ points[few].T
            product = product.toarray() if is_sparse(product) else product
            away = (lengths[None, few] - 2 * product).min(axis=1) + norms[block]
            nearest[block] = np.minimum(nearest[block], away)
    return np.maximum(nearest, 0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Thousands of small products, one after the other: threads would only wait for each other."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def narrowed(rows: Any, rng: np.random.Generator) -> Any:
    """Rows that can be clustered: wide sparse ones reduced by a truncated SVD and put on a sphere.

    Centres of sparse rows are dense: a thousand of 50,000 terms would take 400 MB. Reduced text is
    brought to unit length, so that long documents do not make clusters of their own.
    """
    if not is_sparse(rows):
        return rows
    if rows.shape[1] <= WIDE or min(rows.shape) <= NARROW + 1:
        return np.asarray(rows.toarray(), dtype=np.float32) if rows.shape[1] <= WIDE else rows
    from sklearn.decomposition import TruncatedSVD

    svd = TruncatedSVD(NARROW, n_iter=2, random_state=int(rng.integers(2**31)))
    reduced = np.asarray(svd.fit_transform(rows), dtype=np.float32)
    length = np.sqrt(squared_norms(reduced))
    return reduced / np.where(length > 0, length, 1)[:, None]


def stacked(above: Any, below: Any) -> Any:
    """Rows above rows, both dense or both sparse."""
    if is_sparse(above) or is_sparse(below):
        from scipy.sparse import csr_matrix, vstack

        return vstack([csr_matrix(above), csr_matrix(below)]).tocsr()
    return np.vstack([above, below])
