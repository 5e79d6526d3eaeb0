"""Top-k cut-off: an item below the page is not clicked, however good it is.

A page shows k places, and rankers disagree about which items get them. Counting clicks per page
and weighing them by 1/θ of the place takes "not shown" for "not clicked", and so punishes items
that only some rankers show. The policy-aware propensity of an example is its chance to be examined
on a page of its query, over the rankers that serve it:

    ρ_e = Σ_r share_r Σ_k θ_k P(e at k | r),    0 where a ranker leaves e below the cut-off

(Oosterhuis & de Rijke 2020, *Policy-aware unbiased learning to rank for top-k rankings*), and
clicks ÷ (pages · ρ_e) is unbiased for every example that any ranker shows. What no ranker shows
has ρ_e = 0 and no estimate: no weight can bring it back. With each query's own shares, pages · ρ_e
is the effective exposure Σ_k θ_k n_ek, so that debiased rates are policy-aware as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.propensities import Propensities
from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import LabelkitError, LogError
from labelkit.logs import InteractionLog

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def policy_propensities(
    log: InteractionLog, curve: Propensities, *, shares: Mapping[Any, float] | None = None
) -> NativeFrame:
    """One row per example that was shown, with its chance to be examined on a page of its query.

    Parameters
    ----------
    curve : as fitted (``PositionBias().fit(log).curve_``); its context, if any, is averaged over
        the traffic of each ranker
    shares : ranker → share of the traffic, for a mix other than the one that was logged; needs a
        log with a ``ranker`` column. Default: what each query's own pages were served by

    Returns
    -------
    frame of the kind that the log was read from: ``query``, ``item``, ``pages`` (of the query,
    those that did not show the item too), ``clicks``, ``shown`` (chance to be on the page) and
    ``policy_propensity`` ρ_e. 1/ρ_e is the weight of a click in training on pages.

    Raises
    ------
    LogError
        ``shares`` is given, and the log has no ranker column or none of the rankers named.

    Notes
    -----
    Pages of a query by one ranker are counted as the impressions of its fullest position, which
    every page fills.
    """
    if shares is not None and "ranker" not in log.columns:
        raise LogError("shares= needs a log that says which ranker served a page: map 'ranker'.")
    by = (*curve.context, "ranker") if "ranker" in log.columns else tuple(curve.context)
    cells = log.cells_by(by)
    example, query = _index(cells)
    n_examples, n_queries = int(example.max()) + 1, int(query.max()) + 1
    shown = cells["impressions"].to_numpy().astype(np.float64)
    theta = np.nan_to_num(curve.theta, nan=0.0)[_slots(curve, cells)]

    names, ranker = _rankers(cells)
    n_rankers = len(names)
    server = query * n_rankers + ranker
    pages = _pages(cells["position"].to_numpy(), server, shown, n_queries * n_rankers)
    mix = _mix(pages.reshape(n_queries, n_rankers), names, shares)
    per_page = shown / pages[server] * mix[query, ranker]
    counted = cells.select("query", "item").with_columns(
        nw.new_series("example", example, backend=cells.implementation)
    )
    first = np.flatnonzero(np.concatenate([[True], example[1:] != example[:-1]]))
    of_query = pages.reshape(n_queries, n_rankers).sum(1)[query[first]]
    columns = {
        "pages": of_query.astype(np.int64),
        "clicks": np.bincount(example, cells["clicks"].to_numpy(), n_examples).astype(np.int64),
        "shown": np.bincount(example, per_page, n_examples),
        "policy_propensity": np.bincount(example, per_page * theta, n_examples),
    }
    result = counted[first.tolist()].select("query", "item")
    result = result.with_columns(
        *(nw.new_series(name, v, backend=cells.implementation) for name, v in columns.items())
    )
    return to_native_like(result, log.native)


def _index(cells: nw.DataFrame[Any]) -> tuple[IntArray, IntArray]:
    """Example and query of every sorted cell, numbered from 0."""
    new_query = (nw.col("query") != nw.col("query").shift(1)).fill_null(True)
    new_item = (nw.col("item") != nw.col("item").shift(1)).fill_null(True)
    marked = cells.select(new_query.alias("q"), (new_query | new_item).alias("e"))
    example, query = (np.cumsum(marked[name].to_numpy().astype(bool)) - 1 for name in ("e", "q"))
    return example, query


def _slots(curve: Propensities, cells: nw.DataFrame[Any]) -> IntArray:
    """Slot of the curve for every cell."""
    slots = {**curve.slots(), "slot": np.arange(len(curve.positions))}
    table = nw.from_dict(dict(slots), backend=cells.implementation)
    keys = list(curve.keys)
    joined = cells.select(*keys).with_row_index("row").join(table, on=keys, how="left")
    missing = joined.filter(nw.col("slot").is_null()).sort("row")
    if len(missing):
        lacking = ", ".join(f"{name} {missing[name][0]!r}" for name in keys)
        raise LabelkitError(
            f"The curve has no propensity for {len(missing):,} cells of this log (first: "
            f"{lacking}). Fit it on this log, or on one that shows the same positions."
        )
    return np.asarray(joined.sort("row")["slot"].to_numpy()).astype(np.int64)


def _rankers(cells: nw.DataFrame[Any]) -> tuple[list[Any], IntArray]:
    """Names of the rankers, and whose each cell is."""
    if "ranker" not in cells.columns:
        return ["all"], np.zeros(len(cells), dtype=np.int64)
    names = cells.select("ranker").unique().sort("ranker").with_row_index("number")
    rows = cells.select("ranker").with_row_index("row").join(names, on="ranker", how="left")
    number = rows.sort("row")["number"].to_numpy().astype(np.int64)
    return names["ranker"].to_list(), number


def _pages(position: IntArray, server: IntArray, shown: FloatArray, size: int) -> FloatArray:
    """Pages per query and ranker: impressions at the fullest position."""
    depth = int(position.max()) + 1
    place, at = np.unique(server * depth + position, return_inverse=True)
    filled = np.bincount(at, shown)
    pages = np.zeros(size)
    np.maximum.at(pages, place // depth, filled)
    return pages


def _mix(pages: FloatArray, names: list[Any], shares: Mapping[Any, float] | None) -> FloatArray:
    """Share of each ranker in each query's pages, (n_queries, n_rankers)."""
    mixed: FloatArray
    if shares is None:
        mixed = pages / pages.sum(1, keepdims=True)
        return mixed
    unknown = [name for name in shares if name not in names]
    if unknown or any(share < 0 for share in shares.values()):
        raise LogError(
            f"shares names rankers of the log with shares of 0 or more; got {dict(shares)}, and "
            f"the log has {', '.join(map(repr, names))}."
        )
    wanted = np.array([float(shares.get(name, 0.0)) for name in names])
    # A ranker that never served a query is left out of that query's mix.
    weight = np.where(pages > 0, wanted, 0.0)
    total = weight.sum(1, keepdims=True)
    mixed = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return mixed
