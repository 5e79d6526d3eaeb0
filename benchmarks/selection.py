"""Selection, measured.

    python benchmarks/selection.py speed [ROWS=1000000]          batches of 1,000 × 64 features
    python benchmarks/selection.py weak-labels [ROWS=1000000]    ``lk.select`` without features
    python benchmarks/selection.py efficiency [SEEDS=20] [SET]   labels needed, beside other tools
    python benchmarks/selection.py design [REPLICATIONS=1000]    do selected labels measure?
    python benchmarks/selection.py planning [POOLS=40]           do predicted widths come about?

Peers (modAL, scikit-activeml) run where they are installed.
"""

from __future__ import annotations

import sys


def main() -> None:
    command, *rest = sys.argv[1:] or ["help"]
    if command == "speed":
        from selection_bars import speed

        speed.main(*map(int, rest))
    elif command == "weak-labels":
        from selection_bars import weak_labels

        weak_labels.main(*map(int, rest))
    elif command == "efficiency":
        from selection_bars import efficiency

        efficiency.main(*(int(word) if word.isdigit() else word for word in rest))
    elif command == "design":
        from selection_bars import design

        design.main(rest)
    elif command == "planning":
        from selection_bars import planning

        planning.main(rest)
    else:
        print(__doc__)


if __name__ == "__main__":
    main()
