from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa

import labelkit as lk
from labelkit.errors import RoundBusy
from labelkit.rounds import lease, processes
from labelkit.rounds.database import Database
from labelkit.rounds.tables import leases

HOLD = """
import sys, time
from labelkit.rounds import lease
from labelkit.rounds.database import Database
with lease.hold(Database(sys.argv[1]), "thing", lifetime_s=float(sys.argv[2])) as held:
    print(held.number, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def database(url):
    database = Database(url)
    yield database
    database.close()


def holding(url: str, lifetime_s: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, url, str(lifetime_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def test_one_at_a_time_and_then_the_next(database):
    with lease.hold(database, "thing") as first:
        with pytest.raises(RoundBusy, match=rf"thing is held by process {os.getpid()} on"):
            lease._taken(database, "thing", wait_s=0, lifetime_s=30)
        with lease.hold(database, "another thing"):
            pass
    with lease.hold(database, "thing") as second:
        assert (first.number, second.number) == (1, 2)
        assert not second.inherited
        with database.write() as connection:
            second.check(connection)
            with pytest.raises(RoundBusy, match="taken over"):
                first.check(connection)


def test_a_killed_holder_on_this_machine_is_followed_at_once(url, database):
    with holding(url, lifetime_s=600) as process:
        process.send_signal(signal.SIGKILL)
    start = time.monotonic()
    with lease.hold(database, "thing", wait_s=30) as held:
        assert held.inherited
    assert time.monotonic() - start < 15


def test_a_holder_that_is_stuck_is_followed_when_its_time_is_up(url, database):
    with holding(url, lifetime_s=2) as process:
        process.send_signal(signal.SIGSTOP)
        with lease.hold(database, "thing", wait_s=60) as held:
            assert held.inherited
        process.send_signal(signal.SIGKILL)


def test_a_heartbeat_keeps_a_slow_holder(url, database):
    with holding(url, lifetime_s=3) as process:
        time.sleep(5)
        with pytest.raises(RoundBusy, match=f"process {process.pid} on"):
            lease._taken(database, "thing", wait_s=0, lifetime_s=3)
        process.send_signal(signal.SIGKILL)


def test_of_many_that_want_it_each_has_it_alone(database):
    held_by: list[int] = []
    most = 0

    def want() -> None:
        nonlocal most
        with lease.hold(database, "thing", wait_s=60):
            held_by.append(1)
            most = max(most, len(held_by))
            time.sleep(0.02)
            held_by.pop()

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    with database.read() as connection:
        assert connection.scalar(sa.select(leases.c.number)) == 6


def test_a_process_of_another_machine_is_never_taken_for_dead():
    gone = {**processes.here(), "pid": 2**22 + 1}
    assert not processes.is_dead(processes.here())
    assert not processes.is_dead({**gone, "machine": "elsewhere"})
    assert not processes.is_dead({**gone, "machine": None})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_a_number_that_another_process_has_meanwhile_does_not_keep_the_dead_alive():
    assert processes.is_dead({**processes.here(), "started": "1"})


def test_a_ledger_in_memory_needs_no_heartbeat(batch, platform):
    with lk.Ledger("sqlite://") as ledger:
        assert ledger.open_round(batch, platform=platform).push().n_pushed == 12
