"""A round on a real Label Studio, the processes that work on it, and the count at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

import labelkit as lk
from labelkit.platforms.exchange import task_key_of
from labelkit.platforms.scripted import ScriptedAnnotator

_ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_ROOT / "scripts"))

import label_studio_server as servers  # noqa: E402 - beside the package, not in it

BATCH_SIZE = 50
"""Twenty calls a push of a thousand tasks: many places to be killed at."""

_CLIENT = Path(__file__).with_name("client.py")


class Server:
    """A Label Studio that can be killed and started again on what it holds."""

    def __init__(self, program: Path, folder: Path) -> None:
        import secrets
        import shutil

        self._program, self._data = program, folder / "data"
        shutil.copytree(servers._empty_database(program), self._data)
        self._port = servers._free_port()
        self._log = folder / "server.log"
        self.token = secrets.token_hex(20)
        self.url = f"http://127.0.0.1:{self._port}"
        self._user = ["--username", "a@example.com", "--password", secrets.token_hex(12)]
        self._user += ["--user-token", self.token]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*servers._command(self._program, self._port), *self._user],
                env=servers._environment(self._data),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        servers._wait_until_healthy(self._process, self._port, self._log)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def server() -> Iterator[Server]:
    """A running server with nothing on it."""
    import tempfile

    program = servers.find_label_studio()
    if program is None:
        sys.exit("Label Studio is not installed: run scripts/install_label_studio.sh")
    with tempfile.TemporaryDirectory(prefix="labelkit-rounds-") as folder:
        found = Server(program, Path(folder))
        found.start()
        try:
            yield found
        finally:
            found.kill()


@dataclass
class World:
    """One round of ``n`` tasks, planned, in a ledger of its own."""

    server: Server
    ledger_url: str
    name: str
    n: int
    patience_s: float = 300.0

    @classmethod
    def planned(cls, server: Server, ledger_url: str, *, n: int) -> World:
        name = uuid.uuid4().hex[:12]
        batch = pl.DataFrame({"query": [f"q{i // 10}" for i in range(n)], "item": range(n)})
        batch = batch.with_columns(
            p_0=pl.lit(0.4),
            p_1=pl.lit(0.6),
            inclusion_probability=pl.lit(1.0),
            stratum=pl.lit("informative"),
        )
        world = cls(server, ledger_url, name, n)
        with lk.Ledger(ledger_url) as ledger:
            ledger.open_round(batch, platform=world.platform(), name=name)
        return world

    def platform(self) -> lk.LabelStudio:
        return lk.LabelStudio(self.server.url, self.server.token)

    def client(self, step: str) -> subprocess.Popen[str]:
        """A process that has begun a step."""
        command = [sys.executable, str(_CLIENT), step, self.server.url, self.ledger_url, self.name]
        process = subprocess.Popen(
            [*command, str(BATCH_SIZE), str(self.patience_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "LABEL_STUDIO_API_KEY": self.server.token},
        )
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def finish(self, step: str) -> float:
        """Run a step to its end; seconds that it took, the start of its process not counted."""
        process = self.client(step)
        start = time.monotonic()
        _, said = process.communicate()
        if process.returncode:
            raise RuntimeError(f"a {step} did not resume by itself:\n{said[-2000:]}")
        return time.monotonic() - start

    def answer(self, n: int) -> None:
        """Answer ``n`` tasks that have no answer yet."""
        truth = {(f"q{i // 10}", i): i % 2 for i in range(self.n)}
        with lk.Ledger(self.ledger_url) as ledger:
            round_ = ledger.round(self.name, platform=self.platform())
            ScriptedAnnotator(truth).answer(round_, limit=n)

    def count(self) -> Standing:
        """Tasks and answers on the server and in the ledger, one by one."""
        with lk.Ledger(self.ledger_url) as ledger:
            round_ = ledger.round(self.name, platform=self.platform())
            tasks = list(_tasks_of(round_.platform, str(round_.project)))
            keys = Counter(task_key_of({"data": task.data}) for task in tasks)
            there = {
                (str(task_key_of({"data": task.data})), str(answer["id"]))
                for task in tasks
                for answer in task.annotations or []
            }
            n_there = sum(len(task.annotations or []) for task in tasks)
            query = sa.text(
                "SELECT t.example_key, a.platform_id FROM annotations a "
                "JOIN tasks t ON t.id = a.task_id JOIN rounds r ON r.id = t.round_id "
                "WHERE r.name = :name AND a.is_current"
            )
            with round_._database.read() as connection:
                taken = [
                    (f"{round_.uid}/{key}", id_)
                    for key, id_ in connection.execute(query, {"name": self.name})
                ]
            status = round_.status()
        return Standing(
            n_lost=self.n - len(keys) + self.n - status.n_on_platform,
            n_doubled=sum(n - 1 for n in keys.values()),
            n_answers=n_there,
            n_answers_lost=len(there - set(taken)),
            n_answers_doubled=len(taken) - len(set(taken)) + len(set(taken) - there),
        )


@dataclass(frozen=True)
class Standing:
    """What was lost and what was doubled, of tasks and of answers."""

    n_lost: int
    n_doubled: int
    n_answers: int
    n_answers_lost: int
    n_answers_doubled: int

    @property
    def is_clean(self) -> bool:
        bad = (self.n_lost, self.n_doubled, self.n_answers_lost, self.n_answers_doubled)
        return not any(bad)


def killed(process: subprocess.Popen[str], after_s: float) -> bool:
    """Kill -9 a client after so many seconds; whether it was still at work."""
    try:
        process.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    process.communicate()
    return False


def moments(seed: int) -> Iterator[float]:
    """Uniform draws in (0, 1)."""
    rng = np.random.default_rng(seed)
    while True:
        yield float(rng.uniform())


def _tasks_of(platform: lk.LabelStudio, project: str) -> Iterator[Any]:
    size = 500
    for page in range(1, -(-platform.n_tasks(project) // size) + 1):
        yield from platform._sdk.tasks.list(
            project=int(project), page=page, page_size=size, fields="all"
        ).items
