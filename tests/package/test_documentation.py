"""Documentation that cannot go stale: examples run, links lead somewhere, README's verbs exist."""

from __future__ import annotations

import doctest
import pkgutil
import re
import warnings
from importlib import import_module
from pathlib import Path

import pytest

import labelkit as lk

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(lk.__path__, "labelkit.")
    if ".template" not in module.name and not module.name.endswith("__main__")
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_examples_in_docstrings_run() -> None:
    n_tried = 0
    for name in MODULES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = doctest.testmod(
                import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
            )
        assert result.failed == 0, name
        n_tried += result.attempted
    assert n_tried >= 20


def test_every_room_says_what_comes_in_and_what_it_must_never_do() -> None:
    rooms = [name for name in MODULES if name.count(".") == 1 and _is_package(name)]
    for name in rooms:
        text = " ".join((import_module(name).__doc__ or "").split()).lower()
        assert "what comes in" in text, name
        assert "never" in text, name


def _is_package(name: str) -> bool:
    return hasattr(import_module(name), "__path__")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_names_only_commands_and_names_that_exist() -> None:
    from typer.main import get_command

    from labelkit.cli import app

    text = (ROOT / "README.md").read_text()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for command in re.findall(r"^labelkit ([a-z]+)", text, flags=re.MULTILINE):
        assert command in commands
    for name in re.findall(r"\blk\.([A-Za-z_]+)\(", text):
        assert name in lk.__all__


def test_no_tracked_text_names_a_path_of_a_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(root|home|work|opt)/\w", page.read_text()), page.name
