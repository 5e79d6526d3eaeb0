"""The command line teaches, answers at once, and its documentation is what it says."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labelkit.cli import app
from labelkit.cli.document import commands, document
from labelkit.cli.output import EXIT_CODES

COMMANDS = [
    "init",
    "label",
    "lfs agreement",
    "lfs redundancy",
    "lfs value",
    "lfs errors",
    "lfs drift",
    "lfs diff",
    "lfs",
    "lfs suggest",
    "validate",
    "report",
    "bias",
    "export",
    "demo",
    "round plan",
    "round push",
    "round open",
    "round pull",
    "round status",
    "round close",
    "round run",
    "round adjudicate",
    "round people",
    "round report",
    "simulate rounds",
]
HEAVY = (
    "pandas",
    "polars",
    "pyarrow",
    "sklearn",
    "scipy",
    "altair",
    "vl_convert",
    "sqlalchemy",
    "label_studio_sdk",
    "snorkel",
    "torch",
    "duckdb",
    "jinja2",
)


def test_every_command_of_the_contract_is_there_and_no_other():
    leaves = [
        name
        for name, command in commands()
        if not hasattr(command, "commands") or command.invoke_without_command
    ]
    assert sorted(leaves) == sorted(f"labelkit {name}" for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_it_does_gives_an_example_and_what_comes_next(command: str):
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Example: " in result.stdout
    assert f"labelkit {command}" in result.stdout
    assert "Next: " in result.stdout
    for option in ("--quiet", "--json", "--debug"):
        assert option in result.stdout


def test_the_documentation_is_made_from_the_help_texts():
    page = Path(__file__).parents[2] / "docs" / "cli.md"
    assert page.read_text(encoding="utf-8") == document(), (
        "run: python -m labelkit.cli.document > docs/cli.md"
    )


def test_exit_codes_are_in_the_help_and_in_the_documentation():
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "400", "TERMINAL_WIDTH": "400"})
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in result.stdout
        assert f"| {code} | {meaning} |" in document()


def test_help_starts_within_600_milliseconds():
    def seconds() -> float:
        start = _processor_seconds_of_children()
        command = [sys.executable, "-m", "labelkit", "--help"]
        subprocess.run(command, check=True, capture_output=True)
        return _processor_seconds_of_children() - start

    # Processor time, best of five: other work on the machine is not our start-up.
    assert min(seconds() for _ in range(5)) < 0.6


def _processor_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_imports_no_heavy_package():
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from labelkit.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(app, ['round', 'plan', '--help']).exit_code == 0\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert not set(HEAVY) & set(done.stdout.split())


def test_the_version_is_printed():
    from labelkit import __version__

    result = CliRunner().invoke(app, ["--version"])
    assert result.stdout.strip() == f"labelkit {__version__}"
