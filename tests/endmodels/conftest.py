"""Soft labels, features and truth of known origin, and the engines that hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

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


@dataclass(frozen=True)
class World:
    """``truth`` depends on ``X``; ``proba`` is what noisy votes leave known of it."""

    X: np.ndarray
    proba: np.ndarray
    truth: np.ndarray

    def table(self, per_query: int = 10) -> pl.DataFrame:
        n, k = self.proba.shape
        return pl.DataFrame(
            {"query": [f"q{i // per_query:04d}" for i in range(n)], "item": list(range(n))}
            | {f"p_{y}": self.proba[:, y] for y in range(k)}
            | {"covered": [i % 7 != 0 for i in range(n)]}
        )


@pytest.fixture
def make_world() -> Callable[..., World]:
    def make(n: int = 400, k: int = 2, *, seed: int = 0, accuracy: float = 0.8) -> World:
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, 4))
        truth = (X[:, :k] + 0.3 * rng.normal(size=(n, k))).argmax(axis=1)
        wrong = (truth + rng.integers(1, k, n)) % k
        voted = np.where(rng.random(n) < accuracy, truth, wrong)
        proba = np.full((n, k), (1 - accuracy) / (k - 1))
        proba[np.arange(n), voted] = accuracy
        return World(X, proba, truth)

    return make


@dataclass(frozen=True)
class TextSet:
    """A published vote set with its texts as TF-IDF features."""

    name: str
    cardinality: int
    votes: np.ndarray
    X: Any
    gold: np.ndarray
    test_votes: np.ndarray
    test_X: Any
    truth: np.ndarray


@pytest.fixture(scope="session")
def read_text_set(shared_data: Path) -> Callable[..., TextSet]:
    def read(name: str, cardinality: int) -> TextSet:
        table = pl.read_parquet(shared_data / name / "votes.parquet")
        train, test = (table.filter(pl.col("split") == split) for split in ("train", "test"))
        votes = pl.selectors.starts_with("lf_")
        vectorizer = TfidfVectorizer(sublinear_tf=True)
        X = vectorizer.fit_transform(train["text"].to_list())
        return TextSet(
            name,
            cardinality,
            train.select(votes).to_numpy().astype(np.int8),
            X,
            train["gold"].to_numpy(),
            test.select(votes).to_numpy().astype(np.int8),
            vectorizer.transform(test["text"].to_list()),
            test["gold"].to_numpy(),
        )

    return read
