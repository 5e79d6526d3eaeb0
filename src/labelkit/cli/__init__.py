"""The command line: ``labelkit …``, the same verbs as the Python API.

What comes in: arguments and a project directory. What goes out: results on stdout (tables, or JSON
with ``--json``), progress and problems on stderr, and an exit code. It must never compute anything,
and import no room before a command needs it: ``labelkit --help`` answers at once.

In the order in which data meets them:

- ``app``       the application, and what ``labelkit --help`` shows
- ``options``   options that every command has
- ``commands``  init, label, lfs, validate, report, demo
- ``functions`` lfs agreement, redundancy, value, errors, drift, diff
- ``watch``     lfs --watch
- ``suggest``   lfs suggest
- ``bias``      bias
- ``export``    export
- ``rounds``    round plan (also of a target), push, open, pull, status, close
- ``people``    round run, adjudicate, people, report
- ``simulate``  simulate rounds
- ``output``    what a command says, and its exit code
- ``render``    small frames as Rich tables
- ``document``  ``docs/cli.md``, from the help texts
"""

from __future__ import annotations

from labelkit.cli import commands, rounds  # isort: skip — the order of --help
from labelkit.cli import bias, export, functions, people, simulate, suggest  # isort: skip
from labelkit.cli.app import app

__all__ = [
    "app",
    "bias",
    "commands",
    "export",
    "functions",
    "main",
    "people",
    "rounds",
    "simulate",
    "suggest",
]


def main() -> None:
    """The entry point of the ``labelkit`` command."""
    app()
