"""Squared Euclidean distances to a few points, in blocks, dense or sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelkit.selection.batches.candidates import Features

Float32Array = npt.NDArray[np.float32]

# Rows a block: 16 Ki × 64 floats stay in the cache of a core.
BLOCK = 16_384


def as_rows(features: Features) -> Any:
    """Dense float32 rows, or a sparse matrix in compressed rows; no copy where none is needed."""
    if hasattr(features, "tocsr"):
        return features.tocsr()
    return np.ascontiguousarray(features, dtype=np.float32)


def squared_norms(rows: Any) -> Float32Array:
    """(n,) squared lengths."""
    if hasattr(rows, "tocsr"):
        return np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float32).ravel()
    return np.asarray(np.einsum("nd,nd->n", rows, rows), dtype=np.float32)


def to_point(rows: Any, norms: Float32Array, at: int) -> Float32Array:
    """(n,) squared distances of all rows to row ``at``."""
    if hasattr(rows, "tocsr"):
        product = np.asarray((rows @ rows[at].T).todense(), dtype=np.float32).ravel()
    else:
        product = rows @ rows[at]
    return np.asarray(np.maximum(norms + norms[at] - 2 * product, 0), dtype=np.float32)


def to_nearest(rows: Any, norms: Float32Array, points: Any) -> Float32Array:
    """(n,) squared distances of all rows to the nearest of ``points`` (m, d)."""
    lengths = squared_norms(points)
    nearest = np.full(len(norms), np.inf, dtype=np.float32)
    # As many points at a time as keep a block of products small.
    step = max(1, 4_194_304 // BLOCK)
    for start in range(0, len(norms), BLOCK):
        block = slice(start, start + BLOCK)
        for first in range(0, len(lengths), step):
            few = slice(first, first + step)
            product = rows[block] @ points[few].T
            product = product.toarray() if hasattr(product, "toarray") else product
            away = norms[block, None] + lengths[None, few] - 2 * product
            nearest[block] = np.minimum(nearest[block], away.min(axis=1))
    return np.maximum(nearest, 0)
