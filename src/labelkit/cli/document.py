"""``docs/cli.md``, made from the help texts: ``python -m labelkit.cli.document > docs/cli.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer.main

from labelkit.cli import app
from labelkit.cli.output import EXIT_CODES

_OPENING = """\
# The command line

Made by `python -m labelkit.cli.document`; a test compares it with the help texts.
"""


_OF_TYPER = ("help", "install_completion", "show_completion")


def commands(command: Any = None, path: str = "labelkit") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, groups before what is in them."""
    command = typer.main.get_command(app) if command is None else command
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{path} {name}")


def document() -> str:
    """The page as Markdown."""
    parts = [_OPENING, *(_section(path, command) for path, command in commands())]
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    parts.append(f"## Exit codes\n\n| code | meaning |\n|---|---|\n{codes}\n")
    return "\n".join(parts)


def _section(path: str, command: Any) -> str:
    usage = path
    usage += "".join(f" [{p.name.upper()}]" for p in command.params if _is_argument(p))
    usage += " COMMAND" if hasattr(command, "commands") else " [OPTIONS]"
    lines = [f"## {path}", "", f"`{usage}`", "", inspect.cleandoc(command.help or "")]
    shown = [p for p in command.params if p.name not in _OF_TYPER]
    if shown:
        lines += ["", "| | default | |", "|---|---|---|"]
        lines += [_row(parameter) for parameter in shown]
    return "\n".join(lines) + "\n"


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    if _is_argument(parameter):
        names = f"`{parameter.name.upper()}`"
    default = parameter.show_default if isinstance(parameter.show_default, str) else ""
    if not default and parameter.default not in (None, False):
        default = f"`{parameter.default}`"
    return f"| {names} | {default} | {parameter.help or ''} |"


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


if __name__ == "__main__":
    sys.stdout.write(document())
