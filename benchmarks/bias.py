"""Every bar of position bias: the figure, the bar, met or missed and by how much.

    python benchmarks/bias.py error [--seeds 20] [--clax PYTHON] [--clax-seeds 5]
    python benchmarks/bias.py coverage [--replications 500] [--workers 2]
    python benchmarks/bias.py identifiability [--cases 100]
    python benchmarks/bias.py labels [--seeds 10]
    python benchmarks/bias.py real
    python benchmarks/bias.py eta1
    python benchmarks/bias.py scale [--impressions 100000000] [--queries 400000]
    python benchmarks/bias.py all

``real`` and ``eta1`` read the shared data beside the repository and say so where it is missing.
``--clax`` names a Python that has ``clax-models`` (and a JAX that its Flax takes; 0.7.2 does).
One bar a file in ``bias_bars/``.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

from bias_bars import coverage, error, eta1, identifiability, labels, real, scale
from bias_bars.tell import Bar, environment

BARS = ("error", "coverage", "identifiability", "labels", "real", "eta1", "scale")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bar", choices=(*BARS, "all"))
    parser.add_argument("--seeds", type=int, help="logs a figure rests on (20; labels 10)")
    parser.add_argument("--clax", metavar="PYTHON", help="a Python that has clax-models")
    parser.add_argument("--clax-seeds", type=int, default=5)
    parser.add_argument("--replications", type=int, default=500)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--impressions", type=int, default=100_000_000)
    parser.add_argument("--queries", type=int, default=400_000)
    parser.add_argument("--repeat", type=int, default=2, help="of scale")
    a = parser.parse_args()
    runs: dict[str, Callable[[], list[Bar]]] = {
        "error": lambda: error.run(
            seeds=a.seeds or 20, clax_python=a.clax, clax_seeds=a.clax_seeds
        ),
        "coverage": lambda: coverage.run(replications=a.replications, workers=a.workers),
        "identifiability": lambda: identifiability.run(cases=a.cases),
        "labels": lambda: labels.run(seeds=a.seeds or 10),
        "real": real.run,
        "eta1": eta1.run,
        "scale": lambda: scale.run(impressions=a.impressions, queries=a.queries, repeat=a.repeat),
    }
    bars: list[Bar] = []
    for name in BARS if a.bar == "all" else (a.bar,):
        print(f"\n== {name}", flush=True)
        with warnings.catch_warnings():
            # What a warning says of one curve is printed where it is a figure.
            warnings.simplefilter("ignore")
            bars += runs[name]()
    missed = [bar for bar in bars if not bar.met]
    print(f"\n{len(bars) - len(missed)} of {len(bars)} bars met")
    for bar in missed:
        print(f"  {bar}")
    print(environment())


if __name__ == "__main__":
    main()
