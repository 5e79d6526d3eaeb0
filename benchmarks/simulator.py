"""A hundred million impressions into a Parquet file: time, peak memory, and rows per second.

    python benchmarks/simulator.py [--impressions 100000000] [--queries 80000]

The plain log is the position-based model over three rankers. The full log has devices, drift,
sessions that end, bots, swaps, rows logged twice, users, dwell and conversions: everything that the
simulator can do at once. Each is written in a process of its own into a temporary directory, which
is deleted; imports and the catalogue are not timed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

MEMORY_BAR_GIB = 4.0


def settings(which: str) -> dict[str, Any]:
    """Keyword arguments of ``simulate_to_parquet``."""
    from labelkit.logs import Bots, ClickModel, Device, Drift, Sessions, Swaps, TrustModel

    if which == "plain":
        return {}
    return {
        "devices": (Device("desktop", ClickModel(0.7), 2.0), Device("mobile", TrustModel(1.3))),
        "drift": Drift(severity=(1.0, 1.0, 1.3), attractiveness=(0.0, 0.2, 0.4)),
        "sessions": Sessions(ends_content=0.5),
        "bots": Bots(0.01),
        "swaps": Swaps("adjacent", 0.1),
        "duplicate_share": 0.001,
        "extras": ("user", "dwell", "conversion"),
    }


def run(which: str, n: int, queries: int) -> dict[str, float]:
    """Write one log and measure it."""
    import pyarrow.parquet as pq

    from labelkit.logs import Catalogue, simulate_to_parquet

    catalogue = Catalogue.synthetic(queries, 20)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log.parquet"
        start, cpu = time.perf_counter(), time.process_time()
        simulate_to_parquet(path, n, seed=0, catalogue=catalogue, **settings(which))
        return {
            "seconds": time.perf_counter() - start,
            "cpu": time.process_time() - cpu,
            "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            "file_mib": path.stat().st_size / 2**20,
            "rows": pq.ParquetFile(path).metadata.num_rows,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--impressions", type=int, default=100_000_000)
    parser.add_argument("--queries", type=int, default=80_000)
    parser.add_argument("--child", choices=("plain", "full"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(run(arguments.child, arguments.impressions, arguments.queries)))
        return
    for which in ("plain", "full"):
        command = [sys.executable, __file__, *sys.argv[1:], "--child", which]
        result = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        print(
            f"{which:<6} {result['rows']:>12,} rows  {result['seconds']:6.1f} s"
            f" ({result['cpu']:.1f} s of CPU)  peak {result['peak_gib']:.2f} GiB"
            f" (bar: {MEMORY_BAR_GIB:g})  file {result['file_mib']:,.0f} MiB"
        )
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"numpy {version('numpy')}, polars {version('polars')}, pyarrow {version('pyarrow')}"
    )


if __name__ == "__main__":
    main()
