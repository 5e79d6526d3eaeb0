from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

import labelkit as lk


@pytest.fixture
def batch() -> pl.DataFrame:
    """Twelve examples, eight certain and four audited, with soft labels."""
    n = 12
    return pl.DataFrame(
        {
            "query": [f"q{i // 3}" for i in range(n)],
            "item": list(range(n)),
            "p_0": [0.3] * n,
            "p_1": [0.7] * n,
            "inclusion_probability": [1.0] * 8 + [0.25] * 4,
            "stratum": ["informative"] * 8 + ["audit"] * 4,
            "score": [0.9] * n,
            "rank": list(range(n, 0, -1)),
        }
    )


@pytest.fixture
def items() -> pl.DataFrame:
    return pl.DataFrame({"item": list(range(50)), "title": [f"Title {i}" for i in range(50)]})


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a ledger that is not there yet, on each database that we promise."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/rounds.db"
    return str(request.getfixturevalue("postgresql_server").new_database())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/rounds.db"


@pytest.fixture
def rows(url: str) -> Callable[[str], list[tuple[Any, ...]]]:
    """Asks the ledger's database itself, past labelkit."""
    address = url.replace("postgresql:", "postgresql+psycopg:")

    def ask(query: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(address, poolclass=sa.NullPool)
        with engine.begin() as connection:
            result = connection.exec_driver_sql(query)
            return [tuple(row) for row in result] if result.returns_rows else []

    return ask


@pytest.fixture
def ledger(url: str) -> Iterator[lk.Ledger]:
    with lk.Ledger(url) as ledger:
        yield ledger


@pytest.fixture
def platform(tmp_path: Path) -> lk.FilesPlatform:
    return lk.FilesPlatform(tmp_path / "tasks")
