"""Killed, and killed again: a few of the moments that ``benchmarks/rounds.py`` tries by hundreds.

Each runs that benchmark, small, on a Label Studio of its own, which it may kill.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label_studio")]

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "rounds.py"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("bar", "runs"), [("kill-client", 4), ("kill-server", 2), ("two-clients", 2)]
)
def test_nothing_is_lost_and_nothing_doubled(label_studio_server: Any, bar: str, runs: int) -> None:
    assert label_studio_server.url, "Label Studio is installed"
    size = ["--runs", str(runs), "--tasks", "200", "--answers", "30", "--seed", "5"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), bar, *size],
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "lost: 0 tasks, 0 answers; doubled: 0 tasks, 0 answers" in done.stdout
