"""Votes of known origin for the tests of label models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from labelkit.lfs import Votes


@dataclass(frozen=True)
class VoteSet:
    """A published vote set: training votes, and test votes with their true classes."""

    name: str
    cardinality: int
    train: np.ndarray
    test: np.ndarray
    truth: np.ndarray

    def quality(self, proba: np.ndarray, seeds: int = 5) -> float:
        """Accuracy (F1 of spam on the SMS set) in per cent, mean over random tie breaks."""
        scores = []
        for seed in range(seeds):
            draw = np.random.default_rng(seed).random(proba.shape)
            top = proba >= proba.max(axis=1, keepdims=True) - 1e-5
            best = np.where(top, draw, -1).argmax(axis=1)
            hits = best == self.truth
            if self.name == "ws_sms":
                positives = (best == 1).sum() + (self.truth == 1).sum()
                scores.append(200 * (hits & (best == 1)).sum() / positives)
            else:
                scores.append(100 * hits.mean())
        return float(np.mean(scores))


CARDINALITY = {"ws_youtube": 2, "ws_sms": 2, "ws_trec_questions": 6}


@pytest.fixture(scope="session", params=sorted(CARDINALITY))
def vote_set(request: pytest.FixtureRequest, shared_data: Path) -> VoteSet:
    return read_vote_set(shared_data, request.param)


@pytest.fixture(scope="session")
def youtube(shared_data: Path) -> VoteSet:
    return read_vote_set(shared_data, "ws_youtube")


def read_vote_set(folder: Path, name: str) -> VoteSet:
    table = pl.read_parquet(folder / name / "votes.parquet")
    lfs = [column for column in table.columns if column.startswith("lf_")]
    train, test = (table.filter(pl.col("split") == split) for split in ("train", "test"))
    return VoteSet(
        name,
        CARDINALITY[name],
        train.select(lfs).to_numpy().astype(np.int8),
        test.select(lfs).to_numpy().astype(np.int8),
        test["gold"].to_numpy(),
    )


@dataclass(frozen=True)
class Simulated:
    """Votes of LFs that are right with ``accuracy``, independently given the class."""

    L: np.ndarray
    truth: np.ndarray
    accuracy: np.ndarray


@pytest.fixture
def simulate() -> Callable[..., Simulated]:
    def make(
        n: int = 4000,
        *,
        accuracy: tuple[float, ...] = (0.9, 0.8, 0.7, 0.65, 0.85, 0.75),
        coverage: float = 0.5,
        balance: tuple[float, ...] = (0.5, 0.5),
        seed: int = 0,
    ) -> Simulated:
        rng = np.random.default_rng(seed)
        k = len(balance)
        truth = rng.choice(k, size=n, p=balance)
        right = rng.random((n, len(accuracy))) < np.array(accuracy)
        other = (truth[:, None] + rng.integers(1, k, (n, len(accuracy)))) % k
        votes = np.where(right, truth[:, None], other)
        L = np.where(rng.random(votes.shape) < coverage, votes, -1).astype(np.int8)
        return Simulated(L, truth, np.array(accuracy))

    return make


@pytest.fixture
def keyed_votes() -> Callable[..., Votes]:
    """Votes with keys, in the order given, from a label matrix."""

    def make(L: np.ndarray, cardinality: int = 2) -> Votes:
        names = [f"lf_{j}" for j in range(L.shape[1])]
        frame = pl.DataFrame(
            {
                "query": [f"q{i // 10:05d}" for i in range(len(L))],
                "item": [f"i{i % 10}" for i in range(len(L))],
            }
            | {name: L[:, j] for j, name in enumerate(names)}
        )
        return Votes(nw.from_native(frame), ("query", "item"), tuple(names), cardinality, frame)

    return make
