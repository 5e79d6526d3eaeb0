"""One real PostgreSQL server for all tests that ask for it, and a new database for each."""

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
    """``scripts/postgresql_server.py``, which benchmarks use as well."""
    path = Path(__file__).resolve().parents[2] / "scripts" / "postgresql_server.py"
    spec = importlib.util.spec_from_file_location("labelkit_scripts_postgresql_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Any]:
    """A running server: ``new_database()`` gives the URL of an empty database."""
    script = _script()
    programs = script.find_postgresql()
    driver = importlib.util.find_spec("psycopg")
    if programs is None or driver is None:
        message = (
            "PostgreSQL or its driver psycopg is not installed, so no ledger was tested on the "
            "real server: `make test` installs both (scripts/install_postgresql.sh)"
        )
        if os.environ.get("CI") or os.environ.get("LABELKIT_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with script.running_postgresql(programs) as server:
        yield server
