"""One row per example: whole-number sums over its cells, and the ratios made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import DEFAULT_CLIP, Propensities
from labelkit.engine import collect
from labelkit.evidence.recency import Decay, decayed_cells
from labelkit.evidence.slots import SQUARE_POINT, cells_of, join_slots
from labelkit.logs import InteractionLog
from labelkit.logs.cells import FIXED_POINT

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ExampleSums:
    """Sums per (query, item), in the engine of the cells, and how to read them.

    ::

        table    query, item, impressions, clicks, known_clicks, shown, exposure_fp, error_0_fp …,
                 ips_fp, w_fp, ww_fp [, background_fp, dwell_ms, dwell_n, dwell_max, conversions]
        unit     what one click counts as in ``known_clicks`` and one impression in ``shown``; more
                 than 1 under a half-life
        n_errors directions in which the exposure is uncertain
        has_background  whether some slots draw clicks whatever they show
    """

    table: nw.LazyFrame[Any]
    unit: int
    n_errors: int
    has_background: bool = False

    @property
    def clicks(self) -> nw.Expr:
        """Clicks at known slots, those long past counting for less."""
        known = nw.col("known_clicks")
        return known if self.unit == 1 else known / self.unit

    def ratios(self) -> dict[str, nw.Expr]:
        """Evidence columns that are quotients of the sums."""
        w, ww = nw.col("w_fp") / FIXED_POINT, nw.col("ww_fp") / SQUARE_POINT
        shown, clicked = nw.col("impressions"), nw.col("clicks")
        if self.unit > 1:
            shown = nw.col("weighted_impressions") / self.unit
            clicked = nw.col("weighted_clicks") / self.unit
        return {
            "exposure": nw.col("exposure_fp") / FIXED_POINT,
            "raw_ctr": clicked / shown,
            "ips_ctr": nw.col("ips_fp") / FIXED_POINT / shown,
            "ess": nw.when(nw.col("ww_fp") > 0).then(w * w / ww).otherwise(nw.lit(0.0)),
        }

    def collected(self) -> ExampleSums:
        """The same, computed."""
        return self.over(collect(self.table))

    def over(self, table: nw.DataFrame[Any]) -> ExampleSums:
        """The same reading of another table, such as one in another order."""
        return replace(self, table=table.lazy())

    def array(self, name: str, point: int = FIXED_POINT) -> FloatArray:
        """A sum as real numbers, (n_examples,), in the order of a computed table."""
        values: FloatArray = collect(self.table.select(name))[name].to_numpy().astype(np.float64)
        return values / point


def sum_examples(
    log: InteractionLog,
    curve: Propensities,
    *,
    clip: float = DEFAULT_CLIP,
    decay: Decay | None = None,
) -> ExampleSums:
    """Group the cells of a log by example, lazily."""
    cells = cells_of(log, curve) if decay is None else decayed_cells(log, curve, decay)
    unit = 1 if decay is None else decay.unit
    joined = join_slots(log, cells.lazy(), curve, clip=clip, unit=unit)
    columns = joined.collect_schema().names()
    errors = [name for name in columns if name.startswith("error_")]
    n, c = (
        (nw.col("impressions"), nw.col("clicks"))
        if decay is None
        else (nw.col("weighted_impressions"), nw.col("weighted_clicks"))
    )
    ips = nw.col("ips_clicks_fp") if curve.per_impression else c * nw.col("weight_fp")
    products = {
        "known_clicks": c * nw.col("known"),
        "shown": n * nw.col("known"),
        "exposure_fp": (
            nw.col("propensity_fp") if curve.per_impression else n * nw.col("theta_fp")
        ),
        "w_fp": n * nw.col("weight_fp"),
        "ww_fp": (n if decay is None else nw.col("squared_impressions")) * nw.col("square_fp"),
        **{name: n * nw.col(name) for name in errors},
    }
    if curve.has_background:
        products["background_fp"] = n * nw.col("background_fp")
        ips = ips - n * nw.col("offset_fp")
    products["ips_fp"] = ips
    sums = ["impressions", "clicks", *products]
    sums += [
        name
        for name in (
            "weighted_impressions", "weighted_clicks", "dwell_ms", "dwell_n", "conversions",
        )
        if name in columns
    ]  # fmt: skip
    aggregates = [nw.col(name).sum() for name in sums]
    if "dwell_max" in columns:
        aggregates.append(nw.col("dwell_max").max())
    table = joined.with_columns(**products).group_by("query", "item").agg(*aggregates).lazy()
    return ExampleSums(table, unit, len(errors), curve.has_background)
