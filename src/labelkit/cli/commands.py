"""The verbs: init, label, lfs, validate, report, demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelkit.cli.app import app
from labelkit.cli.options import Debug, Json, ProjectDir, Quiet, RunId, Seed
from labelkit.cli.output import Output

if TYPE_CHECKING:
    import polars as pl

    from labelkit.project import Run


DEFAULT_UNIT = ("query", "item")
# More rows than a terminal shows at once are left to the report.
MOST_ROWS = 24
# Findings on the label model in the terminal; all of them are in the report.
MOST_DOUBTS = 5


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Where to make the project.")] = Path("."),
    log: Annotated[
        list[str] | None,
        typer.Option(
            help="File, folder or glob of the log. May be repeated.",
            show_default="logs/*.parquet",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=YOURS",
            help="A column of your log: query=query_id. May be repeated.",
            show_default="guessed from the log",
        ),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="What gets a label: one or two of query, item, user, session, page; or "
            "impression, each row of the log. Repeat it for two.",
            show_default="query and item",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a project: labelkit.toml and a worked set of labeling functions to edit.

    Column names that are known to mean the same (query_id, doc_id, rank, …) are found in the log's
    schema and written into labelkit.toml, where you can correct them. Nothing is overwritten.

    Labels are about queries and items unless --unit says otherwise, as for a recommender:
    `--unit user --unit item`. The unit stands in labelkit.toml, and everything follows it.

    Example: `labelkit init shop --log "/data/clicks/*.parquet" --column query=search_term`

    Next: look at labelkit.toml, then `labelkit label`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project
        from labelkit.project.create import log_is_there

        columns = None if column is None else dict(_pair(text) for text in column)
        made = Project.create(
            directory,
            log=log or ["logs/*.parquet"],
            columns=columns,
            unit=unit or DEFAULT_UNIT,
        )
        found = dict(made.config.log.columns)
        out.result.update({"directory": str(directory), "columns": found})
        out.result["unit"] = list(made.config.labels.unit)
        out.say(f"Made {directory / 'labelkit.toml'} and {directory / 'labeling_functions'}/.")
        if found:
            named = ", ".join(f"{name} = {source}" for name, source in found.items())
            out.say(f"Columns of the log: {named}. If wrong, correct them in labelkit.toml.")
        if not log_is_there(made.config.log.paths, directory):
            shown = ", ".join(made.config.log.paths)
            out.say(f"No file of the log is there yet ({shown}, seen from {directory}).")
        out.next(here("label", directory), "makes labels from the log.")


@app.command()
def label(
    seed: Seed = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make labels from the log: debias the clicks, ask the labeling functions, fit the label model.

    Writes a run directory runs/ID with labels.parquet, everything that led to it, and a manifest.
    Gold labels from finished or open rounds are learned from. The same seed, log and gold give the
    same bytes. What gets a label is [labels] unit in labelkit.toml: a query and item unless set.

    Example: `labelkit label --project shop`

    Next: `labelkit report`, `labelkit lfs`, `labelkit bias`; `labelkit round plan` asks people
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project
        from labelkit.project.units import in_words

        opened = Project(project)
        with out.progress("Labeling") as progress:
            run = opened.label(seed=seed, progress=progress)
        counts, unit = run.manifest.counts, run.manifest.unit
        out.result["unit"] = list(unit)
        out.result.update({"run": run.id, "path": str(run.path), "seconds": run.manifest.seconds})
        out.result["cached_lfs"] = list(run.manifest.cached_lfs)
        out.result.update({"counts": asdict(counts), "bias": asdict(run.manifest.bias)})
        out.say(
            f"Run {run.id}: {counts.n_impressions:,} impressions became {counts.n_examples:,} "
            f"labels, one per {in_words(unit)}, in {run.manifest.seconds:.1f} s; "
            f"{_share(counts.n_covered, counts.n_examples)} have at least one vote."
        )
        if run.manifest.cached_lfs:
            cached = ", ".join(run.manifest.cached_lfs)
            out.say(f"The votes of {cached} came from the cache: nothing they rest on has changed.")
        if counts.n_quarantined:
            out.warn(
                f"{counts.n_quarantined:,} bad rows were set aside in "
                f"{run.path / 'quarantine.parquet'}."
            )
        for finding in run.manifest.bias.findings:
            if finding.level != "fine":
                out.say(f"Position bias, {finding.name}: {finding.message}")
        for row in run.bias_findings():
            if row["level"] != "fine":
                out.say(f"Position bias, {row['finding']}: {row['message']}")
        doubts = run.doubts()
        out.result["doubts"] = doubts
        for doubt in doubts[:MOST_DOUBTS]:
            out.say(f"Label model: {doubt['finding']} {doubt['advice']}")
        if len(doubts) > MOST_DOUBTS:
            out.say(f"Label model: {len(doubts) - MOST_DOUBTS} more such findings in the report.")
        out.table(_label_counts(run), title="Labels")
        out.say(f"Labels: {run.path / 'labels.parquet'}")
        if counts.n_gold:
            out.worth(run)
        out.next(here("report", project), "shows everything on one page.")


functions = typer.Typer(invoke_without_command=True, rich_markup_mode="markdown")
app.add_typer(functions, name="lfs")


@functions.callback()
def lfs(
    context: typer.Context,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Look again after every edit, on a sample; Ctrl-C ends it."),
    ] = False,
    sample: Annotated[
        int, typer.Option(min=10, help="Examples to watch on; whole queries are drawn.")
    ] = 2_000,
    run: RunId = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how the labeling functions voted: coverage, overlaps, conflicts, accuracy.

    The estimated accuracy is the label model's own; the accuracy on gold stands beside it once
    people have labeled. A function that nearly always conflicts, or never votes, wants editing.

    `--watch` reads the log once, and shows the same on a sample after every edit in
    labeling_functions/, with the votes that the edit gained, lost and flipped; a mistake in a
    file is shown, and watched on.

    Example: `labelkit lfs --watch`

    Next: edit labeling_functions/, then `labelkit label`
    """
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    if watch:
        from labelkit.cli.watch import keep_looking

        keep_looking(project, sample, Output(quiet, as_json, debug))
        return
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        opened = Project(project)
        analysis = opened.lfs(run=run)
        out.result["lfs"] = analysis.to_dicts()
        out.table(
            named(analysis, opened.run(run).manifest.label_names),
            title="Labeling functions",
            note="Shares of all examples. Overlaps: another function votes too; conflicts: and "
            "disagrees. Accuracy with its 95 % interval.",
        )
        out.next(here("lfs value", project), "says what the labels lose without each of them.")


@app.command()
def validate(
    run: RunId = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what the labels are worth, on gold from people, each metric with its interval.

    Every gold label counts by the probability with which it was chosen, so that the estimate is for
    the whole log although people mostly saw hard cases. Beside it: what raw clicks would be worth.

    Example: `labelkit validate --run 20260101-120000-000-abcd`

    Next: `labelkit report`; with wide intervals, another `labelkit round plan`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        opened = Project(project)
        with out.progress("Validating"):
            report = opened.validate(run=run)
        out.result["target"] = report.target
        out.result["validation"] = report.frame.to_dicts()
        out.result["comparison"] = report.difference.to_dicts()
        out.worth(opened.run(run))
        out.next(here("report", project), "shows everything on one page.")


@app.command()
def report(
    run: RunId = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write report.html into a run: one page, no network, no scripts.

    Example: `labelkit report --project shop`

    Next: open the page; `labelkit round plan` if the labels are not validated yet
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project
        from labelkit.report import write_report

        chosen = Project(project).run(run)
        with out.progress("Drawing the report"):
            path = write_report(chosen.path)
        out.result["report"] = str(path)
        out.say(f"Report: {path}")


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(help="Where to put the demo project.")] = Path(
        "labelkit-demo"
    ),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """See the whole job in under a minute, on real relevance data with simulated clicks.

    Shows the propensity curve against the truth, and how far naive clicks, debiased labels, weak
    labels, and weak labels with 100 answers are from the truth. The annotator is a script that
    answers from held-back grades.

    Example: `labelkit demo /tmp/labelkit-demo`

    Next: `labelkit init` for your own log
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit import demo as demonstration
        from labelkit.report import write_report

        with out.progress("Demo") as progress:
            result = demonstration.run(directory, seed=seed, progress=progress)
            progress("drawing the report")
            path = write_report(result.run)
        out.result.update({"report": str(path), "headline": result.headline})
        out.result["tables"] = {table.name: table.frame.to_dicts() for table in result.tables}
        for table in result.tables:
            if len(table.frame) <= MOST_ROWS:
                out.table(table.frame, title=table.title, note=table.note)
            else:
                out.say(f"{table.title}: {len(table.frame)} rows, in the report.")
        out.say()
        out.say(result.headline)
        out.say(f"\nReport: {path.resolve()}")
        out.next('labelkit init my-project --log "my-logs/*.parquet"', "does it with your own log.")


def _refuse_options_before(context: typer.Context) -> None:
    """Options of a group do not reach its commands: better said than silently ignored."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(
                f"options stand after the command: labelkit lfs {context.invoked_subcommand} …"
            )


def _pair(text: str) -> tuple[str, str]:
    name, equals, source = text.partition("=")
    if not (name and equals and source):
        raise typer.BadParameter(f"--column takes NAME=YOURS, not {text!r}.")
    return name.strip(), source.strip()


def here(command: str, directory: Path) -> str:
    """The command as it is typed from where the user stands."""
    return f"labelkit {command}" + ("" if directory == Path(".") else f" --project {directory}")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def named(analysis: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The analysis with label names in place of numbers, and without what the shares say."""
    import polars as pl

    votes = pl.Series([", ".join(names[y] for y in ys) for ys in analysis["polarity"].to_list()])
    return analysis.with_columns(polarity=votes).drop("correct", "incorrect", strict=False)


def _label_counts(run: Run) -> pl.DataFrame:
    import polars as pl

    names = run.manifest.label_names
    return (
        run.labels()
        .group_by("label")
        .agg(pl.len().alias("examples"), pl.col("margin", "covered").mean())
        .sort("label")
        .with_columns(
            label=pl.col("label").replace_strict(dict(enumerate(names)), return_dtype=pl.String)
        )
    )
