"""The people of a project's rounds: how they did, and what is still to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelkit.errors import RoundError
from labelkit.rounds import adjudication
from labelkit.rounds.people import Agreement, Forecast, agreement, forecast, quality
from labelkit.rounds.people.counts import class_counts

if TYPE_CHECKING:
    import polars as pl

    from labelkit.rounds import Ledger, Round


@dataclass(frozen=True)
class PeopleReport:
    """What the answers say about those who gave them.

    ::

        agreement   observed, α, κ, AC1, on examples that are no hidden gold
        annotators  of ``labelkit.rounds.people.quality``
        forecast    of the tasks that wait, at the pace so far
    """

    agreement: tuple[Agreement, ...]
    annotators: pl.DataFrame
    forecast: Forecast

    @property
    def said(self) -> str:
        """The forecast in one sentence."""
        found = self.forecast
        if not found.n_left:
            return "No answer is waited for."
        if found.finish is None:
            return f"{found.n_left:,} answers are waited for; too few came to say until when."
        until = "with no end in sight" if found.high is None else f"at the latest {found.high}"
        return (
            f"{found.n_left:,} answers are waited for: at {found.per_day:.3g} a day until "
            f"{found.finish} (at {found.level:.0%}: {until})."
        )


@dataclass(frozen=True)
class Adjudicated:
    """What ``round adjudicate`` did.

    Parameters
    ----------
    round, follow_up : names; ``follow_up`` is None if nothing is disputed
    n_disputed : tasks of the follow-up round
    n_answered : of those, answered
    n_decided : decisions that are new
    """

    round: str
    follow_up: str | None
    n_disputed: int
    n_answered: int
    n_decided: int

    @property
    def said(self) -> str:
        """What happened, in one sentence."""
        if self.follow_up is None:
            return f"Nothing in '{self.round}' is disputed."
        return (
            f"'{self.follow_up}' asks {self.n_disputed:,} disputed examples of '{self.round}' "
            f"again: {self.n_answered:,} are answered, {self.n_decided:,} decisions are new."
        )


def people_report(
    ledger: Ledger, name: str | None, *, cost_per_label: float | None, now: datetime | None = None
) -> PeopleReport:
    """Agreement, annotators and forecast of one round or of all.

    Raises
    ------
    RoundError
        There is no such round.
    """
    import polars as pl

    rounds = [s for s in ledger.rounds() if name in (None, s.name)]
    if name is not None and not rounds:
        known = ", ".join(repr(s.name) for s in ledger.rounds()) or "none yet"
        raise RoundError(f"There is no round {name!r} (rounds: {known}).")
    found = ledger.annotations(round=name)
    k = max((len(s.label_names) for s in rounds), default=2)
    compared = found.filter(pl.col("known_label").is_null())
    timed = found.filter(pl.col("at").is_not_null())
    return PeopleReport(
        agreement=agreement(class_counts(compared, cardinality=k)),
        annotators=quality(found),
        forecast=forecast(
            timed["at"].to_list(),
            n_left=sum(ledger.n_wanting(s.name) for s in rounds if s.state != "closed"),
            now=now or datetime.now(UTC),
            lead_times_s=found["lead_time_s"].drop_nulls().to_list(),
            cost_per_label=cost_per_label,
        ),
    )


def adjudicate(ledger: Ledger, round_: Round, *, min_agreement: float) -> Adjudicated:
    """Open and push the follow-up round of ``round_``, or take in what it says by now."""
    later = adjudication.open_follow_up(ledger, round_, min_agreement=min_agreement)
    if later is None:
        return Adjudicated(round_.name, None, 0, 0, 0)
    if later.status().state == "planned":
        later.push()
    elif later.status().state != "closed":
        later.pull()
    n_new = adjudication.settle(ledger, round_)
    status = later.status()
    return Adjudicated(round_.name, later.name, status.n_tasks, status.n_answered_tasks, n_new)
