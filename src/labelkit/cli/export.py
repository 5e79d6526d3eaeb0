"""The verb ``labelkit export``: a training set from a run's labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from labelkit.cli.app import app
from labelkit.cli.options import Debug, Json, ProjectDir, Quiet, RunId
from labelkit.cli.output import Output

Rows: TypeAlias = Literal["example", "impression"]
Scheme: TypeAlias = Literal["unweighted", "ips", "clipped", "self_normalised", "doubly_robust"]


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    unit: Annotated[
        Rows, typer.Option(help="One row per example, or one per impression.")
    ] = "example",
    scheme: Annotated[
        Scheme, typer.Option(help="How clicks are weighted (see `labelkit bias`).")
    ] = "self_normalised",
    clip: Annotated[
        float | None,
        typer.Option(min=1.0, help="Largest weight of a click.", show_default="100"),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(help="Column of a table in labelkit.toml to train on. May be repeated."),
    ] = None,
    run: RunId = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a training set: labels, soft labels, weights, group ids and your features as Parquet.

    `label` and `p_0`, `p_1`, … are the run's labels; `group` numbers the queries (or the values of
    the first key of what is labeled), for GroupKFold and for rankers that take groups;
    `sample_weight` says how much the log knows of a row, and averages to 1. Rows per example also
    have `click_weight_1` and `click_weight_0`: the weights of the two labels if the debiased clicks
    alone were to speak. The file is whole or not there.

    Example: `labelkit export train.parquet --feature price --feature title_length`

    Next: train on it; `labelkit validate` says what its labels are worth
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project
        from labelkit.project.units import plural

        with out.progress("Writing the training set"):
            made = Project(project).training_set(
                path, run=run, unit=unit, scheme=scheme, clip=clip, features=feature or ()
            )
        out.result.update({"path": str(made.path), "columns": list(made.columns)})
        out.result.update({"n_rows": made.n_rows, "n_groups": made.n_groups})
        out.result["n_without_label"] = made.n_without_label
        out.result["grouped_by"] = made.grouped_by
        out.say(
            f"{made.path}: {made.n_rows:,} rows of {made.n_groups:,} {plural(made.grouped_by)}."
        )
        out.say(f"Columns: {', '.join(made.columns)}.")
        if made.n_without_label:
            out.warn(f"{made.n_without_label:,} rows of the log have no label and were left out.")
