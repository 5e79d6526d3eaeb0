"""Twenty million impressions, from Parquet to labels.parquet, beside what nobody can do without.

    python benchmarks/scale.py [--impressions 20000000] [--repeat 3]

The log comes from labelkit's own simulator. One side is a whole `labelkit label` run (checking the
log, counts, position bias with intervals, evidence, votes of the shipped labeling functions, label
model, writing). The other side is the two group-bys that the method needs, written by hand in
DuckDB: by query, item and position, and by query and item. Each runs in a process of its own with
the file in the page cache; start-up and imports are not timed on either side.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

MEMORY_BAR_GIB = 4.0
TIME_BAR = 3.0


def run_labelkit(directory: Path) -> dict[str, object]:
    """One whole labeling run, timed from the outside of ``Project.label``."""
    for name in ("polars", "scipy.optimize", "scipy.sparse.csgraph", "scipy.special"):
        import_module(name)
    from labelkit.project import Project

    project = Project(directory)
    stages: list[tuple[str, float]] = []
    start = time.perf_counter()
    run = project.label(progress=lambda stage: stages.append((stage, time.perf_counter() - start)))
    seconds = time.perf_counter() - start
    ends = [at for _, at in stages[1:]] + [seconds]
    return {
        "seconds": seconds,
        "stages": {name: round(end - at, 2) for (name, at), end in zip(stages, ends, strict=True)},
        "examples": run.manifest.counts.n_examples,
        "lfs": len(run.manifest.lfs),
    }


def run_duckdb(log: Path) -> dict[str, object]:
    """The two group-bys, each written to a table."""
    import duckdb

    source = f"read_parquet('{log}')"
    sums = "count(*) AS impressions, sum(clicked) AS clicks"
    seconds, groups = [], []
    for keys in ("query, item, position", "query, item"):
        start = time.perf_counter()
        duckdb.sql(f"CREATE OR REPLACE TABLE t AS SELECT {keys}, {sums} FROM {source} GROUP BY ALL")
        seconds.append(time.perf_counter() - start)
        groups.append(duckdb.sql("SELECT count(*) FROM t").fetchall()[0][0])
    return {"seconds": sum(seconds), "each": seconds, "groups": groups}


def in_own_process(*arguments: str) -> dict[str, object]:
    result = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.exit(result.stderr)
    return dict(json.loads(result.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--impressions", type=int, default=20_000_000)
    parser.add_argument("--queries", type=int, default=80_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", nargs=2, metavar=("SIDE", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        side, path = arguments.child
        result = run_labelkit(Path(path)) if side == "labelkit" else run_duckdb(Path(path))
        result["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps(result))
        return

    from labelkit.logs import Catalogue, simulate_to_parquet
    from labelkit.project import Project

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        log = directory / "log" / "log.parquet"
        start = time.perf_counter()
        simulate_to_parquet(
            log, arguments.impressions, seed=0, catalogue=Catalogue.synthetic(arguments.queries, 20)
        )
        seconds = time.perf_counter() - start
        print(
            f"simulated {arguments.impressions:,} impressions in {seconds:.1f} s"
            f" ({log.stat().st_size / 2**20:,.0f} MiB of Parquet)"
        )
        Project.create(directory / "project", log=(str(log),))
        ours = [
            in_own_process("--child", "labelkit", str(directory / "project"))
            for _ in range(arguments.repeat)
        ]
        theirs = [in_own_process("--child", "duckdb", str(log)) for _ in range(arguments.repeat)]
    best, floor = (min(runs, key=lambda r: float(r["seconds"])) for runs in (ours, theirs))
    ratio = float(best["seconds"]) / float(floor["seconds"])
    peak = max(float(r["peak_gib"]) for r in ours)
    print(f"groups: {floor['groups'][0]:,} cells, {floor['groups'][1]:,} examples")
    print(
        f"two bare group-bys in DuckDB     {floor['seconds']:6.2f} s  {floor['peak_gib']:.2f} GiB"
    )
    print(f"labelkit label, {best['lfs']} LFs, all of it {best['seconds']:6.2f} s  {peak:.2f} GiB")
    for stage, seconds in dict(best["stages"]).items():
        print(f"    {stage:<32} {seconds:6.2f} s")
    print(
        f"ratio {ratio:.2f} (bar: at most {TIME_BAR:g}); "
        f"peak {peak:.2f} GiB (bar: {MEMORY_BAR_GIB:g})"
    )
    print(
        f"{platform.machine()}, {platform.python_version()}, labelkit {version('labelkit')}, "
        f"polars {version('polars')}, duckdb {version('duckdb')}; best of {arguments.repeat}"
    )


if __name__ == "__main__":
    main()
