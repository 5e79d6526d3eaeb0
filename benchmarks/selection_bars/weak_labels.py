"""How long does it take to choose from a million weak labels, and what does it cost in memory?

    python benchmarks/selection.py weak-labels [ROWS=1000000]

The peer is what a user would write by hand in Polars: the top 800 by margin and a plain sample of
200 from the rest, without canonical order, tie-breaking, checks or probabilities.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

import numpy as np
import polars as pl
import psutil

import labelkit as lk


def make_pool(n: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    p = rng.beta(0.3, 2, n).round(3)
    return pl.DataFrame(
        {
            "query": [f"q{i // 20}" for i in range(n)],
            "item": [f"doc{i * 7919 % n}" for i in range(n)],
            "p_0": 1 - p,
            "p_1": p,
            "label": (p > 0.5).astype(np.int64),
        }
    )


def by_hand(pool: pl.DataFrame) -> pl.DataFrame:
    scored = pool.with_row_index("i").with_columns(score=(pl.col("p_1") - pl.col("p_0")).abs())
    top = scored.bottom_k(800, by="score")
    rest = scored.join(top, on="i", how="anti")
    return pl.concat([top, rest.sample(200, seed=0)])


def timed(run: Callable[[], object], repeats: int = 5) -> float:
    run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return float(np.median(times))


def main(n: int = 1_000_000) -> None:
    pool = make_pool(n)
    pandas = pool.to_pandas()
    before = psutil.Process().memory_info().rss
    print(f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}, "
          f"Polars {pl.__version__}; {n:,} weak labels, batch of 1,000")  # fmt: skip
    peer = timed(lambda: by_hand(pool))
    print(f"by hand in Polars, no design          {peer:6.2f} s")
    cases: dict[str, Callable[[], object]] = {
        "margin": lambda: lk.select(pool, 1000),
        "margin, at most 2 per query": lambda: lk.select(pool, 1000, max_per_query=2),
        "entropy, πps audit": lambda: lk.select(pool, 1000, strategy="entropy", audit="pps"),
        "random": lambda: lk.select(pool, 1000, strategy="random"),
        "margin, 1,000 excluded": lambda: lk.select(pool, 1000, exclude=pool[:1000]),
        "margin, from pandas": lambda: lk.select(pandas, 1000),
    }
    for name, run in cases.items():
        seconds = timed(run)
        print(f"lk.select, {name:27s}{seconds:6.2f} s   {seconds / peer:5.1f} × by hand")
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    print(f"resident memory grew by {grown:,.0f} MiB over all of it")
