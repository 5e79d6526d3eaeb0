"""``round run``: one turn of the loop, or as many as it takes, without a person.

A turn pulls what people answered, asks again where they disagree, closes what is complete, fits
the label model again with the gold, validates, and plans and pushes the next round while budget and
stop rule allow. Every step may be repeated; a turn that was killed is finished by the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import narwhals as nw

from labelkit.errors import ProjectError, RoundError
from labelkit.project.gold import match_gold
from labelkit.rounds import adjudication

if TYPE_CHECKING:
    from labelkit.project.project import Project
    from labelkit.rounds import Ledger, RoundStatus

Kind = Literal["pull", "push", "adjudicate", "settle", "close", "label", "plan", "wait", "stop"]

LEASE = "the scheduler"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Step:
    """One thing that a turn did, or would do.

    Parameters
    ----------
    kind : what
    round : on which round, None where it is on none
    done : False in a dry run
    said : one sentence
    detail : numbers, for machines
    """

    kind: Kind
    round: str | None
    done: bool
    said: str
    detail: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


def read_every(text: str) -> timedelta:
    """A span of time from words such as ``1d``, ``12h``, ``30m``.

    >>> read_every("1d")
    datetime.timedelta(days=1)

    Raises
    ------
    ProjectError
        The words are not a whole number above 0 and a unit.
    """
    number, unit = text[:-1].strip(), text[-1:]
    if unit not in _UNITS or not number.isdecimal() or int(number) < 1:
        raise ProjectError(
            f"'{text}' is no span of time: write a whole number and one of "
            f"{', '.join(_UNITS)}, as in 1d or 30m."
        )
    return timedelta(seconds=int(number) * _UNITS[unit])


def keep_running(
    project: Project,
    every: timedelta,
    *,
    said: Callable[[Step], None],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Take turns until one says stop. Turns begin ``every`` apart, or at once if one took longer.

    A platform that cannot be reached ends a turn and not the loop: the next turn tries again.
    """
    from labelkit.errors import PlatformError, RoundBusy

    while True:
        began = time.monotonic()
        ended = False
        try:
            for step in turn(project):
                said(step)
                ended = ended or step.kind == "stop"
        except (PlatformError, RoundBusy) as error:
            said(Step("wait", None, True, f"{error} The next turn tries again."))
        if ended:
            return
        pause(max(every.total_seconds() - (time.monotonic() - began), 0.0))


def turn(project: Project, *, dry_run: bool = False) -> Iterator[Step]:
    """One turn, step by step; each is yielded when it is done.

    Of all processes that share the ledger one takes a turn at a time.

    Parameters
    ----------
    dry_run : do nothing, and yield what would be done, by what the ledger knows: answers that are
        on the platform and not pulled yet may change it

    Raises
    ------
    RoundBusy
        Another scheduler is at work.
    PlatformError
        The platform is unreachable or refuses.
    """
    if dry_run:
        yield from _turn(project, dry_run=True)
        return
    with project.ledger() as ledger, ledger.lease(LEASE):
        yield from _turn(project, dry_run=False)


def _turn(project: Project, *, dry_run: bool) -> Iterator[Step]:
    yield from _move_on(project, dry_run=dry_run)
    statuses = project.round_status()
    still_open = [status for status in statuses if status.state != "closed"]
    # In a dry run nothing was closed: those that would be are known by being complete.
    if dry_run:
        still_open = [s for s in still_open if not s.is_complete]
    if still_open:
        waiting = sum(s.n_tasks - s.n_answered_tasks for s in still_open)
        names = ", ".join(repr(s.name) for s in still_open)
        yield Step(
            "wait", still_open[0].name, not dry_run,
            f"{waiting:,} tasks of {names} wait for people.", {"n_waiting": waiting},
        )  # fmt: skip
        return
    yield from _next_round(project, statuses, dry_run=dry_run)


def _move_on(project: Project, *, dry_run: bool) -> Iterator[Step]:
    """Take every open round as far as it goes: follow-up rounds first, for the rounds before."""
    names = [s.name for s in project.round_status() if s.state != "closed"]
    for name in reversed(names):
        if dry_run:
            yield from _would_move(project, name)
            continue
        with project.ledger() as ledger:
            yield from _move(project, ledger, name)


def _would_move(project: Project, name: str) -> Iterator[Step]:
    (status,) = [s for s in project.round_status() if s.name == name]
    if status.state == "planned":
        yield Step("push", name, False, f"Would push the {status.n_tasks:,} tasks of '{name}'.")
        return
    yield Step("pull", name, False, f"Would pull the answers of '{name}'.")
    with project.ledger() as ledger:
        n = len(adjudication.queue(ledger, name, min_agreement=project.config.rounds.min_agreement))
    there = f"{name}{adjudication.SUFFIX}" in {s.name for s in project.round_status()}
    if status.is_complete and n and not there:
        yield Step(
            "adjudicate", name, False, f"Would ask again about {n:,} disputed examples of '{name}'."
        )
    elif status.is_complete:
        yield Step("close", name, False, f"Would close '{name}': every task is answered.")


def _move(project: Project, ledger: Ledger, name: str) -> Iterator[Step]:
    round_ = ledger.round(name, platform=project.platform())
    status = round_.status()
    if status.state == "planned":
        pushed = round_.push()
        yield Step(
            "push", name, True, f"{pushed.n_pushed:,} tasks of '{name}' sent.",
            {"n_pushed": pushed.n_pushed, "n_already_there": pushed.n_already_there},
        )  # fmt: skip
    pulled = round_.pull()
    yield Step(
        "pull", name, True, f"{pulled.n_new_annotations:,} new answers of '{name}'.",
        {"n_new": pulled.n_new_annotations, "n_changed": pulled.n_changed_annotations,
         "n_withdrawn": pulled.n_withdrawn_annotations},
    )  # fmt: skip
    status = round_.status()
    if not (status.is_complete and _all_wanted(ledger, name)):
        return
    if not name.endswith(adjudication.SUFFIX):
        later = adjudication.open_follow_up(
            ledger, round_, min_agreement=project.config.rounds.min_agreement
        )
        if later is not None:
            if later.status().state != "closed":
                if later.status().state == "planned":
                    n = later.push().n_tasks
                    yield Step(
                        "adjudicate", later.name, True,
                        f"{n:,} disputed examples of '{name}' are asked again in '{later.name}'.",
                        {"n_tasks": n},
                    )  # fmt: skip
                return
            n = adjudication.settle(ledger, round_)
            yield Step("settle", name, True, f"{n:,} decisions on '{name}'.", {"n_decided": n})
    round_.close()
    yield Step("close", name, True, f"'{name}' is complete and closed.")


def _all_wanted(ledger: Ledger, name: str) -> bool:
    """Whether every task has as many answers as were wanted of it."""
    return not ledger.n_wanting(name)


def _next_round(
    project: Project, statuses: tuple[RoundStatus, ...], *, dry_run: bool
) -> Iterator[Step]:
    settings = project.config.rounds
    n = project.config.selection.n
    if statuses:
        if dry_run:
            yield Step("label", None, False, "Would fit the label model again with the gold.")
        elif _is_stale(project):
            run = project.label()
            yield Step(
                "label", None, True,
                f"Run {run.id} learned from {run.manifest.counts.n_gold:,} gold labels.",
                {"run": run.id, "n_gold": run.manifest.counts.n_gold},
            )  # fmt: skip
    elif not project.runs() and not dry_run:
        run = project.label()
        yield Step("label", None, True, f"Run {run.id} is the first.", {"run": run.id})
    reason = stop_reason(project, statuses)
    if reason is not None:
        yield Step("stop", None, not dry_run, reason)
        return
    if settings.budget is not None:
        n = min(n, settings.budget - sum(s.n_tasks for s in statuses))
    if project.runs():
        left = n_never_asked(project, statuses)
        if not left:
            yield Step("stop", None, not dry_run, "Every example has been asked about.")
            return
        n = min(n, left)
    if dry_run:
        yield Step(
            "plan", None, False, f"Would plan and push a round of {n:,} tasks.", {"n_tasks": n}
        )
        return
    planned = project.round_plan(n)
    yield Step(
        "plan", planned.name, True, f"'{planned.name}' asks {planned.n_tasks:,} tasks.",
        {"n_tasks": planned.n_tasks},
    )  # fmt: skip
    pushed = project.round_push(planned.name)
    yield Step(
        "push", planned.name, True, f"{pushed.n_pushed:,} tasks of '{planned.name}' sent.",
        {"n_pushed": pushed.n_pushed, "n_already_there": pushed.n_already_there},
    )  # fmt: skip


def _is_stale(project: Project) -> bool:
    """Whether a round has closed since the latest run began: what a killed turn left undone."""
    runs = project.runs()
    if not runs:
        return True
    closed = [s.updated_at for s in project.round_status() if s.state == "closed"]
    began = datetime.fromisoformat(runs[-1].manifest.created)
    return bool(closed) and max(closed) > began


def n_never_asked(project: Project, statuses: tuple[RoundStatus, ...]) -> int:
    """Examples of the latest run that no round has asked about."""
    run = project.latest()
    labels = run.labels()
    if not statuses:  # a dry run must not make the ledger
        return len(labels)
    with project.ledger() as ledger:
        return len(labels) - len(match_gold(ledger.asked(), labels, run.keys))


def stop_reason(project: Project, statuses: tuple[RoundStatus, ...]) -> str | None:
    """Why no further round is planned, in one sentence; None while there is no reason.

    Rounds that adjudicate cost budget and are not counted as rounds.
    """
    from labelkit.selection import stop_at_width

    settings = project.config.rounds
    asked = sum(s.n_tasks for s in statuses)
    rounds = [s for s in statuses if not s.name.endswith(adjudication.SUFFIX)]
    if settings.budget is not None and asked >= settings.budget:
        return f"The budget of {settings.budget:,} labels is used up ({asked:,} were asked for)."
    if settings.max_rounds is not None and len(rounds) >= settings.max_rounds:
        return f"There have been {len(rounds):,} rounds; max_rounds is {settings.max_rounds:,}."
    if settings.target is None or not project.runs() or not project.latest().has("validation"):
        return None
    limits = interval_of(project, settings.target)
    if limits is None:
        return None
    verdict = stop_at_width(*limits, settings.target)
    return verdict.reason if verdict.stop else None


def interval_of(project: Project, target: str) -> tuple[float, float] | None:
    """The latest run's interval of the metric that ``target`` names, None if gold cannot tell."""
    from labelkit.selection.planning.target import read_target

    metric = read_target(target).metric
    rows = nw.from_native(project.latest().validation(), eager_only=True).filter(
        nw.col("metric") == metric, nw.col("slice") == "all", nw.col("labels") == "weak labels"
    )
    if not len(rows):
        raise RoundError(f"The latest validation has no metric {metric!r} to stop at.")
    low, high = rows["low"].to_list()[0], rows["high"].to_list()[0]
    return None if low is None or high is None else (float(low), float(high))
