"""``labelkit lfs --watch``: what the functions do, printed again after every edit."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from labelkit.cli.commands import named
from labelkit.cli.output import Output

if TYPE_CHECKING:
    import polars as pl

    from labelkit.project.watching import Look


def keep_looking(project: Path, sample: int, out: Output) -> None:
    """Print a look after every edit until the user ends it, which is a good end: exit code 0.

    With ``--json`` every look is one line.
    """
    with out:
        from labelkit.project import Project

        opened = Project(project)
        try:
            with out.progress("Preparing a sample") as progress:
                looks = opened.lfs_watch(n=sample, progress=progress)
                first = next(looks)
            _tell(out, first, opened.config.labels.names)
            out.say("\nWatching; edit a labeling function and save it. Ctrl-C ends.")
            sys.stdout.flush()
            for look in looks:
                _tell(out, look, opened.config.labels.names)
                sys.stdout.flush()
        except KeyboardInterrupt:
            out.say("\nNo longer watching.")
            raise typer.Exit from None


def _tell(out: Output, look: Look, names: tuple[str, ...]) -> None:
    import polars as pl

    if out.as_json:
        out.line(
            {
                "n_examples": look.n_examples,
                "edited": list(look.edited),
                "error": look.error,
                "lfs": [] if look.analysis is None else look.analysis.to_dicts(),
                "changes": [] if look.changes is None else look.changes.to_dicts(),
            }
        )
        return
    clock = datetime.now().strftime("%H:%M:%S")
    if look.error:
        out.say(f"\n{clock}  {typer.style('Error', fg='red', bold=True)}: {look.error}")
        out.say("Still watching.")
        return
    what = f"edited: {', '.join(look.edited)}" if look.edited else "nothing edited"
    if look.changes is None:
        what = f"a sample of {look.n_examples:,} examples"
    out.say(f"\n{clock}  {what} ({look.seconds:.2f} s)")
    if look.changes is not None:
        moved = look.changes.filter(
            (pl.col("gained") + pl.col("lost") + pl.col("flipped") > 0)
            | (pl.col("status") != "kept")
        )
        if moved.is_empty():
            out.say("No vote is different.")
            return
        shown = moved.drop("unchanged", "status")
        out.table(shown, title="Votes that changed", note="On the sample.")
        if look.examples is not None:
            out.table(with_names(look.examples, names), title="Some of the examples behind them")
    if look.analysis is not None:
        out.table(
            named(look.analysis, names),
            title="Labeling functions",
            note="Shares of the sample; accuracy on its gold, with the 95 % interval.",
        )


def with_names(frame: pl.DataFrame, names: tuple[str, ...]) -> pl.DataFrame:
    """Votes and labels by name in the columns that hold them."""
    import polars as pl

    said = {-1: "abstained", **dict(enumerate(names))}
    return frame.with_columns(
        pl.col(column).replace_strict(said, return_dtype=pl.String)
        for column in ("before", "after", "vote", "gold")
        if column in frame.columns and frame.schema[column].is_integer()
    )
