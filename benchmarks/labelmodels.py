"""Every bar of label models: the figure, the bar, met or missed.

    python benchmarks/labelmodels.py quality      published votes and a simulated zoo, no gold
    python benchmarks/labelmodels.py imbalance    5 % positives, one-sided LFs, two copies
    python benchmarks/labelmodels.py parity       solver="sgd" beside the real Snorkel
    python benchmarks/labelmodels.py gold         what a hundred gold labels bring
    python benchmarks/labelmodels.py crowds       people as sources, beside crowd-kit
    python benchmarks/labelmodels.py speed        ten million rows, and a million dense ones
    python benchmarks/labelmodels.py coverage     intervals of LF accuracies
    python benchmarks/labelmodels.py all

One bar a file in ``labelmodels_bars/``, each with options of its own: ``… quality --help``.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version

BARS = ("quality", "imbalance", "parity", "gold", "crowds", "speed", "coverage")


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bar", choices=(*BARS, "all"))
    arguments = parser.parse_args(argv[:1] or ["all"])
    for name in BARS if arguments.bar == "all" else (arguments.bar,):
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"labelmodels_bars.{name}").main(argv[1:])
    print(f"\n{platform.machine()}, {platform.python_version()}, labelkit {version('labelkit')}")


if __name__ == "__main__":
    main(sys.argv[1:])
