"""What a pull costs that brings nothing new, in a project of 100,000 tasks.

The project is filled by bare import calls and made that of a round whose ledger knows all of its
tasks; some are answered and pulled, and then pulls that bring nothing are timed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import labelkit as lk
from labelkit.platforms import ScriptedAnnotator
from labelkit.rounds import Round
from rounds_bars.rate import batch
from rounds_bars.server import platform_on

BAR_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="rounds.py pull", description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--answers", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--url", help="of a running server; its token from LABEL_STUDIO_API_KEY")
    asked = parser.parse_args(argv)
    n = asked.tasks
    with (
        platform_on(asked.url) as platform,
        tempfile.TemporaryDirectory() as folder,
        lk.Ledger(f"sqlite:///{Path(folder) / 'rounds.db'}") as ledger,
    ):
        round_ = ledger.open_round(
            batch(n).drop("p_0", "p_1"), platform=platform, name=uuid.uuid4().hex
        )
        start = time.perf_counter()
        round_.push(batch_size=2500)
        sys.stdout.write(f"pushed {n:,} tasks in {time.perf_counter() - start:,.0f} s\n")
        truth = {(f"q{i // 10}", i): i % 2 for i in range(n)}
        answered = ScriptedAnnotator(truth).answer(round_, limit=asked.answers)
        start = time.perf_counter()
        found = round_.pull().n_new_annotations
        took = time.perf_counter() - start
        sys.stdout.write(f"first pull: {found} of {answered} answers in {took:.2f} s\n")
        burst = idle_pulls(round_, asked.repeats)
        # People are slower than a script: the last answer stands alone in what is read again.
        time.sleep(12)
        ScriptedAnnotator(truth).answer(round_, limit=1)
        start = time.perf_counter()
        one = round_.pull().n_new_annotations
        one_s = time.perf_counter() - start
        seconds = idle_pulls(round_, asked.repeats)
        start = time.perf_counter()
        round_.status()
        status_s = time.perf_counter() - start
    met = one == 1 and max(seconds) < BAR_S
    sys.stdout.write(
        f"one new answer: {one_s:.2f} s\n"
        f"nothing new at {n:,} tasks: median {statistics.median(seconds):.2f} s, worst "
        f"{max(seconds):.2f} s of {asked.repeats} pulls (bar {BAR_S:.0f} s): "
        f"{'met' if met else 'MISSED'}; {status_s:.2f} s of it is the ledger's own count\n"
        f"nothing new within seconds of {answered} scripted answers, which are read again: median "
        f"{statistics.median(burst):.2f} s, worst {max(burst):.2f} s\n"
    )
    return 0 if met else 1


def idle_pulls(round_: Round, n: int) -> list[float]:
    """Seconds of each of ``n`` pulls that bring nothing."""
    seconds = []
    for _ in range(n):
        start = time.perf_counter()
        if round_.pull().n_new_annotations:
            raise SystemExit("a pull brought answers that were there already")
        seconds.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
