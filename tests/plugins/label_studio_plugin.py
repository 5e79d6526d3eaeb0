"""One real Label Studio server for all tests that ask for it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _script() -> ModuleType:
    """``scripts/label_studio_server.py``, which benchmarks use as well."""
    path = Path(__file__).resolve().parents[2] / "scripts" / "label_studio_server.py"
    spec = importlib.util.spec_from_file_location("labelkit_scripts_label_studio_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def label_studio_server() -> Iterator[Any]:
    """A running server: ``url``, ``token``, ``username``, ``password``."""
    script = _script()
    program = script.find_label_studio()
    if program is None:
        message = (
            "Label Studio is not installed, so nothing was tested against the real server: "
            "`make test` installs it (scripts/install_label_studio.sh)"
        )
        if os.environ.get("CI") or os.environ.get("LABELKIT_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with script.running_label_studio(program) as server:
        yield server
