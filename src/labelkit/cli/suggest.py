"""``labelkit lfs suggest``: rules that labels suggest, for a person to accept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelkit.cli.commands import functions
from labelkit.cli.options import Debug, Json, ProjectDir, Quiet, RunId, Seed
from labelkit.cli.output import Output

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs.suggest import Suggestions


@functions.command()
def suggest(
    n: Annotated[int, typer.Option("-n", min=1, help="Functions to suggest at most.")] = 10,
    accept: Annotated[
        list[int] | None,
        typer.Option(
            metavar="NUMBER",
            help="Keep the suggestion of this number. May be repeated.",
            show_default="keep none",
        ),
    ] = None,
    file: Annotated[
        Path, typer.Option(help="Module of the project that accepted functions are added to.")
    ] = Path("labeling_functions/suggested.py"),
    run: RunId = None,
    seed: Seed = None,
    project: ProjectDir = Path("."),
    quiet: Quiet = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Suggest labeling functions: thresholds, categories and words, alone or in pairs.

    Half of the gold labels propose, the other half judge; the intervals hold for all suggestions at
    once, so that choosing the best of them deceives nobody. Without gold the run's own labels are
    extended to where the functions abstain, and nobody knows how right that is.

    Example: `labelkit lfs suggest --accept 1 --accept 3`

    Next: read and edit labeling_functions/suggested.py, then `labelkit label`
    """
    with Output(quiet, as_json, debug) as out:
        from labelkit.project import Project

        opened = Project(project)
        with out.progress("Looking for rules"):
            found = opened.suggest(run=run, n=n, seed=seed)
        names = opened.config.labels.names
        out.result["summary"] = found.summary
        out.result["suggestions"] = found.frame.to_dicts()
        for number, candidate in enumerate(found.candidates, start=1):
            rule = candidate.lf.rule.partition(" where ")[2]
            out.say(f"{number:>3}  {names[candidate.label]} where {rule}")
        out.table(
            _shown(found, names),
            title="Suggested labeling functions",
            note=f"Accuracy with an interval that holds for all of them at once "
            f"({found.level:.0%}); guessing: what a rule is right in that knows nothing; new: "
            "share of examples on which no function votes yet; repeats: the function it resembles.",
        )
        out.say(found.summary)
        if not accept:
            here = "" if project == Path(".") else f" --project {project}"
            if found.candidates:
                out.next(f"labelkit lfs suggest{here} --accept NUMBER", "keeps one as code.")
            return
        wrong = [number for number in accept if not 1 <= number <= len(found.candidates)]
        if wrong:
            raise typer.BadParameter(
                f"--accept takes numbers from 1 to {len(found.candidates)}, not {wrong[0]}."
            )
        chosen = [found.candidates[number - 1] for number in dict.fromkeys(accept)]
        for candidate in chosen:
            if candidate.verdict != "accept":
                out.warn(
                    f"{candidate.lf.name}: gold does not show that it is better than guessing. "
                    "Accepted because you said so."
                )
        kept = opened.accept(chosen, file=file)
        out.result.update({"file": str(kept.path), "accepted": list(kept.names)})
        out.say(f"Added to {file}: {', '.join(kept.names)}.")
        if not kept.is_used:
            module = ".".join(file.with_suffix("").parts)
            out.warn(f'labelkit.toml does not use it: add "{module}" to [lfs] modules.')
        out.next("labelkit label", "asks them too, after you have read and edited them.")


def _shown(found: Suggestions, names: tuple[str, ...]) -> pl.DataFrame:
    """The columns that a person decides by, with label names in place of numbers."""
    import polars as pl

    frame = found.frame
    return frame.select(
        pl.int_range(1, len(frame) + 1).alias("number"),
        pl.Series("votes", [names[c.label] for c in found.candidates]),
        "verdict",
        "accuracy",
        "low",
        "high",
        pl.col("floor").alias("guessing"),
        pl.col("n").alias("judged"),
        "coverage",
        pl.col("new_coverage").alias("new"),
        pl.col("closest").alias("repeats"),
    )
