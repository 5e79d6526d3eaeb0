"""The verb ``labelkit bias``: how far the propensities of the log are to be believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelkit.cli.app import app
from labelkit.cli.commands import MOST_ROWS, here
from labelkit.cli.options import Debug, Json, ProjectDir, Quiet, RunId, Seed
from labelkit.cli.output import STOP, Output

if TYPE_CHECKING:
    from labelkit.project import BiasReport

MARKS = {"fine": "green", "look": "yellow", "stop": "red"}


@app.command()
def bias(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 6 if a diagnosis says stop.")
    ] = False,
    windows: Annotated[int, typer.Option(min=2, help="Time windows to compare.")] = 4,
    run: RunId = None,
    seed: Seed = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say how far the propensities are to be believed, and what they do to the labels.

    People click what they see. Labels rest on an estimate of how likely each position is to be
    looked at; this command holds that estimate against everything the log has to say:

    - every estimator that the log can carry, side by side, with intervals
    - rival click models (cascade, DCM, DBN, UBM) on pages that none was fitted to
    - whether the curve holds over time windows, and for every ranker
    - who holds the weight: effective sample size, concentration, clipping, and the variance that
      each way of weighting buys
    - how many labels change as the propensities move across their intervals

    Each finding has a level: fine; look (read the sentence); stop (do not use the labels before you
    have done what it says). Tables go into the latest run, and from there into its report.

    Example: `labelkit bias --project shop --strict`

    Next: `labelkit report` draws the curves; `labelkit label` after you have changed [bias] in
    labelkit.toml
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        with out.progress("Examining position bias") as progress:
            found = Project(project).bias(run=run, n_windows=windows, seed=seed, progress=progress)
        out.result.update({"method": found.method, "reason": found.reason, "run": found.run})
        out.result["findings"] = [
            {"name": f.name, "level": f.level, "message": f.message} for f in found.findings
        ]
        out.result["tables"] = {table.name: table.frame.to_dicts() for table in found.tables}
        _tell(out, found, project)
    # Outside, so that what was found is written first.
    if strict and found.stops:
        raise typer.Exit(STOP)


def _tell(out: Output, found: BiasReport, project: Path) -> None:
    from labelkit.project.biasing import CURVES, PERPLEXITY, WINDOW_CURVES
    from labelkit.project.runs import FINDINGS
    from labelkit.report.sheets import curves_side_by_side

    out.say(f"Propensities: {found.method}, because: {found.reason}.")
    for table in found.tables:
        if table.name == CURVES:
            wide = curves_side_by_side(table.frame, "method")
            out.table(wide, title=table.title, note=table.note)
        elif table.name in (FINDINGS, PERPLEXITY, WINDOW_CURVES):
            continue  # findings come last; the others are charts in the report
        elif len(table.frame) <= MOST_ROWS:
            out.table(table.frame, title=table.title, note=table.note)
        else:
            out.say(f"{table.title}: {len(table.frame)} rows, in the report.")
    out.say("\nFindings")
    for finding in found.findings:
        mark = typer.style(f"{finding.level:<5}", fg=MARKS[finding.level], bold=True)
        out.say(f"{mark} {finding.name}: {finding.message}")
    if found.run is None:
        out.say("\nThere is no run yet, so nothing was kept, and no labels could be moved.")
        out.next(here("label", project), "makes labels; then run this again.")
    else:
        out.next(here("report", project), "draws the curves.")
