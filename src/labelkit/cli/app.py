"""The application: what ``labelkit --help`` shows, and how it ends."""

from __future__ import annotations

from typing import Annotated

import typer

from labelkit import __version__
from labelkit.cli.output import EXIT_CODES

EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())

app = typer.Typer(
    name="labelkit",
    help=(
        "From an interaction log to training labels that people can trust.\n\n"
        "A project directory holds labelkit.toml, your labeling functions and the runs. The usual "
        "way: `labelkit demo` to see it, `labelkit init` for your own log, `labelkit label`, "
        "`labelkit report`; then `labelkit round plan`, `push`, `pull` to ask people, and "
        "`labelkit validate` to know what the labels are worth."
    ),
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"labelkit {__version__}")
        raise typer.Exit


@app.callback()
def labelkit(
    version: Annotated[  # the parameter exists for its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Overridden by the help of the application."""
