"""Are predicted interval widths those that come about? Predicted against realised, simulated.

    python benchmarks/selection.py planning [POOLS=40]

On each pool some gold is drawn (none, 150 or 300 labels), ``plan_labels`` predicts the half-width
after 500 more, the 500 are drawn and asked, and ``lk.validate`` prints the interval. Printed: mean
predicted over mean realised half-width, and how often the realised one lies in the predicted range
(5 to 95 % of futures). Bar: within 15 % once there is gold. Without gold the prediction believes
the soft labels, and they are over-confident here: printed, not judged.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence

import numpy as np
import polars as pl

import labelkit as lk
from labelkit.selection import plan_labels
from labelkit.validation import validating
from selection_bars.design import EVEN, METRICS, MISLED, RARE, World

N_MORE = 500
BAR = 0.15


def realised(
    world: World, n_gold: int, audit: str, seed: int
) -> dict[str, tuple[float, float, float, float]]:
    """Predicted half-width with its range, and the realised one, of each metric."""
    pool, _ = world.pool(1000 + seed)
    truth = pool["truth"].to_numpy()

    def ask(n: int, number: int, gold: pl.DataFrame | None) -> pl.DataFrame:
        batch = lk.select(pool, n, audit=audit, exclude=gold, seed=seed)
        new = batch.frame.select("query", "item", "inclusion_probability")
        return new.with_columns(label=truth[new["item"].to_numpy()], round=number)

    gold = ask(n_gold, 0, None) if n_gold else None
    more = ask(N_MORE, 1, gold)
    both = more if gold is None else pl.concat([gold, more])
    report = lk.validate(pool, both, seed=seed).frame
    result = {}
    for metric in METRICS:
        plan = plan_labels(pool, f"{metric} ± 0.001", gold=gold, n_max=N_MORE, audit=audit,
                           seed=seed).frame.row(-1, named=True)  # fmt: skip
        row = report.filter(metric=metric).row(0, named=True)
        half = np.nan if row["low"] is None else (row["high"] - row["low"]) / 2
        result[metric] = (
            plan["half_width"], plan["half_width_low"], plan["half_width_high"], half
        )  # fmt: skip
    return result


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/selection.py planning")
    parser.add_argument("pools", nargs="?", type=int, default=40)
    given = parser.parse_args(argv)
    validating._N_DRAWS = 1000
    print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}; "
          f"{given.pools} pools of 4,000 a line, {N_MORE} more labels")  # fmt: skip
    for world in (RARE, EVEN, MISLED):
        for n_gold in (0, 150, 300):
            for audit in ("equal", "class"):
                found = [realised(world, n_gold, audit, seed) for seed in range(given.pools)]
                print(f"{world.name}; {n_gold} gold labels; audit {audit}")
                for metric in METRICS:
                    p, low, high, half = np.array([f[metric] for f in found]).T
                    ratio = np.nanmean(p) / np.nanmean(half)
                    inside = np.nanmean((low <= half) & (half <= high))
                    judged = "within the bar" if abs(ratio - 1) <= BAR else "OUTSIDE"
                    judged = judged if n_gold else ""
                    print(f"  {metric:10s} predicted {np.nanmean(p):.3f}   realised "
                          f"{np.nanmean(half):.3f}   ratio {ratio:.2f}   in range {inside:.0%}   "
                          f"{judged}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
