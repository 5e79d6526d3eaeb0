"""One local Spark session for all tests that need it, with as much as they need and no more."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src"


def what_is_missing() -> str:
    """Why Spark cannot run here, or nothing."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if java is None or shutil.which(java) is None:
        return "Spark needs Java 17 or later: install it, or set JAVA_HOME to where it is"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pyspark  # noqa: F401
        except ImportError:
            return "PySpark is not installed: pip install 'labelkit[spark]'"
    return ""


def pytest_configure(config: pytest.Config) -> None:
    # PySpark says so whenever Arrow batches go through Python, although no pandas is involved.
    config.addinivalue_line(
        "filterwarnings", "ignore:PySpark does not yet fully support pandas:FutureWarning"
    )


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """``local[2]``; skips loudly where it cannot run, and fails where nothing may be skipped."""
    missing = what_is_missing()
    if missing:
        if os.environ.get("CI") or os.environ.get("LABELKIT_REQUIRE_ALL") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    from pyspark.sql import SparkSession

    before = dict(os.environ)
    os.environ |= {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        # The executors' Python must find labelkit and what the tests import.
        "PYTHONPATH": os.pathsep.join([str(SOURCES), *filter(None, sys.path)]),
    }
    with warnings.catch_warnings():
        # PySpark warns about pandas 3, which is not asked to do anything here.
        warnings.simplefilter("ignore")
        session = (
            SparkSession.builder.master("local[2]")
            .appName("labelkit-tests")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.memory", "1g")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.timestampType", "TIMESTAMP_NTZ")
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    os.environ.clear()
    os.environ.update(before)
