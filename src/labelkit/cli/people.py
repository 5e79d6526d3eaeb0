"""``labelkit round run``, ``round adjudicate``, ``round people`` and ``round report``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelkit.cli.options import Debug, Json, ProjectDir, Quiet
from labelkit.cli.output import Output
from labelkit.cli.rounds import Name, rounds

if TYPE_CHECKING:
    from datetime import timedelta

    from labelkit.project.scheduling import Step


@rounds.command()
def run(
    every: Annotated[str, typer.Option(help="How often a turn begins, as in 1d, 12h, 30m.")] = "1d",
    once: Annotated[bool, typer.Option("--once", help="One turn, then end: for cron.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do nothing; say what one turn would do.")
    ] = False,
    print_cron: Annotated[
        bool, typer.Option("--print-cron", help="Print a line for crontab and end.")
    ] = False,
    print_systemd: Annotated[
        bool, typer.Option("--print-systemd", help="Print a systemd service and timer and end.")
    ] = False,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Ask people round after round: pull, adjudicate, refit, validate, plan, push.

    A turn takes every open round as far as it goes and plans the next while [rounds] budget,
    max_rounds and target allow. It may be killed at any time, and two schedulers never work at
    once. One line is printed for each step; with --json each is a JSON object.

    Example: `labelkit round run --every 1d`

    Example: `labelkit round run --once --dry-run`

    Next: `labelkit round status`, `labelkit round people`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.errors import RoundBusy
        from labelkit.project import Project
        from labelkit.project.scheduling import Step, keep_running, read_every, turn

        span = read_every(every)
        if print_cron or print_systemd:
            text = _cron(project, span) if print_cron else _systemd(project, span)
            out.result["text"] = text
            out.say(text)
            return
        opened = Project(project)
        if once or dry_run:
            try:
                for step in turn(opened, dry_run=dry_run):
                    _tell(out, step)
            except RoundBusy as busy:
                # Another scheduler does what there is to do: no reason for cron to send mail.
                _tell(out, Step("wait", None, True, str(busy)))
            return
        try:
            keep_running(opened, span, said=lambda step: _tell(out, step))
        except KeyboardInterrupt:
            out.say("No longer running; `labelkit round run` goes on where this ended.")
            raise typer.Exit from None


def _tell(out: Output, step: Step) -> None:
    from datetime import UTC, datetime

    at = datetime.now(UTC).isoformat(timespec="seconds")
    if out.as_json:
        out.line({"at": at, **_plain(step)})
    else:
        out.say(f"{at} {step.kind}: {step.said}")
    sys.stdout.flush()


def _plain(step: Step) -> dict[str, object]:
    return {
        "step": step.kind,
        "round": step.round,
        "done": step.done,
        "said": step.said,
        **step.detail,
    }


def _command(project: Path) -> str:
    here = shlex.quote(str(project.resolve()))
    return f"{shlex.quote(sys.executable)} -m labelkit round run --once --json --project {here}"


def _cron(project: Path, every: timedelta) -> str:
    from labelkit.errors import ProjectError

    minutes, seconds = divmod(int(every.total_seconds()), 60)
    hours, days = minutes // 60, minutes // 1440
    if not seconds and minutes < 60 and 60 % minutes == 0:
        when = f"*/{minutes} * * * *"
    elif minutes % 60 == 0 and not seconds and hours < 24 and 24 % hours == 0:
        when = f"0 */{hours} * * *"
    elif minutes % 1440 == 0 and not seconds and days in (1, 7):
        when = "0 3 * * *" if days == 1 else "0 3 * * 1"
    else:
        raise ProjectError(
            "cron repeats after minutes that divide an hour, hours that divide a day, a day or a "
            "week. Use --print-systemd, or --every 1h, 1d or 7d."
        )
    log = shlex.quote(str(project.resolve() / "round-run.log"))
    # In a crontab % ends the command.
    line = f"{_command(project)} >> {log} 2>&1".replace("%", r"\%")
    return f"{when} {line}"


def _systemd(project: Path, every: timedelta) -> str:
    command = _command(project).replace("%", "%%")
    return f"""\
# ~/.config/systemd/user/labelkit-round.service
[Unit]
Description=labelkit: one turn of the labeling rounds

[Service]
Type=oneshot
# Holds LABEL_STUDIO_API_KEY=…; chmod 600.
EnvironmentFile=-%h/.config/labelkit.env
ExecStart={command}

# ~/.config/systemd/user/labelkit-round.timer
[Unit]
Description=labelkit: labeling rounds

[Timer]
OnActiveSec=0
OnUnitActiveSec={int(every.total_seconds())}s

[Install]
WantedBy=timers.target

# systemctl --user enable --now labelkit-round.timer"""


@rounds.command()
def adjudicate(
    name: Name = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Ask again about what people disagree on; once that is answered, it has the last word.

    The disputed examples become a follow-up round, which is pushed. Run the command again when it
    is answered: the answers become decisions on the round, which keeps its probabilities.

    Example: `labelkit round adjudicate --name round-1`

    Next: `labelkit round adjudicate` again when the follow-up round is answered; then
    `labelkit round close`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        with out.progress("Adjudicating"):
            result = Project(project).round_adjudicate(name)
        out.result.update(asdict(result))
        out.say(result.said)
        out.next("labelkit round adjudicate", "when the follow-up round is answered.")


@rounds.command()
def people(
    name: Annotated[
        str | None, typer.Option("--name", help="Name of a round.", show_default="all rounds")
    ] = None,
    cost_per_label: Annotated[
        float | None, typer.Option(min=0.0, help="Price of a label, for the forecast.")
    ] = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how far people agree, how good each is, who has changed, and when the work will end.

    Example: `labelkit round people --name round-1`

    Next: `labelkit round adjudicate` where people disagree
    """
    with Output(quiet, as_json, debug) as out:
        import polars as pl

        from labelkit.project import Project

        found = Project(project).round_people(name, cost_per_label=cost_per_label)
        out.result.update(
            {
                "agreement": [asdict(one) for one in found.agreement],
                "annotators": found.annotators.to_dicts(),
                "forecast": asdict(found.forecast),
            }
        )
        agreed = pl.DataFrame([asdict(one) for one in found.agreement])
        shown = agreed.select("measure", "estimate", "low", "high", "n_items")
        out.table(shown, title="Agreement", note="Intervals are 95 %.")
        out.table(found.annotators, title="Annotators")
        out.say(found.said)


@rounds.command()
def report(
    name: Annotated[
        str | None, typer.Option("--name", help="Name of a round.", show_default="all rounds")
    ] = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write an HTML page on the people of a round: agreement, annotators, forecast.

    Example: `labelkit round report --name round-1`

    Next: open the page that it names
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project
        from labelkit.report.people import write_people

        opened = Project(project)
        path = write_people(
            opened.round_people(name), opened.directory / "reports", title=name or "all rounds"
        )
        out.result["path"] = str(path)
        out.say(f"Wrote {path}")
