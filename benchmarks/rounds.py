"""Every bar of human rounds: the figure, the bar, met or missed.

    python benchmarks/rounds.py kill-client [--runs 200] [--tasks 1000] [--answers 1000]
    python benchmarks/rounds.py kill-server [--runs 50]
    python benchmarks/rounds.py two-clients [--runs 50]
    python benchmarks/rounds.py ledger [--tasks 1000000] [--postgresql]
    python benchmarks/rounds.py rate
    python benchmarks/rounds.py pull

All but ``ledger`` start a real Label Studio of their own (scripts/install_label_studio.sh installs
it; ``LABELKIT_LABEL_STUDIO_VENV`` names another place). One bar a file in ``rounds_bars/``.
"""

from __future__ import annotations

import sys
from importlib import import_module

BARS = ("kill-client", "kill-server", "two-clients", "ledger", "rate", "pull")


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in BARS:
        print(__doc__)
        return 2
    bar, argv = sys.argv[1], sys.argv[2:]
    if bar in BARS[:3]:
        from rounds_bars import kills

        return kills.main(bar, argv)
    code: int | None = import_module(f"rounds_bars.{bar}").main(argv)
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
