"""A platform on which imports land late, fail half-way or lose their answers, told when to do so.

It stands in for the moments that cannot be had on purpose from a real server; those that can are in
``tests/e2e/test_exactly_once.py``.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest
import sqlalchemy as sa

import labelkit as lk
from labelkit.errors import PlatformError, RoundBusy
from labelkit.rounds import lease, sending
from labelkit.rounds.platform import ProjectSpec, TaskAnswers, TaskSpec
from labelkit.rounds.tables import sends


class Moody:
    """Tasks in a list; ``mood`` says what becomes of the next imports, "good" when it is used up.

    "cut": nothing arrives, and the sender hears nothing. "deaf": all arrives, and the sender hears
    nothing. "half": half of it arrives, likewise. "late": it arrives when ``land`` is called.
    """

    kind = "moody"

    def __init__(self, *mood: str) -> None:
        self.mood = list(mood)
        self.tasks: dict[str, str] = {}
        self.under_way: list[TaskSpec] = []
        self.answered: set[str] = set()
        self._ids = map(str, itertools.count(1))

    def ensure_project(self, spec: ProjectSpec, *, project: str | None = None) -> str:
        return "1"

    def existing_keys(self, project: str) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for id_, key in self.tasks.items():
            found.setdefault(key, id_)
        return found

    def push(self, project: str, spec: ProjectSpec, tasks: Sequence[TaskSpec]) -> Mapping[str, str]:
        mood = self.mood.pop(0) if self.mood else "good"
        if mood == "late":
            self.under_way += tasks
        ids = {} if mood in ("cut", "late") else self._arrive(tasks[:: 2 if mood == "half" else 1])
        if mood != "good":
            raise PlatformError(f"nothing heard ({mood})")
        return ids

    def land(self) -> None:
        self._arrive(self.under_way)
        self.under_way = []

    def _arrive(self, tasks: Sequence[TaskSpec]) -> dict[str, str]:
        ids = {task.key: next(self._ids) for task in tasks}
        self.tasks.update({id_: key for key, id_ in ids.items()})
        return ids

    def cursor(self, project: str) -> str | None:
        return None

    def answers(self, project: str, *, since: str | None = None) -> Iterator[Sequence[TaskAnswers]]:
        yield []

    def n_tasks(self, project: str) -> int:
        return len(self.tasks)

    def remove_copies(self, project: str) -> Mapping[str, tuple[str, int]]:
        kept = {}
        for key, n in Counter(self.tasks.values()).items():
            ids = [id_ for id_, standing in self.tasks.items() if standing == key]
            stay = [id_ for id_ in ids if id_ in self.answered] or ids[:1]
            for id_ in set(ids) - set(stay):
                del self.tasks[id_]
            if n > 1:
                kept[key] = (stay[0], n - len(stay))
        return kept


@pytest.fixture(autouse=True)
def _short_settling(monkeypatch):
    monkeypatch.setattr(sending, "SETTLE_S", 0.5)


def keys_on(platform: Moody) -> Counter[str]:
    return Counter(platform.tasks.values())


@pytest.mark.parametrize("mood", ["cut", "deaf", "half"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_import_whose_answer_was_lost_is_settled_by_the_next_push(ledger, batch, mood, at):
    platform = Moody(*["good"] * at, mood)
    round_ = ledger.open_round(batch, platform=platform)
    with pytest.raises(PlatformError, match="nothing heard"):
        round_.push(batch_size=4)
    assert round_.status().n_on_platform == 4 * at
    result = round_.push(batch_size=4)
    assert result.n_pushed + result.n_already_there == 12
    assert set(keys_on(platform).values()) == {1}
    assert len(platform.tasks) == 12
    assert round_.status().n_on_platform == 12


def test_what_is_in_doubt_is_sent_last_and_only_after_its_time(ledger, batch, monkeypatch):
    platform = Moody("late")
    round_ = ledger.open_round(batch, platform=platform)
    with pytest.raises(PlatformError):
        round_.push(batch_size=4)
    seen = []

    def sleep(_: float) -> None:
        seen.append(len(platform.tasks))
        platform.land()

    monkeypatch.setattr(sending.time, "sleep", sleep)
    result = round_.push(batch_size=4)
    assert seen == [8], "the other batches had gone before we began to wait"
    assert (result.n_pushed, result.n_copies_removed) == (8, 0)
    assert set(keys_on(platform).values()) == {1}


@pytest.mark.parametrize("answered", [False, True])
def test_what_lands_after_it_was_sent_again_is_removed_by_the_next_pull(ledger, batch, answered):
    platform = Moody("late")
    round_ = ledger.open_round(batch, platform=platform)
    with pytest.raises(PlatformError):
        round_.push(batch_size=4)
    assert round_.push(batch_size=4).n_pushed == 12
    platform.land()
    late = list(platform.tasks)[-4:]
    if answered:
        platform.answered = set(late)
    assert set(keys_on(platform).values()) == {1, 2}
    round_.pull()
    assert set(keys_on(platform).values()) == {1}
    assert (late[0] in platform.tasks) == answered
    assert {task.task_id for task in round_.tasks()} == set(platform.tasks)
    assert "copies removed" in ledger.events()["kind"].to_list()


def test_a_sender_that_has_lost_its_lease_stops_before_the_next_batch(ledger, batch):
    platform = Moody()
    round_ = ledger.open_round(batch, platform=platform)

    def taken_over(done: int, total: int) -> None:
        if done == 4:
            with round_._database.write() as connection:
                connection.execute(sa.update(lease.leases).values(owner="somebody else"))

    with pytest.raises(RoundBusy, match="taken over"):
        round_.push(batch_size=4, progress=taken_over)
    assert len(platform.tasks) == 4
    with round_._database.write() as connection:
        connection.execute(sa.update(lease.leases).values(owner=None))
    assert round_.push(batch_size=4).n_already_there == 4


def test_a_batch_is_written_down_before_it_leaves_and_struck_off_after(ledger, batch):
    platform = Moody("good", "deaf")
    round_ = ledger.open_round(batch, platform=platform)
    with pytest.raises(PlatformError):
        round_.push(batch_size=4)

    def outcomes() -> list[str | None]:
        with round_._database.read() as connection:
            return list(connection.scalars(sa.select(sends.c.outcome).order_by(sends.c.id)))

    assert outcomes() == ["done", None]
    round_.push(batch_size=4)
    assert outcomes() == ["done", "found", "done"]


def test_another_process_that_pushes_is_waited_for_or_named(url, ledger, batch):
    round_ = ledger.open_round(batch, platform=Moody())
    with (
        lk.Ledger(url) as other,
        lease.hold(other._database, f"the push of round {round_.name!r}"),
        pytest.raises(RoundBusy, match="the push of round 'round-1' is held by process"),
    ):
        round_.push(wait_s=0)
    assert round_.push().n_pushed == 12
