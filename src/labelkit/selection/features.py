"""Features of a pool, found by key or by row, and read in blocks: the pool is not copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.errors import EndModelError, SelectionError

if TYPE_CHECKING:
    import polars as pl

IntArray = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]

# Rows a block: 16 Ki × 64 floats stay in the cache of a core.
BLOCK = 16_384


@dataclass(frozen=True)
class FeatureRows:
    """Features of n examples: rows of a matrix that may hold more, in another order.

    ::

        matrix  (N, d) NumPy array, or SciPy matrix of compressed rows; shared, never changed
        at      (n,) int64: the row of each example; None: example i is row i
    """

    matrix: Any
    at: IntArray | None = None

    def __len__(self) -> int:
        return int(self.matrix.shape[0]) if self.at is None else len(self.at)

    @property
    def width(self) -> int:
        """Number of features d."""
        return int(self.matrix.shape[1])

    def take(self, positions: IntArray | slice) -> Any:
        """Rows of these examples: float32, dense (m, d) or sparse in compressed rows."""
        rows = self.matrix[positions if self.at is None else self.at[positions]]
        if is_sparse(rows):
            return rows.astype(np.float32, copy=False)
        return np.ascontiguousarray(rows, dtype=np.float32)

    def among(self, positions: IntArray) -> FeatureRows:
        """The same features of these examples only; nothing is copied but positions."""
        return FeatureRows(self.matrix, positions if self.at is None else self.at[positions])

    def squared_norms(self) -> Float32Array:
        """(n,) squared lengths, a block at a time."""
        norms = np.empty(len(self), dtype=np.float32)
        for start in range(0, len(self), BLOCK):
            block = slice(start, min(start + BLOCK, len(self)))
            norms[block] = squared_norms(self.take(block))
        return norms


def is_sparse(rows: Any) -> bool:
    """Whether ``rows`` are of SciPy's sparse kind."""
    return hasattr(rows, "tocsr")


def squared_norms(rows: Any) -> Float32Array:
    """(n,) squared lengths of dense or sparse rows."""
    if is_sparse(rows):
        return np.asarray(rows.multiply(rows).sum(axis=1), dtype=np.float32).ravel()
    return np.asarray(np.einsum("nd,nd->n", rows, rows), dtype=np.float32)


def as_matrix(features: Any, *, name: str = "features") -> Any:
    """A dense or sparse matrix of finite numbers, not copied if it is one already.

    Raises
    ------
    SelectionError
        Another shape, values that are no numbers, or not finite.
    """
    if is_sparse(features):
        matrix = features.tocsr()
        values = matrix.data
    else:
        matrix = values = np.asarray(features)
    if matrix.ndim != 2 or not matrix.shape[1]:
        raise SelectionError(
            f"{name} has shape {matrix.shape}; it needs one row per example and a column or more."
        )
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool) or np.iscomplexobj(
        values
    ):
        raise SelectionError(
            f"{name} holds {values.dtype}, not numbers. labelkit.endmodels.features(frame, "
            f"numeric=[...], text=[...]) makes numbers of columns."
        )
    _refuse_infinite(matrix, name)
    return matrix


def read_features(features: Any, rows: IntArray, keys: pl.DataFrame) -> FeatureRows:
    """Features of the pool's examples.

    Parameters
    ----------
    features : (N, d) array or sparse matrix in row order of the weak labels; or
        `labelkit.endmodels.Features`, or a frame with the key columns, found by key. Of a frame
        all numeric columns but the keys count, brought to mean 0 and standard deviation 1
    rows : (n,) row of each pool example among the weak labels
    keys : keys of all weak labels, in Polars, in their order

    Raises
    ------
    SelectionError
        Rows are missing or too many, or values are not finite numbers.
    """
    n_labels = len(keys)
    if is_sparse(features) or isinstance(features, np.ndarray) or _is_nested(features):
        matrix = as_matrix(features)
        if matrix.shape[0] != n_labels:
            raise SelectionError(
                f"features has {matrix.shape[0]:,} rows, the weak labels {n_labels:,}: it needs "
                f"one row for each of them, in the same order."
            )
        return FeatureRows(matrix, rows)
    from labelkit.endmodels.alignment import rows_in
    from labelkit.endmodels.features import Features

    try:
        made = features if isinstance(features, Features) else _of_frame(features, keys.columns)
        if made.keys is None:
            if len(made) != n_labels:
                raise SelectionError(
                    f"features has {len(made):,} rows and no keys, the weak labels {n_labels:,}."
                )
            return FeatureRows(made.matrix, rows)
        return FeatureRows(made.matrix, rows_in(keys[rows], made.keys, "features"))
    except EndModelError as error:
        raise SelectionError(str(error)) from None


def _of_frame(frame: Any, keys: Sequence[str]) -> Any:
    from labelkit.endmodels.features import features
    from labelkit.engine import lazy

    try:
        schema = lazy(frame).collect_schema()
    except Exception as error:
        raise SelectionError(
            f"features is a {type(frame).__name__}; give an array, a sparse matrix, a frame with "
            f"the key columns, or what labelkit.endmodels.features makes."
        ) from error
    numeric = [
        name
        for name, kind in schema.items()
        if name not in keys and (kind.is_numeric() or kind == nw.Boolean)
    ]
    return features(frame, numeric=numeric, keys=tuple(keys))


def _is_nested(features: Any) -> bool:
    return isinstance(features, (list, tuple))


def _refuse_infinite(matrix: Any, name: str) -> None:
    n = matrix.shape[0]
    for start in range(0, n, BLOCK):
        block = matrix[start : start + BLOCK]
        values = block.data if is_sparse(block) else block
        # One sum is cheaper than a mask, and infinite or NaN wherever a value is.
        if np.isfinite(values.sum(dtype=np.float64)) or np.isfinite(values).all():
            continue
        dense = block.toarray() if is_sparse(block) else block
        bad = ~np.isfinite(dense)
        row, column = (int(i) for i in np.argwhere(bad)[0])
        n_bad = sum(_infinite_rows(matrix[s : s + BLOCK]) for s in range(0, n, BLOCK))
        raise SelectionError(
            f"{name} has {n_bad:,} of {n:,} rows with a value that is not finite (first: row "
            f"{start + row}, column {column}: {dense[row, column]})."
        )


def _infinite_rows(block: Any) -> int:
    dense = block.toarray() if is_sparse(block) else block
    return int((~np.isfinite(dense)).any(axis=1).sum())
