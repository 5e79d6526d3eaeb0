"""``labelkit round …``: ask people, and bring back what they say."""

from __future__ import annotations

from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelkit.cli.app import app
from labelkit.cli.options import Debug, Json, ProjectDir, Quiet, Seed, Strategy
from labelkit.cli.output import Output

if TYPE_CHECKING:
    from labelkit.selection import LabelPlan

rounds = typer.Typer(
    help="Ask people: plan a batch, push it to the platform, pull answers, close the round.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(rounds, name="round")

Name = Annotated[
    str | None, typer.Option("--name", help="Name of the round.", show_default="the open one")
]


@rounds.command()
def plan(
    n: Annotated[
        int | None,
        typer.Option("-n", help="Labels to ask for.", show_default="from labelkit.toml"),
    ] = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(help="What makes an example worth a look.", show_default="from labelkit.toml"),
    ] = None,
    audit_share: Annotated[
        float | None,
        typer.Option(help="Share drawn at random.", show_default="from labelkit.toml"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the round.", show_default="numbered")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Open no round; say how many labels this takes, as in `f1 +- 0.03`."),
    ] = None,
    cost_per_label: Annotated[
        float | None, typer.Option(min=0.0, help="With --target: price of a label.")
    ] = None,
    seconds_per_label: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="With --target: time of an answer.", show_default="as the ledger timed it"
        ),
    ] = None,
    seed: Seed = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Choose the examples that people should look at, and note them in the ledger.

    Most of the batch is what the label model is least sure of: it teaches. The rest is drawn at
    random with known probability: it measures. Examples that were asked about before are left out.

    With --target nothing is chosen: the interval that `labelkit validate` would print after more
    labels is predicted from the gold so far and the soft labels, and the command says how many
    labels bring it to the width that you name, what they cost, and how sure that is.

    Example: `labelkit round plan -n 200 --audit-share 0.3`

    Example: `labelkit round plan --target "f1 +- 0.03" --cost-per-label 0.2`

    Next: `labelkit round push`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        if target is not None:
            with out.progress("Predicting intervals"):
                planned = Project(project).plan_labels(
                    target, strategy=strategy, audit_share=audit_share, n_max=n, seed=seed,
                    cost_per_label=cost_per_label, seconds_per_label=seconds_per_label,
                )  # fmt: skip
            _tell_plan(out, planned)
            return
        with out.progress("Planning a round"):
            status = Project(project).round_plan(
                n, strategy=strategy, audit_share=audit_share, name=name, seed=seed
            )
        out.result.update(asdict(status))
        out.say(f"Round '{status.name}' asks for {status.n_tasks:,} labels.")
        out.next("labelkit round push", "sends them to the platform.")


def _tell_plan(out: Output, planned: LabelPlan) -> None:
    out.result.update(
        {
            "target": str(planned.target),
            "n_labels": planned.n_labels,
            "low": planned.low,
            "high": planned.high,
            "half_width_now": None if isnan(planned.half_width_now) else planned.half_width_now,
            "cost": planned.cost,
            "hours": planned.hours,
            "seconds_per_label": planned.seconds_per_label,
            "curve": planned.frame.to_dicts(),
        }
    )
    shown = [c for c in planned.frame.columns if planned.frame[c].null_count() < len(planned.frame)]
    out.table(planned.frame.select(shown), title=f"{planned.target.metric} after more labels")
    out.say(str(planned))
    size = planned.n_labels or planned.n_max
    out.next(f"labelkit round plan -n {size}", "chooses the examples; several rounds teach more.")


@rounds.command()
def push(
    name: Name = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Send the tasks of a round to the platform. Safe to repeat: nothing is sent twice.

    For Label Studio the token is read from the environment variable LABEL_STUDIO_API_KEY.

    Example: `LABEL_STUDIO_API_KEY=… labelkit round push`

    Next: people label; then `labelkit round pull`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        opened = Project(project)
        with out.progress("Pushing tasks"):
            pushed = opened.round_push(name)
        out.result.update(asdict(pushed))
        out.say(
            f"Round '{pushed.round}': {pushed.n_pushed:,} tasks sent, "
            f"{pushed.n_already_there:,} were there already."
        )
        out.say(opened.where_to_label(pushed.project))
        out.next("labelkit round pull", "when people have labeled.")


@rounds.command("open")
def open_round(
    name: Name = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it, or only say where it is.")
    ] = True,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Open where a round is labeled: the offline page, the sheet, or Label Studio's project.

    Example: `labelkit round open`

    Next: label; then `labelkit round pull`
    """
    with Output(quiet, as_json, debug) as out:
        import webbrowser

        from labelkit.project import Project

        address = Project(project).round_address(name)
        out.result.update({"address": address, "opened": browser and webbrowser.open(address)})
        out.say(address)
        if browser and not out.result["opened"]:
            out.warn("No browser could be opened here: open the address by hand.")
        out.next("labelkit round pull", "when people have labeled.")


@rounds.command()
def pull(
    name: Name = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring back what people answered. Safe to repeat: nothing is counted twice.

    Example: `labelkit round pull`

    Next: `labelkit round status`, `labelkit validate`, and `labelkit label` to learn from the gold
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        with out.progress("Pulling answers"):
            pulled = Project(project).round_pull(name)
        out.result.update(asdict(pulled))
        out.say(
            f"Round '{pulled.round}': {pulled.n_new_annotations:,} new answers, "
            f"{pulled.n_changed_annotations:,} changed, {pulled.n_withdrawn_annotations:,} "
            f"withdrawn; {pulled.n_answered_tasks:,} of {pulled.n_tasks:,} tasks are answered."
        )
        for problem in pulled.problems:
            out.warn(problem)
        out.next("labelkit validate", "says what the labels are worth.")


@rounds.command()
def status(
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show where every round stands, from the ledger alone.

    Example: `labelkit round status --json`

    Next: `labelkit round pull` while answers are missing, else `labelkit round close`
    """
    with Output(quiet, as_json, debug) as out:
        import polars as pl

        from labelkit.project import Project

        rows = Project(project).round_status()
        out.result["rounds"] = [asdict(row) for row in rows]
        if not rows:
            out.say("No round yet.")
            out.next("labelkit round plan", "chooses examples for people.")
            return
        shown = {
            "round": [row.name for row in rows],
            "state": [row.state for row in rows],
            "platform": [row.platform for row in rows],
            "tasks": [row.n_tasks for row in rows],
            "answered": [row.n_answered_tasks for row in rows],
            "skipped": [row.n_skipped for row in rows],
            "annotators": [row.n_annotators for row in rows],
        }
        out.table(pl.DataFrame(shown), title="Rounds")


@rounds.command()
def close(
    name: Name = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Close a round: it takes no more answers; its gold labels stay.

    Example: `labelkit round close`

    Next: `labelkit label` learns from the gold, `labelkit validate` measures on it
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        closed = Project(project).round_close(name)
        out.result.update(asdict(closed))
        out.say(
            f"Round '{closed.name}' is closed with {closed.n_answered_tasks:,} of "
            f"{closed.n_tasks:,} tasks answered."
        )
        out.next("labelkit label", "fits the label model again, now with the gold.")
