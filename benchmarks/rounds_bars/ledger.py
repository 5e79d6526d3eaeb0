"""Every operation of a step on a ledger of a million tasks: under 50 ms each."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import labelkit as lk
from labelkit.rounds import decisions, lease, sends, store
from labelkit.rounds.intake import take
from labelkit.rounds.platform import HumanAnswer, TaskAnswers

BAR_MS = 50.0
_PAGE = 500
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Timed:
    """Milliseconds of one operation, each time it was done: by the clock, and of our processor."""

    name: str
    took_ms: list[tuple[float, float]]

    @property
    def median_ms(self) -> float:
        return float(np.median([clock for clock, _ in self.took_ms]))

    def __str__(self) -> str:
        word = "met   " if self.median_ms <= BAR_MS else "MISSED"
        cpu = float(np.median([cpu for _, cpu in self.took_ms]))
        worst = max(clock for clock, _ in self.took_ms)
        return (
            f"  {word} {self.name}: median {self.median_ms:.1f} ms ({cpu:.1f} ms of our "
            f"processor), worst of {len(self.took_ms)} {worst:.1f} ms"
        )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="rounds.py ledger")
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--postgresql", action="store_true", help="on a server of its own")
    options = parser.parse_args(argv)
    with _address(options.postgresql) as url:
        return _measure(url, options)


@contextlib.contextmanager
def _address(postgresql: bool) -> Iterator[str]:
    if not postgresql:
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/rounds.db"
        return
    sys.path.insert(0, str(_ROOT / "scripts"))
    import postgresql_server as servers

    programs = servers.find_postgresql()
    if programs is None:
        sys.exit("PostgreSQL is not installed: run scripts/install_postgresql.sh")
    with servers.running_postgresql(programs) as server:
        yield server.new_database()


def _measure(url: str, options: argparse.Namespace) -> int:
    n = options.tasks
    batch = pl.DataFrame({"query": pl.int_range(n, eager=True) // 10, "item": range(n)})
    batch = batch.with_columns(inclusion_probability=pl.lit(1.0), stratum=pl.lit("informative"))
    with tempfile.TemporaryDirectory() as folder:
        platform = lk.FilesPlatform(folder)
        start = time.perf_counter()
        with lk.Ledger(url) as ledger:
            round_ = ledger.open_round(batch, platform=platform, name="big")
            print(f"{url.partition(':')[0]}: {n:,} tasks planned and written (once, in bulk) in "
                  f"{time.perf_counter() - start:.0f} s", flush=True)  # fmt: skip
            timed = [
                Timed(name, [_timed(call) for _ in range(options.repeats)])
                for name, call in _operations(ledger, round_, url)
            ]
    for one in timed:
        print(one)
    return 0 if all(one.median_ms <= BAR_MS for one in timed) else 1


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    start = time.perf_counter(), time.process_time()
    call()
    return 1e3 * (time.perf_counter() - start[0]), 1e3 * (time.process_time() - start[1])


def _operations(
    ledger: lk.Ledger, round_: lk.Round, url: str
) -> Iterator[tuple[str, Callable[[], object]]]:
    """One step of each kind; those that change something change something new each time."""
    database, id_ = round_._database, round_._id
    batches: list[list[store.UnsentTask]] = []

    def row(connection: Any) -> Any:
        return store.get_round(connection, id_, lock=True)

    def opening() -> None:
        lk.Ledger(url).close()

    def next_batch() -> None:
        with database.read() as connection:
            after = batches[-1][-1].push_order if batches else -1
            batches.append(
                store.unsent_tasks(connection, store.get_round(connection, id_), after=after,
                                   limit=_PAGE)
            )  # fmt: skip

    unsent, placed = iter(batches), iter(batches)
    numbers: list[int] = []

    def begin() -> None:
        with database.write() as connection:
            ids = [task.id for task in next(unsent)]
            now = database.now(connection)
            numbers.append(sends.begin(connection, id_, project="1", task_ids=ids, now=now))

    def note() -> None:
        with database.write() as connection:
            row(connection)
            ids = [task.id for task in next(placed)]
            store.place_tasks(connection, id_, {i: str(i) for i in ids})
            sends.end(connection, [numbers.pop()], "done")
            store.log_event(connection, id_, "sent", {"n_tasks": len(ids)})

    answered = iter(batches)
    pages: list[list[TaskAnswers]] = []

    def take_page(page: list[TaskAnswers]) -> None:
        with database.write() as connection:
            take(connection, row(connection), page, Counter())

    def take_new() -> None:
        tasks = next(answered)
        pages.append(
            [
                TaskAnswers(
                    task.spec.key, str(task.id),
                    (HumanAnswer(f"a{task.id}", f"w{task.id % 40}", "relevant", "answered"),),
                )
                for task in tasks
            ]
        )  # fmt: skip
        take_page(pages[-1])

    changed = iter(pages)

    def take_changed() -> None:
        page = [
            replace(task, answers=tuple(replace(a, label_name="irrelevant") for a in task.answers))
            for task in next(changed)
        ]
        take_page(page)

    def hold() -> None:
        with lease.hold(database, "a thing"):
            pass

    def decided() -> None:
        with database.write() as connection:
            found = row(connection)
            item = int(np.random.default_rng().integers(0, 1000))
            decisions.record(
                connection, found, {(item // 10, item): 1}, adjudicator="a", reason=None,
                decided_in_id=None,
            )  # fmt: skip

    yield "open the ledger", opening
    yield "status of the round", round_.status
    yield "all rounds", ledger.rounds
    yield f"the next {_PAGE} tasks to send", next_batch
    yield f"write down a send of {_PAGE}", begin
    yield f"note where {_PAGE} tasks are", note
    yield f"take in {_PAGE} new answers", take_new
    yield f"take in the same {_PAGE} again", lambda: take_page(pages[0])
    yield f"take in {_PAGE} changed answers", take_changed
    yield "status with answers", round_.status
    yield "annotators", ledger.annotators
    yield "versions of models", ledger.model_versions
    yield "take a lease and give it back", hold
    yield "decide an example", decided
    yield "the event log", ledger.events
