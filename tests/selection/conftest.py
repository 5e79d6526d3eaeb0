"""Pools of weak labels, and the engines that hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest


def weak_labels(n: int, *, seed: int = 0, classes: int = 2, per_query: int = 10) -> pl.DataFrame:
    """A pool of ``n`` weak labels whose probabilities come from few patterns, as real ones do."""
    rng = np.random.default_rng(seed)
    patterns = rng.dirichlet(np.full(classes, 0.5), size=12).round(4)
    patterns[:, 0] = 1 - patterns[:, 1:].sum(axis=1)
    p = patterns[rng.integers(12, size=n)]
    return pl.DataFrame(
        {
            "query": [f"query {i // per_query}" for i in range(n)],
            "item": [f"item {i}" for i in range(n)],
            "label": p.argmax(axis=1),
            **{f"p_{c}": p[:, c] for c in range(classes)},
        }
    )


@pytest.fixture
def make_pool() -> Callable[..., pl.DataFrame]:
    return weak_labels


ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "polars": lambda frame: frame,
    "polars lazy": lambda frame: frame.lazy(),
    "pandas": lambda frame: frame.to_pandas(),
    "pyarrow": lambda frame: frame.to_arrow(),
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


@pytest.fixture(params=ENGINES, ids=str)
def engine(request: pytest.FixtureRequest) -> Callable[[pl.DataFrame], Any]:
    """A function that moves a Polars frame to one of the engines."""
    return ENGINES[request.param]
