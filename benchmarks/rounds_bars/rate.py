"""How fast a round is pushed, next to bare bulk import calls of Label Studio's SDK.

Two readings. The first times the import calls that a push itself makes: their share of the push's
time is its rate relative to those calls bare, whatever else the machine does. The second sends the
same tasks in bare calls of the same size to the same server, in turns with pushes: it is what a
user would measure, and scatters with the machine's load.
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
from typing import Any

import polars as pl

import labelkit as lk
from labelkit.platforms.exchange import task_json
from labelkit.platforms.labeling_config import labeling_config
from labelkit.rounds import DisplayField, ProjectSpec, TaskSpec
from rounds_bars.server import platform_on

BAR = 0.80
TEXT = "Breathable mesh upper, 8 mm drop, 210 g; for daily training on road and track. " * 3


def batch(n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"query": [f"q{i // 10}" for i in range(n)], "item": range(n)}
    ).with_columns(
        p_0=pl.lit(0.4),
        p_1=pl.lit(0.6),
        inclusion_probability=pl.lit(1.0),
        stratum=pl.lit("informative"),
        rank=pl.col("item") + 1,
    )


def bare_seconds(platform: lk.LabelStudio, n: int, size: int) -> float:
    """Seconds of ``n`` tasks in bare import calls of ``size``; making the JSON is not counted."""
    fields = (
        DisplayField("query", "query", True),
        DisplayField("item", "item", True),
        DisplayField("text", "text", False),
    )
    spec = ProjectSpec(uuid.uuid4().hex, "bare", ("irrelevant", "relevant"), fields)
    sdk: Any = platform._sdk
    project = sdk.projects.create(title="bare", label_config=labeling_config(spec)).id
    tasks = [
        TaskSpec(
            f'{spec.uid}/["q{i // 10}",{i}]',
            {"query": f"q{i // 10}", "item": str(i), "text": TEXT},
            (0.4, 0.6),
            "m1",
        )
        for i in range(n)
    ]
    calls = [[task_json(spec, task) for task in tasks[i : i + size]] for i in range(0, n, size)]
    start = time.perf_counter()
    for request in calls:
        sdk.projects.import_tasks(project, request=request, return_task_ids=True)
    seconds = time.perf_counter() - start
    sdk.projects.delete(project)
    return seconds


def push_seconds(platform: lk.LabelStudio, n: int, size: int) -> tuple[float, float]:
    """Seconds of ``round_.push()`` (project, question what is there, import, ledger), and of its
    import calls alone."""
    projects: Any = platform._sdk.projects
    bare, in_calls = projects.import_tasks, 0.0

    def timed(*args: Any, **settings: Any) -> Any:
        nonlocal in_calls
        began = time.perf_counter()
        answer = bare(*args, **settings)
        in_calls += time.perf_counter() - began
        return answer

    projects.import_tasks = timed
    items = pl.DataFrame({"item": range(n), "text": [TEXT] * n})
    with (
        tempfile.TemporaryDirectory() as folder,
        lk.Ledger(f"sqlite:///{Path(folder) / 'rounds.db'}") as ledger,
    ):
        round_ = ledger.open_round(
            batch(n), platform=platform, items=items, name=uuid.uuid4().hex, model_version="m1"
        )
        start = time.perf_counter()
        result = round_.push(batch_size=size)
        seconds = time.perf_counter() - start
        if result.n_pushed != n:
            raise SystemExit(f"pushed {result.n_pushed} of {n} tasks")
        projects.delete(int(result.project))
    projects.import_tasks = bare
    return seconds, in_calls


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="rounds.py rate", description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=500, help="tasks a call, for both")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--url", help="of a running server; its token from LABEL_STUDIO_API_KEY")
    asked = parser.parse_args(argv)
    with platform_on(asked.url) as platform:
        shares, ratios = [], []
        for number in range(asked.repeats):
            if number % 2 == 0:
                bare = bare_seconds(platform, asked.tasks, asked.size)
            push, in_calls = push_seconds(platform, asked.tasks, asked.size)
            if number % 2 == 1:
                bare = bare_seconds(platform, asked.tasks, asked.size)
            shares.append(in_calls / push)
            ratios.append(bare / push)
            sys.stdout.write(
                f"push {asked.tasks / push:,.0f} tasks/s, {shares[-1]:.0%} of its time in import "
                f"calls; bare calls {asked.tasks / bare:,.0f} tasks/s: {ratios[-1]:.0%}\n"
            )
            sys.stdout.flush()
    middle = statistics.median(shares)
    met = middle >= BAR
    sys.stdout.write(
        f"push of {asked.tasks:,} tasks at {middle:.0%} of the rate of its own import calls "
        f"(median of {asked.repeats}; bar {BAR:.0%}): {'met' if met else 'MISSED'}; beside bare "
        f"calls in turns {statistics.median(ratios):.0%}\n"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
