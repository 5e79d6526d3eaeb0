"""Fixtures that every room's tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "plugins"))
pytest_plugins = [
    "label_studio_plugin",
    "postgresql_plugin",
    "small_project_plugin",
    "spark_plugin",
]

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data sets beside the repository; tests that need them skip loudly without."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is not here: tests on internal real data cannot run")
    return SHARED_DATA
