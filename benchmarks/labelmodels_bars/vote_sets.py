"""Three published vote sets: training votes, and test votes with their true classes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

FloatArray = npt.NDArray[np.float64]

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SETS = {"ws_youtube": 2, "ws_sms": 2, "ws_trec_questions": 6}
F1_OF_SPAM = ("ws_sms",)
# Classes whose probabilities differ by less are tied.
TIE = 1e-5


@dataclass(frozen=True)
class VoteSet:
    """Training votes, and test votes with their true classes."""

    name: str
    cardinality: int
    train: npt.NDArray[np.int8]
    test: npt.NDArray[np.int8]
    truth: npt.NDArray[np.int64]

    @classmethod
    def read(cls, name: str) -> VoteSet:
        table = pl.read_parquet(SHARED / name / "votes.parquet")
        train, test = (table.filter(pl.col("split") == split) for split in ("train", "test"))
        votes = pl.selectors.starts_with("lf_")
        return cls(
            name,
            SETS[name],
            train.select(votes).to_numpy().astype(np.int8),
            test.select(votes).to_numpy().astype(np.int8),
            test["gold"].to_numpy().astype(np.int64),
        )

    @property
    def measure(self) -> str:
        return "F1 of spam" if self.name in F1_OF_SPAM else "accuracy"

    def quality(self, proba: FloatArray, seeds: int = 5) -> float:
        """Accuracy, or F1 of spam, in per cent; ties broken at random, mean over ``seeds``."""
        scores = []
        for seed in range(seeds):
            lot = np.random.default_rng(seed).random(proba.shape)
            tied = proba >= proba.max(axis=1, keepdims=True) - TIE
            label = np.where(tied, lot, -1).argmax(axis=1)
            hits = label == self.truth
            if self.name in F1_OF_SPAM:
                positives = (label == 1).sum() + (self.truth == 1).sum()
                scores.append(2 * (hits & (label == 1)).sum() / positives)
            else:
                scores.append(hits.mean())
        return 100 * float(np.mean(scores))


def read_all() -> list[VoteSet]:
    """All three sets; ends the program, and says so, where they are not beside the repository."""
    if not SHARED.is_dir():
        sys.exit("../shared/data is not here: there are no published votes to label")
    return [VoteSet.read(name) for name in SETS]
