"""What should have been clicked: the probability of each row of a simulated log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import numpy as np
import polars as pl

from labelkit.engine import NativeFrame, collect, lazy
from labelkit.errors import LogError
from labelkit.logs.simulator.clock import EPOCH, window_of
from labelkit.logs.simulator.rows import FloatArray, IntArray, PageRows
from labelkit.logs.simulator.truth import is_position_based

if TYPE_CHECKING:
    from labelkit.logs.simulator.truth import Truth


def click_probability(truth: Truth, frame: NativeFrame) -> FloatArray:
    """See :meth:`Truth.click_probability`."""
    wanted = ["query", "item", "position"]
    wanted += ["device"] if truth.devices else []
    wanted += ["timestamp"] if truth.drift else []
    wanted += ["session"] if truth.bots else []
    table = collect(lazy(frame).select(nw.col(*wanted))).to_polars()
    at = _rows_of(truth, table)
    slot = table["position"].to_numpy().astype(np.int64) - 1
    _check_slots(truth, slot)
    window = device = None
    if truth.drift:
        elapsed = table["timestamp"].cast(pl.Datetime("us")).to_numpy() - EPOCH
        window = window_of(elapsed.astype(np.int64), truth.n_windows)
    if truth.devices:
        names = pl.Enum([each.name for each in truth.devices])
        numbers = table["device"].cast(pl.String).cast(names).to_physical()
        device = numbers.to_numpy().astype(np.int64)
    rows = PageRows(np.cumsum(slot == 0) - 1, slot, truth.gamma(at, window), truth.satisfaction(at))
    p = np.empty(len(at))
    for model, mask in truth.groups(device, window):
        p[mask] = model.probability(rows.where(mask))
    if truth.bots:
        p[truth.is_bot(table["session"].to_numpy())] = truth.bots.click_rate
    return p


def _rows_of(truth: Truth, table: pl.DataFrame) -> IntArray:
    key = ["query", "item"]
    known = truth.attractiveness.select(key).with_row_index("__row__")
    row = table.select(key).join(known, on=key, how="left", maintain_order="left")["__row__"]
    if row.null_count():
        first = table.filter(row.is_null()).row(0)
        raise LogError(
            f"{row.null_count():,} rows have a (query, item) that is not in the catalogue "
            f"(first: {first[:2]})."
        )
    return row.to_numpy().astype(np.int64)


def _check_slots(truth: Truth, slot: IntArray) -> None:
    depth = truth.clicks.n_positions
    outside = np.flatnonzero((slot < 0) | (slot >= depth))
    if len(outside):
        raise LogError(
            f"column 'position' has {len(outside):,} of {len(slot):,} rows outside 1 … {depth} "
            f"(first: row {outside[0] + 1:,}: {slot[outside[0]] + 1})."
        )
    if all(is_position_based(model) for model in truth.models):
        return
    follows = np.diff(slot, prepend=-1) == 1
    broken = np.flatnonzero(~follows & (slot != 0))
    if len(broken):
        raise LogError(
            "Here a click depends on the rest of its page, so pages must be whole and in order: "
            f"{len(broken):,} of {len(slot):,} rows do not follow the one before "
            f"(first: row {broken[0] + 1:,}, position {slot[broken[0]] + 1})."
        )
