"""A hundred million impressions on two cores: time, peak memory, and a bare group-by beside them.

Ours is ``read_log`` (the whole contract is checked), ``PositionBias().fit`` with its intervals,
and then, timed apart, ``evidence`` with its default columns written to Parquet. The floor is one
group-by by query, item and position in DuckDB on the same file. Each runs in a process of its own
with the file in the page cache, imports not timed; the engines get the cores that they find.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from bias_bars.tell import Bar, say

MEMORY_BAR_GIB, TIME_BAR = 4.0, 2.0


def run(*, impressions: int, queries: int, repeat: int) -> list[Bar]:
    from labelkit.logs import Catalogue, simulate_to_parquet

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log.parquet"
        catalogue = Catalogue.synthetic(queries, 20)
        start = time.perf_counter()
        simulate_to_parquet(path, impressions, seed=0, catalogue=catalogue)
        print(
            f"simulated {impressions:,} impressions of {queries:,} queries in "
            f"{time.perf_counter() - start:.1f} s ({path.stat().st_size / 2**20:,.0f} MiB)"
        )
        runs = {
            side: [in_own_process(side, path) for _ in range(repeat)]
            for side in ("duckdb", "estimate", "evidence")
        }
    best = {side: min(r, key=lambda one: one["total"]) for side, r in runs.items()}
    peak = {side: max(one["peak"] for one in r) for side, r in runs.items()}
    floor = best["duckdb"]["total"]
    print(f"{int(best['duckdb']['cells']):,} cells; best of {repeat}")
    print(f"bare group-by in DuckDB              {floor:7.2f} s  {peak['duckdb']:.2f} GiB")
    for side, name in {
        "estimate": "read_log, PositionBias().fit",
        "evidence": "the same, and evidence",
    }.items():
        one = best[side]
        print(
            f"{name:<34} {one['total']:9.2f} s  {peak[side]:.2f} GiB  "
            + ", ".join(f"{k} {v:.2f}" for k, v in one.items() if k not in ("total", "peak"))
        )
    return say(
        [
            Bar(
                f"{impressions:,}: read and fit, times a bare group-by",
                best["estimate"]["total"] / floor,
                high=TIME_BAR,
            ),
            Bar(
                f"{impressions:,}: peak GiB of read and fit", peak["estimate"], high=MEMORY_BAR_GIB
            ),
            Bar(f"{impressions:,}: peak GiB, evidence too", peak["evidence"], high=MEMORY_BAR_GIB),
        ]
    )


def in_own_process(side: str, path: Path) -> dict[str, float]:
    child = subprocess.run(
        [sys.executable, "-m", "bias_bars.scale", side, str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    if child.returncode:
        sys.exit(child.stderr)
    return dict(json.loads(child.stdout.splitlines()[-1]))


def group_by(path: Path) -> dict[str, float]:
    import duckdb

    start = time.perf_counter()
    duckdb.sql(
        "CREATE TABLE cells AS SELECT query, item, position, count(*) AS impressions, "
        f"sum(clicked) AS clicks FROM read_parquet('{path}') GROUP BY ALL"
    )
    total = time.perf_counter() - start
    return {"total": total, "cells": duckdb.sql("SELECT count(*) FROM cells").fetchall()[0][0]}


def labelkit_side(path: Path, *, with_evidence: bool) -> dict[str, float]:
    for name in ("polars", "scipy.optimize", "scipy.sparse.csgraph", "scipy.special"):
        import_module(name)
    import labelkit as lk

    start = time.perf_counter()
    log = lk.read_log(path)
    read = time.perf_counter()
    bias = lk.PositionBias().fit(log)
    fitted = time.perf_counter()
    out = {"read": read - start, "fit": fitted - read}
    if with_evidence:
        lk.evidence(log, bias).sink_parquet(path.with_name("evidence.parquet"))
        out["evidence"] = time.perf_counter() - fitted
    return {"total": time.perf_counter() - start, **out}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("duckdb", "estimate", "evidence"))
    parser.add_argument("path", type=Path)
    a = parser.parse_args()
    if a.side == "duckdb":
        out = group_by(a.path)
    else:
        out = labelkit_side(a.path, with_evidence=a.side == "evidence")
    out["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(out))


if __name__ == "__main__":
    main()
