"""What a command says: tables and sentences for people, JSON for machines, and an exit code."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

import typer

from labelkit import errors

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from labelkit.project import Run

OK, UNEXPECTED, USAGE, BAD_INPUT, NOT_IDENTIFIABLE, PLATFORM, STOP = range(7)

EXIT_CODES: Mapping[int, str] = {
    OK: "done",
    UNEXPECTED: "an unexpected error: a bug, please report it (--debug shows where)",
    USAGE: "the command line is wrong",
    BAD_INPUT: "bad input: log, labelkit.toml, labeling function, gold, or state of a round",
    NOT_IDENTIFIABLE: "the log cannot tell position bias from relevance",
    PLATFORM: "the annotation platform is unreachable, or refused",
    STOP: "a diagnosis says stop, and --strict was given",
}


def exit_code(error: BaseException) -> int:
    """The exit code that stands for ``error``."""
    if isinstance(error, errors.NotIdentifiable):
        return NOT_IDENTIFIABLE
    if isinstance(error, errors.PlatformError):
        return PLATFORM
    return BAD_INPUT if isinstance(error, errors.LabelkitError) else UNEXPECTED


@dataclass
class Output:
    """Where one command writes. Results go to stdout, progress and problems to stderr.

    Parameters
    ----------
    quiet : nothing but problems
    as_json : one JSON object on stdout instead of tables
    debug : tracebacks
    """

    quiet: bool = False
    as_json: bool = False
    debug: bool = False
    result: dict[str, object] = field(default_factory=dict)

    @property
    def _talks(self) -> bool:
        return not (self.quiet or self.as_json)

    def __enter__(self) -> Output:
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.showwarning = self._show_warning
        # Those of other packages mean nothing to whoever runs a command; ours are for them.
        warnings.simplefilter("default" if self.debug else "ignore")
        warnings.simplefilter("always", errors.LabelkitWarning)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._caught.__exit__(None, None, None)
        # typer's own exceptions (usage errors, Exit) know what to print and how to end.
        if error is None:
            if self.as_json:
                self._write_json(self.result)
            return
        of_typer = type(error).__module__.startswith(("typer", "click"))
        if of_typer or not isinstance(error, Exception):
            return
        code = exit_code(error)
        if self.debug:
            return
        message = str(error) if code != UNEXPECTED else f"{type(error).__name__}: {error}"
        if self.as_json:
            problem = {"kind": type(error).__name__, "message": message, "exit_code": code}
            self._write_json({"error": problem})
        # Not through Rich: a message is data, and "[log]" in it is no markup.
        label = typer.style("Error", fg="red", bold=True)
        typer.echo(f"{label}: {message}", err=True)
        if code == UNEXPECTED:
            typer.echo("Run it again with --debug for the traceback.", err=True)
        raise typer.Exit(code) from None

    def say(self, text: str = "") -> None:
        """A sentence for people."""
        if self._talks:
            typer.echo(text)

    def warn(self, text: str) -> None:
        """A problem that does not stop the command; on stderr, so that --quiet shows it."""
        typer.echo(f"{typer.style('Warning', fg='yellow', bold=True)}: {text}", err=True)

    def next(self, command: str, why: str) -> None:
        """The command to run next, and why."""
        if self._talks:
            typer.echo(f"\nNext: {typer.style(command, bold=True)}  {why}")

    def table(self, frame: pl.DataFrame, *, title: str = "", note: str = "") -> None:
        """A small frame as a table on the terminal."""
        if self._talks:
            from labelkit.cli.render import rich_table

            console = self._console()
            console.print()
            console.print(rich_table(frame, title=title))
            if note:
                console.print(note, style="dim", markup=False, highlight=False)

    def worth(self, run: Run) -> None:
        """What a run's labels are worth: metrics side by side, and the verdicts."""
        if self._talks:
            from labelkit.report.sheets import metrics_side_by_side

            note = f"{run.validation_target} Intervals are 95 %."
            title = "What the labels are worth, on gold that the model did not see"
            self.table(metrics_side_by_side(run.validation()), title=title, note=note)
            for verdict in run.comparison()["verdict"]:
                self.say(verdict)

    @contextmanager
    def progress(self, doing: str) -> Iterator[Callable[[str], None]]:
        """A line on stderr that says which stage is running and for how long."""
        if not self._talks:
            yield lambda stage: None
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        console = self._console(stderr=True)
        silent = not console.is_terminal
        with Progress(*columns, console=console, transient=True, disable=silent) as bar:
            task = bar.add_task(doing, total=None)
            yield lambda stage: bar.update(task, description=f"{doing}: {stage}")

    def _show_warning(self, message: Warning | str, *_: object, **__: object) -> None:
        self.warn(str(message))

    @staticmethod
    def _write_json(value: Mapping[str, object]) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")

    @staticmethod
    def _console(*, stderr: bool = False) -> Console:
        from rich.console import Console

        return Console(stderr=stderr)
