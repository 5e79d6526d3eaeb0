"""Density: how many examples are like this one. An answer to an outlier teaches about nobody else.

Multiply a score by it: ``margin(p) * cosine_density(x) ** beta`` (information density, Settles &
Craven 2008, eq. 14). The n × n matrix of similarities, which other tools fill, is never needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelkit.errors import SelectionError
from labelkit.selection.features import BLOCK, FeatureRows, as_matrix, is_sparse, squared_norms

FloatArray = npt.NDArray[np.float64]


def cosine_density(features: Any) -> FloatArray:
    """Mean of (1 + cosine) / 2 between each example and all of them, exactly, in two passes.

    The mean cosine to all examples is the product with the mean of the unit vectors.

    Parameters
    ----------
    features : (n, d) dense or sparse; a row of zeros is at right angles to everything

    Returns
    -------
    (n,) in [0, 1]
    """
    rows = FeatureRows(as_matrix(features))
    length = np.sqrt(rows.squared_norms().astype(np.float64))
    weight = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    centre = np.zeros(rows.width)
    for block in _blocks(len(rows)):
        centre += np.asarray(rows.take(block).T @ weight[block], dtype=np.float64).ravel()
    centre /= max(len(rows), 1)
    cosine = np.empty(len(rows))
    for block in _blocks(len(rows)):
        cosine[block] = np.asarray(rows.take(block) @ centre).ravel() * weight[block]
    return np.clip((1 + cosine) / 2, 0, 1)


def euclidean_density(
    features: Any, *, references: int = 1_000, rng: np.random.Generator | int = 0
) -> FloatArray:
    """Mean of 1 / (1 + distance) between each example and a random sample of them.

    Parameters
    ----------
    features : (n, d) dense or sparse
    references : examples of the sample, m; the standard error of a mean of values in (0, 1] from
        m of them is at most 1 / (2 √m), 0.016 for 1,000. With m ≥ n it is exact
    rng : generator or seed of the sample

    Returns
    -------
    (n,) in (0, 1]

    Raises
    ------
    SelectionError
        ``references`` is below one.
    """
    if references < 1:
        raise SelectionError(f"references = {references}: the sample needs at least one example.")
    rows = FeatureRows(as_matrix(features))
    m = min(references, len(rows))
    sample = np.sort(np.random.default_rng(rng).choice(len(rows), m, replace=False))
    points = rows.take(sample.astype(np.int64))
    lengths = squared_norms(points)
    density = np.empty(len(rows))
    step = max(1, BLOCK * 64 // m)
    for start in range(0, len(rows), step):
        block = slice(start, min(start + step, len(rows)))
        part = rows.take(block)
        product = part @ points.T
        product = product.toarray() if is_sparse(product) else product
        away = squared_norms(part)[:, None] + lengths[None, :] - 2 * product
        density[block] = (1 / (1 + np.sqrt(np.maximum(away, 0)))).mean(axis=1)
    return density


def _blocks(n: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]
