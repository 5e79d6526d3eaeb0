"""``labelkit simulate …``: try out on data whose truth is known, before people are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from labelkit.cli.app import app
from labelkit.cli.options import Debug, Json, ProjectDir, Quiet, RunId, Seed
from labelkit.cli.output import Output

simulations = typer.Typer(
    help="Try out on data whose truth is known, before people are asked.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(simulations, name="simulate")


@simulations.command("rounds")
def simulate_rounds(
    truth: Annotated[
        Path, typer.Option(help="Parquet, CSV or JSON-lines file with the keys and `label`.")
    ],
    strategy: Annotated[
        list[str] | None,
        typer.Option(help="A strategy to try; may be repeated.", show_default="all scores"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds.")] = 10,
    n: Annotated[int, typer.Option("-n", min=1, help="Labels a round.")] = 20,
    seeds: Annotated[int, typer.Option(min=2, help="Repetitions.")] = 10,
    metric: Annotated[
        Literal["accuracy", "f1", "average_precision", "log_likelihood"],
        typer.Option(help="Quality on queries that were set aside."),
    ] = "f1",
    error_rate: Annotated[
        float, typer.Option(min=0.0, max=0.999, help="How often the annotator is wrong.")
    ] = 0.0,
    cost_per_label: Annotated[float, typer.Option(min=0.0, help="Price of a label.")] = 1.0,
    chart: Annotated[
        Path | None, typer.Option(help="Write the learning curves to this SVG file.")
    ] = None,
    run: RunId = None,
    seed: Seed = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Which strategy would have paid on data whose truth you know?

    A scripted annotator answers from the truth, wrong as often as you say; a learner is fitted on
    the answers after every round and examined on queries that were set aside. No person is asked,
    and nothing is written to the ledger.

    Example: `labelkit simulate rounds --truth truth.parquet --seeds 20 --chart curves.svg`

    Next: `labelkit round plan --strategy …` with the strategy that paid
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        with out.progress("Simulating rounds"):
            found = Project(project).simulate_rounds(
                truth, strategies=strategy or None, rounds=rounds, n=n, seeds=seeds, metric=metric,
                error_rate=error_rate, cost_per_label=cost_per_label, seed=seed, run=run,
            )  # fmt: skip
        out.result.update({"metric": found.metric, "summary": found.summary.to_dicts()})
        out.result["curves"] = found.frame.to_dicts()
        out.table(
            found.summary, title=f"After {rounds} rounds: {metric}, 95 % intervals over seeds"
        )
        out.say(str(found))
        if chart is not None:
            from labelkit.files import write_text
            from labelkit.report.learning import learning_chart

            write_text(chart, learning_chart(found.frame, metric=metric))
            out.say(f"Learning curves: {chart}")
        out.next("labelkit round plan --strategy …", "asks people by the strategy that paid.")
