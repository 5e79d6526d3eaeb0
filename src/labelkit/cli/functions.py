"""The verbs under ``labelkit lfs``: agreement, redundancy, value, errors, drift, diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelkit.cli.commands import MOST_ROWS, functions, here
from labelkit.cli.options import Debug, Json, ProjectDir, Quiet, RunId
from labelkit.cli.output import Output
from labelkit.cli.watch import with_names

if TYPE_CHECKING:
    import polars as pl

    from labelkit.project import LFDiff

Before = Annotated[
    str | None, typer.Argument(metavar="RUN_A", help="Run before.", show_default="the last but one")
]
After = Annotated[
    str | None, typer.Argument(metavar="RUN_B", help="Run after.", show_default="the latest")
]
# More columns than this do not fit beside each other.
MOST_COLUMNS = 12
SURE = 0.05


@functions.command()
def agreement(
    run: RunId = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how the labeling functions agree, pair by pair, and beyond chance.

    Two functions that are each right more often than not must agree more often than chance. A pair
    far below that has one that is wrong, or two that look at different things.

    Example: `labelkit lfs agreement`

    Next: `labelkit lfs redundancy`, or edit the one that disagrees with all others
    """
    with Output(quiet, as_json, debug) as out:
        import polars as pl

        from labelkit.project import Project

        pairs = Project(project).lfs_agreement(run=run)
        out.result["agreement"] = pairs.to_dicts()
        names = list(dict.fromkeys([*pairs["lf"], *pairs["other"]]))
        if 1 < len(names) <= MOST_COLUMNS:
            out.table(
                _matrix(pairs, names),
                title="Share of joint votes that are alike",
                note="Columns are numbered like rows.",
            )
        met = pairs.filter(pl.col("together") > 0).sort("kappa", "agreement", nulls_last=True)
        out.table(
            met.head(MOST_ROWS),
            title="Pairs, those that disagree most first",
            note="together: examples on which both vote; kappa: agreement beyond chance, 1 at "
            "most, nothing where both can only vote one way. With 95 % intervals.",
        )
        if len(met) > MOST_ROWS:
            out.say(f"{len(met) - MOST_ROWS} more pairs with --json.")
        out.next(here("lfs redundancy", project), "says which function adds nothing.")


@functions.command()
def redundancy(
    run: RunId = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show which labeling functions say nothing that another does not say.

    Near copies share the weight of one witness in the label model, so they do no harm there; but
    one of them is work without a return.

    Example: `labelkit lfs redundancy`

    Next: `labelkit lfs value` says what the labels would be without each function
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        found = Project(project).lfs_redundancy(run=run)
        out.result["redundancy"] = found.to_dicts()
        out.table(
            found,
            title="What each labeling function adds",
            note="alone: share of its votes where no other votes; repeats: the function that most "
            "surely votes the same wherever this one votes; certainty: how surely, beyond chance.",
        )
        out.next(here("lfs value", project), "says what the labels lose without each of them.")


@functions.command()
def value(
    run: RunId = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what the labels lose without each labeling function.

    Each is left out in turn, and the label model fitted again. With gold, accuracy and log loss are
    compared on gold that neither model saw, example by example; an interval that lies above 0 says
    that the function helps, one below 0 that it harms. Of two near copies, each alone is worth
    nothing: see `labelkit lfs redundancy`.

    Example: `labelkit lfs value`

    Next: edit or remove what harms, then `labelkit label` and `labelkit lfs diff`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        with out.progress("Leaving out one function after the other"):
            found = Project(project).lfs_value(run=run)
        out.result["value"] = found.to_dicts()
        on_gold = "accuracy_gain" in found.columns
        out.table(
            found,
            title="What the labels lose without a labeling function",
            note="coverage lost: examples on which no other votes; labels changed: examples with "
            "another label; probability moved: by how much on average."
            + (
                " Gains are on held-out gold, with 95 % intervals: positive says it helps."
                if on_gold
                else " With gold labels, it would also say whether that is for the better."
            ),
        )
        out.next(here("report", project), "shows it beside everything else.")


@functions.command()
def errors(
    name: Annotated[
        str | None,
        typer.Argument(help='A function, or "(labels)".', show_default="counts of all of them"),
    ] = None,
    vote: Annotated[
        str | None,
        typer.Option(
            help='What it voted: a label, or "abstained".', show_default="what gold contradicts"
        ),
    ] = None,
    gold: Annotated[str | None, typer.Option(help="The true label.", show_default="any")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Examples to show at most.")] = 10,
    run: RunId = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show votes beside gold: how many of each, or the examples behind them.

    Without a name: how often gold says what of the examples to which a function gives which vote.
    With a name: the examples that gold contradicts, with what people are shown and the evidence
    that the functions read. "(labels)" stands for the weak labels.

    Example: `labelkit lfs errors bought --vote abstained --gold relevant`

    Next: edit labeling_functions/, then `labelkit label` and `labelkit lfs diff`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        opened = Project(project)
        names = opened.run(run).manifest.label_names
        found = opened.lfs_errors(
            name, vote=_class(vote, names, "--vote"), label=_class(gold, names, "--gold"), run=run
        )
        if name is None:
            out.result["buckets"] = found.to_dicts()
            out.table(found, title="Votes beside gold", note="Counts of gold examples.")
            out.next(here("lfs errors NAME", project), "shows the examples behind a row.")
            return
        out.result["examples"] = found.to_dicts()
        out.say(f"{len(found):,} examples of {name}.")
        if len(found):
            out.table(with_names(found.head(n), names), title=f"{name}: votes beside gold")
        out.next(here("lfs --watch", project), "shows what an edit does, at once.")


@functions.command()
def drift(
    before: Before = None,
    after: After = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Test whether labeling functions behave otherwise in one run than in another.

    Coverage, votes, agreement with the others, and accuracy where there is gold. Differences are
    tested with queries as the units, whether the runs share examples or not, and of those that are
    shown at most one in twenty is a false alarm.

    Example: `labelkit lfs drift`

    Next: `labelkit lfs errors NAME` for a function whose accuracy fell
    """
    with Output(quiet, as_json, debug) as out:
        import polars as pl

        from labelkit.project import Project

        found = Project(project).lfs_drift(before, after)
        out.result["drift"] = found.to_dicts()
        real = found.filter(pl.col("adjusted_p") < SURE).sort("adjusted_p")
        if real.is_empty():
            out.say(f"Nothing drifted: none of {len(found)} figures differs by more than chance.")
        else:
            out.table(
                real.drop("p_value"),
                title=f"What drifted: {len(real)} of {len(found)} figures",
                note="change with its 95 % interval; adjusted p: for the number of figures.",
            )
        out.next(here("lfs diff", project), "shows the examples behind a change.")


@functions.command()
def diff(
    before: Before = None,
    after: After = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Examples to show at most.")] = 10,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say what an edit changed: rules, votes, labels, accuracy on gold, and the examples behind it.

    Votes are compared function by function and example by example: gained, lost, flipped. Accuracy
    is compared on the gold that both runs have, with intervals of the difference.

    Example: `labelkit lfs diff`

    Next: `labelkit lfs value`, or another edit
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        found = Project(project).lfs_diff(before, after, n=n)
        out.result.update({"before": found.before, "after": found.after})
        for part in ("rules", "votes", "labels", "accuracy", "examples"):
            out.result[part] = getattr(found, part).to_dicts()
        out.result["notes"] = list(found.notes)
        _tell(out, found)
        out.next(here("lfs value", project), "says what each function is worth now.")


def _tell(out: Output, found: LFDiff) -> None:
    import polars as pl

    out.say(f"From {found.before} to {found.after}: {found.n_common:,} examples of both runs.")
    if found.n_only_before or found.n_only_after:
        out.say(
            f"{found.n_only_before:,} examples are only in the first, {found.n_only_after:,} only "
            "in the second, and not compared."
        )
    for note in found.notes:
        out.warn(note)
    if found.rules.is_empty():
        out.say("No labeling function was edited.")
    for row in found.rules.to_dicts():
        out.say(f"\n{typer.style(row['lf'], bold=True)}: {row['status']}")
        if row["before"] != row["after"]:
            out.say(typer.style(f"- {row['before']}", fg="red") if row["before"] else "")
            out.say(typer.style(f"+ {row['after']}", fg="green") if row["after"] else "")
        elif row["source"]:
            out.say(row["source"])
    moved = found.votes.filter(
        (pl.col("gained") + pl.col("lost") + pl.col("flipped") > 0) | (pl.col("status") != "kept")
    )
    if len(moved):
        shown = moved.drop("unchanged", "status")
        out.table(shown, title="Votes", note="Functions whose votes are all the same are left out.")
    else:
        out.say("\nNo vote is different.")
    out.say(f"\n{found.n_flipped:,} labels of {found.n_common:,} are another now.")
    if found.n_flipped:
        out.table(found.labels, title="Labels")
    if len(found.accuracy):
        out.table(
            found.accuracy,
            title="Accuracy on gold",
            note="Of votes, and of the labels from models that did not see the gold. change: with "
            "its 95 % interval, example by example.",
        )
    if len(found.examples):
        out.table(found.examples, title="Examples, those that moved most first")


def _class(text: str | None, names: tuple[str, ...], option: str) -> int | None:
    if text is None:
        return None
    said = {"abstained": -1, **{name: label for label, name in enumerate(names)}}
    if text not in said or (option == "--gold" and text == "abstained"):
        known = [name for name in said if option == "--vote" or name != "abstained"]
        raise typer.BadParameter(f"{option} is one of {', '.join(known)}, not {text!r}.")
    return said[text]


def _matrix(pairs: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Agreement of each row's function with the function of each column's number."""
    import polars as pl

    found = {(row["lf"], row["other"]): row["agreement"] for row in pairs.to_dicts()}
    columns: dict[str, list[object]] = {
        "": [f"{i}" for i in range(1, len(names) + 1)],
        "function": list(names),
    }
    for i, theirs in enumerate(names, start=1):
        columns[str(i)] = [found.get((mine, theirs), found.get((theirs, mine))) for mine in names]
    numbers = dict.fromkeys(map(str, range(1, len(names) + 1)), pl.Float64)
    return pl.DataFrame(columns, schema={"": pl.String, "function": pl.String, **numbers})
