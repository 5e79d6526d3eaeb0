from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pytest

Constructor = Callable[[pl.DataFrame], Any]

ENGINES: dict[str, Constructor] = {
    "polars": lambda frame: frame,
    "polars lazy": lambda frame: frame.lazy(),
    "pandas": lambda frame: frame.to_pandas(),
    "pandas with Arrow columns": lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
    "pyarrow": lambda frame: frame.to_arrow(),
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Constructor:
    """Turns a Polars frame into the same table of each engine."""
    return ENGINES[request.param]


@pytest.fixture
def clean() -> pl.DataFrame:
    """A small log that keeps its contract: two pages of three items, in two sessions."""
    return pl.DataFrame(
        {
            "query": ["shoes", "shoes", "shoes", "hats", "hats", "hats"],
            "item": [1, 2, 3, 4, 5, 6],
            "position": [1, 2, 3, 1, 2, 3],
            "clicked": [1, 0, 0, 0, 1, 0],
            "session": [1, 1, 1, 2, 2, 2],
            "timestamp": [100, 100, 100, 50, 50, 50],
            "dwell": [12.5, None, None, None, 3.0, None],
        }
    )
