"""Labeling functions: rows per second beside a hand-written Polars query and Snorkel's applier.

Run with ``python benchmarks/lfs.py [ROWS]`` (10,000,000 by default). Prints peer, ours, ratio.
"""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import pandas as pd
import polars as pl
import psutil

from labelkit import analyze, apply, col, labeling_function, vote
from labelkit.errors import RowFunctionWarning
from labelkit.lfs import LabelingFunction

N_LFS = 10
SNORKEL_ROWS = 100_000
REPEATS = 5
KEYS = ("query", "item")


def examples(n: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    item = np.arange(n)
    features = {f"x{j}": rng.random(n) for j in range(N_LFS)}
    return pl.DataFrame({"query": item // 20, "item": item, **features})


def expression_lfs() -> list[LabelingFunction]:
    def make(j: int) -> LabelingFunction:
        def rule():
            return vote(j % 2, where=col(f"x{j}") > 0.5)

        return labeling_function(name=f"lf{j}")(rule)

    return [make(j) for j in range(N_LFS)]


def row_lfs() -> list[object]:
    from snorkel.labeling import LabelingFunction as SnorkelLF

    def make(j: int) -> object:
        column, label = f"x{j}", j % 2
        return SnorkelLF(f"lf{j}", lambda x: label if getattr(x, column) > 0.5 else -1)

    return [make(j) for j in range(N_LFS)]


def by_hand(frame: pl.DataFrame) -> pl.DataFrame:
    votes = [
        pl.when(pl.col(f"x{j}") > 0.5)
        .then(pl.lit(j % 2, dtype=pl.Int8))
        .otherwise(pl.lit(-1, dtype=pl.Int8))
        .alias(f"lf{j}")
        for j in range(N_LFS)
    ]
    return frame.lazy().select(*KEYS, *votes).collect(engine="streaming")


def best(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Seconds of the fastest of some runs: the others measure what else the machine did."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def peak_over_start(run: Callable[[], object]) -> float:
    """GiB that a call takes above what was there before, sampled every 5 ms."""
    process, peak, done = psutil.Process(os.getpid()), [0], threading.Event()
    start = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    done.set()
    watcher.join()
    return max(peak[0] - start, 0) / 2**30


def line(what: str, peer: str, ours: str, ratio: str) -> None:
    print(f"{what:<58} {peer:>16} {ours:>16} {ratio:>9}")


def main(n: int) -> None:
    from snorkel.labeling import LFAnalysis, PandasLFApplier

    warnings.simplefilter("ignore", RowFunctionWarning)
    warnings.filterwarnings("ignore", message="Input has data type", category=FutureWarning)
    names = ("labelkit", "polars", "narwhals", "snorkel", "pandas", "numpy")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        + ", ".join(f"{name} {version(name)}" for name in names)
    )
    line(f"{N_LFS} LFs", "peer", "ours", "peer/ours")

    frame, lfs = examples(n), expression_lfs()
    # First, while the allocator has nothing to reuse.
    size = frame.estimated_size() / 2**30
    peak = peak_over_start(lambda: apply(lfs, frame, keys=KEYS))
    line(
        f"{n:,} rows: memory above the input (GiB; peer: the input)",
        f"{size:.2f}",
        f"{peak:.2f}",
        f"{size / peak:.1f}" if peak else "-",
    )

    hand, ours = best(lambda: by_hand(frame)), best(lambda: apply(lfs, frame, keys=()))
    keyed = best(lambda: apply(lfs, frame, keys=KEYS))
    line(f"{n:,} rows, by hand in Polars (s)", f"{hand:.3f}", f"{ours:.3f}", f"{hand / ours:.2f}")
    line(
        "  … with the check that no key repeats (s)",
        f"{hand:.3f}",
        f"{keyed:.3f}",
        f"{hand / keyed:.2f}",
    )
    few = frame.head(SNORKEL_ROWS).to_pandas()
    applier, theirs = PandasLFApplier(row_lfs()), row_lfs()
    slow = best(lambda: applier.apply(few, progress_bar=False), repeats=1)
    rows = best(lambda: apply(theirs, few, keys=KEYS), repeats=2)
    line(
        f"Snorkel's LFs on {SNORKEL_ROWS:,} pandas rows (rows/s)",
        f"{SNORKEL_ROWS / slow:,.0f}",
        f"{SNORKEL_ROWS / rows:,.0f}",
        f"{slow / rows:.1f}",
    )
    line(
        "same logic: PandasLFApplier against expressions (rows/s)",
        f"{SNORKEL_ROWS / slow:,.0f}",
        f"{n / keyed:,.0f}",
        f"{slow / SNORKEL_ROWS * n / keyed:,.0f}",
    )
    assert np.array_equal(
        applier.apply(few, progress_bar=False), apply(lfs, pd.DataFrame(few), keys=KEYS).matrix
    ), "the two sides must vote alike"

    votes = apply(lfs, frame, keys=KEYS)
    matrix = votes.matrix[:1_000_000]
    theirs_s = best(lambda: LFAnalysis(matrix).lf_summary(), repeats=1) * n / len(matrix)
    began = time.perf_counter()
    analyze(votes)
    ours_s = time.perf_counter() - began
    line(
        f"analysis of {n:,} rows (s; peer scaled from {len(matrix):,})",
        f"{theirs_s:.2f}",
        f"{ours_s:.2f}",
        f"{theirs_s / ours_s:.1f}",
    )


if __name__ == "__main__":
    main(int(sys.argv[1].replace(",", "").replace("_", "")) if len(sys.argv) > 1 else 10_000_000)
