"""Labeling functions beside a hand-written Polars query, Snorkel, and plain PySpark.

Run with ``python benchmarks/lfs.py [ROWS] [PART …]``: 10,000,000 rows and the parts ``engine``,
``rows``, ``analysis`` and ``spark`` by default (Spark on half the rows; skipped without Java).
Prints what each part was measured to be beside its bar, and whether that is met.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import psutil

from labelkit import Votes, analyze, apply, col, labeling_function, vote
from labelkit.errors import RowFunctionWarning
from labelkit.lfs import LabelingFunction

N_LFS = 10
N_ANALYSED = 25
SNORKEL_ROWS = 100_000
PARTS = ("engine", "rows", "analysis", "spark")
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


def line(
    what: str, peer: str, ours: str, ratio: str, bar: str = "", met: bool | None = None
) -> None:
    verdict = "" if met is None else ("met" if met else "MISSED")
    print(f"{what:<62} {peer:>14} {ours:>14} {ratio:>8}  {bar:<12} {verdict}", flush=True)


def engine(n: int) -> None:
    """Expressions: time beside the same query by hand, and memory."""
    frame, lfs = examples(n), expression_lfs()
    # First, while the allocator has nothing to reuse.
    size = frame.estimated_size() / 2**30
    extra = peak_over_start(lambda: apply(lfs, frame, keys=KEYS))
    total = (size + extra) / size
    line(
        f"{n:,} rows: peak with the input, of which the input (GiB)",
        f"{size:.2f}",
        f"{size + extra:.2f}",
        f"{total:.2f}",
        "< 2",
        total < 2,
    )
    hand, ours = best(lambda: by_hand(frame)), best(lambda: apply(lfs, frame, keys=()))
    line(
        f"{n:,} rows, by hand in Polars (s; ratio ours/peer)",
        f"{hand:.3f}",
        f"{ours:.3f}",
        f"{ours / hand:.2f}",
        "<= 1.2",
        ours <= 1.2 * hand,
    )
    keyed = best(lambda: apply(lfs, frame, keys=KEYS))
    line(
        "  … and with the check that no key repeats",
        f"{hand:.3f}",
        f"{keyed:.3f}",
        f"{keyed / hand:.2f}",
    )
    from snorkel.labeling import PandasLFApplier

    few = frame.head(SNORKEL_ROWS).to_pandas()
    applier = PandasLFApplier(row_lfs())
    slow = best(lambda: applier.apply(few, progress_bar=False), repeats=1)
    ratio = slow / SNORKEL_ROWS * n / keyed
    line(
        f"same logic as Snorkel's PandasLFApplier on {SNORKEL_ROWS:,} (rows/s)",
        f"{SNORKEL_ROWS / slow:,.0f}",
        f"{n / keyed:,.0f}",
        f"{ratio:,.0f}",
        ">= 500",
        ratio >= 500,
    )
    theirs = applier.apply(few, progress_bar=False)
    assert np.array_equal(theirs, apply(lfs, few, keys=KEYS).matrix), "the two must vote alike"


def rows(n: int) -> None:
    """Snorkel's own functions, row by row: on one core, and on two."""
    from snorkel.labeling import PandasLFApplier

    many = min(n, 4 * SNORKEL_ROWS)
    few = examples(many).to_pandas()
    applier, lfs = PandasLFApplier(row_lfs()), row_lfs()
    theirs = best(lambda: applier.apply(few, progress_bar=False), repeats=1)
    one = best(lambda: apply(lfs, few, keys=KEYS), repeats=3)
    two = best(lambda: apply(lfs, few, keys=KEYS, n_jobs=2), repeats=3)
    for what, seconds, bar, met in (
        ("one core", one, ">= 1", one <= theirs),
        ("two processes", two, "> one core", two < one),
    ):
        line(
            f"Snorkel's LFs on {many:,} pandas rows, {what} (rows/s)",
            f"{many / theirs:,.0f}",
            f"{many / seconds:,.0f}",
            f"{theirs / seconds:.1f}",
            bar,
            met,
        )
    both = apply(lfs, few, keys=KEYS).matrix, apply(lfs, few, keys=KEYS, n_jobs=2).matrix
    assert np.array_equal(*both)
    assert np.array_equal(both[0], applier.apply(few, progress_bar=False))


def analysis(n: int) -> None:
    """LF analysis: functions that share features, and functions that have nothing in common."""
    from snorkel.labeling import LFAnalysis

    rng = np.random.default_rng(1)
    for what, features in (("5 features", 5), ("no two alike", N_ANALYSED)):
        columns: dict[str, np.ndarray] = {}
        shared = [rng.random(n, dtype=np.float32) for _ in range(features)]
        for j in range(N_ANALYSED):
            threshold = 0.05 + 0.15 * rng.random()
            votes = np.where(shared[j % features] < threshold, np.int8(j % 2), np.int8(-1))
            columns[f"lf_{j}"] = votes
        frame = pl.DataFrame(columns)
        names = tuple(frame.columns)

        def fresh(frame: pl.DataFrame = frame, names: tuple[str, ...] = names) -> Votes:
            return Votes(nw.from_native(frame), (), names, 2)

        counted = best(lambda fresh=fresh: fresh().patterns, repeats=2)
        held = fresh()
        p = len(held.patterns)
        ours = best(lambda held=held: analyze(held), repeats=2)
        sample = frame.head(1_000_000).to_numpy()
        theirs = best(lambda s=sample: LFAnalysis(s).lf_summary(), repeats=1) * n / len(sample)
        line(
            f"analysis of {n:,} x {N_ANALYSED}, {what}: {p:,} patterns (s)",
            f"{theirs:.2f}",
            f"{ours:.2f}",
            f"{theirs / ours:.0f}",
            "< 2 s",
            ours < 2,
        )
        line("  … with the group-by that finds the patterns", "", f"{counted + ours:.2f}", "")
        mine = analyze(Votes.from_matrix(sample, cardinality=2))
        table = LFAnalysis(sample).lf_summary()
        for column in ("coverage", "overlaps", "conflicts"):
            assert mine[column].to_list() == table[column.capitalize()].to_list(), column


def spark(n: int) -> None:
    """Spark local[2] on a Parquet file: the same votes, and what writing them as LFs costs."""
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        print("Spark: needs Java 17 or later; skipped")
        return
    try:
        from pyspark.sql import SparkSession
        from pyspark.sql import functions as F
    except ImportError:
        print("Spark: pip install 'labelkit[spark]'; skipped")
        return
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "4g")
        .config("spark.driver.maxResultSize", "2g")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    with tempfile.TemporaryDirectory() as folder:
        path, lfs = str(Path(folder) / "examples.parquet"), expression_lfs()
        frame = examples(n)
        frame.write_parquet(path, row_group_size=n // 8 + 1)
        table = session.read.parquet(path)

        def plain() -> object:
            made = [
                # NaN is above all numbers on Spark, and must not vote.
                F.when((F.col(f"x{j}") > 0.5) & ~F.isnan(f"x{j}"), F.lit(j % 2))
                .otherwise(F.lit(-1))
                .cast("byte")
                .alias(f"lf{j}")
                for j in range(N_LFS)
            ]
            return table.select(*KEYS, *made)

        def written(query: Any) -> None:
            query.write.format("noop").mode("overwrite").save()

        written(plain())  # the first query warms the machine up
        # In turns, since the machine is not equally fast all the time.
        pairs = [
            (
                best(lambda: written(plain()), repeats=1),
                best(lambda: written(apply(lfs, table, keys=KEYS).to_native()), repeats=1),
            )
            for _ in range(2 * REPEATS)
        ]
        theirs, ours = (min(column) for column in zip(*pairs, strict=True))
        line(
            f"Spark local[2], {n:,} rows, plain PySpark (s; ours/peer)",
            f"{theirs:.2f}",
            f"{ours:.2f}",
            f"{ours / theirs:.2f}",
            "<= 1.1",
            ours <= 1.1 * theirs,
        )
        votes = apply(lfs, table, keys=KEYS)
        began = time.perf_counter()
        patterns = votes.patterns
        line("  … patterns, counted in Spark", "", f"{time.perf_counter() - began:.2f}", "")
        here = apply(lfs, frame, keys=KEYS)
        assert np.array_equal(patterns.rows, here.patterns.rows)
        assert np.array_equal(patterns.counts, here.patterns.counts)
        order = np.argsort(votes.key_frame["item"].to_numpy())
        same = int((votes.matrix[order] == here.matrix).sum())
        line(
            "  … cells equal to Polars'",
            f"{here.matrix.size:,}",
            f"{same:,}",
            f"{same / here.matrix.size:.0%}",
            "all",
            same == here.matrix.size,
        )
    session.stop()


def main(n: int, parts: Sequence[str]) -> None:
    warnings.simplefilter("ignore", RowFunctionWarning)
    warnings.filterwarnings("ignore", message="Input has data type", category=FutureWarning)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        + ", ".join(
            f"{name} {_version(name)}"
            for name in ("labelkit", "polars", "narwhals", "snorkel", "pandas", "numpy", "pyspark")
        )
    )
    line(f"{N_LFS} LFs", "peer", "ours", "ratio", "bar")
    for part in parts:
        {"engine": engine, "rows": rows, "analysis": analysis, "spark": spark}[part](
            n // 2 if part == "spark" else n
        )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


if __name__ == "__main__":
    numbers = [int(a.replace(",", "").replace("_", "")) for a in sys.argv[1:] if a[0].isdigit()]
    wanted = [a for a in sys.argv[1:] if a in PARTS]
    main(numbers[0] if numbers else 10_000_000, wanted or PARTS)
