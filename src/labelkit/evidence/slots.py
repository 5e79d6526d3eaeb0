"""The curve as a small table to join: what an impression in each slot is worth.

A slot is a position, or a position in a context (device, layout). Real numbers become whole
multiples of 2⁻³², so that sums over cells are exact in any order and on any engine.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import Propensities, position_weights
from labelkit.logs import InteractionLog
from labelkit.logs.cells import FIXED_POINT

FloatArray = npt.NDArray[np.float64]

# Squared weights reach 10⁴ where weights reach 10²; fewer binary places keep their sums in 63 bits.
SQUARE_POINT = 2**20
# Directions in which the errors of the slots move together; each costs one sum over the cells.
MOST_DIRECTIONS = 4
# Directions are added until what they leave out is below this share of the variance.
LEFT_OUT = 0.02


def error_directions(curve: Propensities) -> FloatArray:
    """Columns g_r (S, r) with Var(Σ_k n_k θ_k) ≤ Σ_r (Σ_k n_k g_kr)², whatever the n_k ≥ 0."""
    theta = np.nan_to_num(curve.theta, nan=0.0)
    known = theta > 0
    covariance = np.where(np.outer(known, known), np.nan_to_num(curve.covariance), 0.0)
    # Typical shares of exposure: every slot shown equally often.
    return theta[:, None] * directions(covariance, np.where(known, theta, 1.0))


def directions(covariance: FloatArray, typical: FloatArray) -> FloatArray:
    """Columns f_r (S, r) with sᵀΣs ≤ Σ_r (sᵀf_r)² for all shares s ≥ 0, nearly equal for typical s.

    Notes
    -----
    With Σ the covariance of the logs of some weights and s an example's shares of the weighted
    sum, sᵀΣs is the relative variance of that sum. Σ = FFᵀ + R, with F the leading eigenvectors in
    the metric of typical shares and R what is left, positive semi-definite; and
    sᵀRs ≤ (Σ_k s_k √R_kk)², which is one more column. So the result is exact but for R, bounds the
    variance from above, and is exact for an example with one share.
    """
    if not np.any(np.diag(covariance) > 0):
        return np.zeros((len(typical), 0))
    share = typical / typical.sum()
    values, vectors = np.linalg.eigh(share[:, None] * covariance * share)
    total = float(share @ covariance @ share)
    rest = covariance
    columns: list[FloatArray] = []
    for r in np.argsort(-values)[:MOST_DIRECTIONS]:
        left = float(share @ np.sqrt(np.maximum(np.diag(rest), 0))) ** 2
        if left <= LEFT_OUT * total or values[r] <= 0:
            break
        direction = vectors[:, r] * np.sqrt(values[r]) / share
        # The sign of an eigenvector is the library's whim.
        columns.append(direction * (1 if direction.sum() >= 0 else -1))
        rest = rest - np.outer(direction, direction)
    columns.append(np.sqrt(np.maximum(np.diag(rest), 0)))
    return np.stack(columns, axis=1)


def join_slots(
    log: InteractionLog,
    cells: nw.LazyFrame[Any],
    curve: Propensities,
    *,
    clip: float,
    unit: int = 1,
) -> nw.LazyFrame[Any]:
    """``cells`` with what an impression in their slot is worth; zeros where the curve is unknown.

    The columns are ``slot``, ``known``, ``theta_fp``, ``weight_fp``, ``square_fp``, ``error_r_fp``
    and, with a background, ``background_fp`` and ``offset_fp`` = β w.

    Parameters
    ----------
    unit : what one impression counts as, in the cells' weighted counts; sums of products stay
        multiples of 1/FIXED_POINT
    """
    theta = np.nan_to_num(curve.theta, nan=0.0)
    known = theta > 0
    weight = position_weights(curve, clip)
    columns: dict[str, npt.NDArray[Any]] = {
        "slot": np.arange(len(theta), dtype=np.int64),
        "known": known.astype(np.int64),
        "theta_fp": _fixed(theta, FIXED_POINT // unit),
        "weight_fp": _fixed(weight, FIXED_POINT // unit),
        "square_fp": _fixed(weight**2, SQUARE_POINT // unit),
    }
    if curve.has_background:
        background = np.where(known, np.nan_to_num(curve.background, nan=0.0), 0.0)
        columns["background_fp"] = _fixed(background, FIXED_POINT // unit)
        columns["offset_fp"] = _fixed(background * weight, FIXED_POINT // unit)
    for r, error in enumerate(error_directions(curve).T):
        columns[f"error_{r}_fp"] = _fixed(error, FIXED_POINT // unit)
    slots = curve.slots()
    labels = [name for name in curve.context if slots[name].dtype.kind in "OU"]
    if labels:
        # Engines have several types for text, and join only like with like.
        cells = cells.with_columns(nw.col(*labels).cast(nw.String))
    small = small_table(log, {**slots, **columns})
    if labels:
        small = small.with_columns(nw.col(*labels).cast(nw.String))
    joined = cells.join(small, on=list(curve.keys), how="left")
    if not curve.context and np.isin(log.counts.positions, curve.positions).all():
        return joined
    # A slot that the curve has never seen: a gap, which pandas holds as a float.
    fill = {"slot": len(theta)}
    return joined.with_columns(
        nw.col(name).fill_null(fill.get(name, 0)).cast(nw.Int64) for name in columns
    )


def cells_of(log: InteractionLog, curve: Propensities) -> nw.DataFrame[Any]:
    """The log's cells, as fine as the curve's slots."""
    return log.cells_by(tuple(curve.context))


def small_table(log: InteractionLog, columns: dict[str, Any]) -> nw.LazyFrame[Any]:
    """A few rows to join, in the engine of the cells."""
    return nw.from_dict(columns, backend=log.cells.implementation).lazy()


def _fixed(values: FloatArray, point: int) -> npt.NDArray[np.int64]:
    return np.rint(values * point).astype(np.int64)
