"""Which features are worth a labeling function, told by clicks alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Signal:
    """A chosen feature: its name, and its rank correlation with the debiased click rate."""

    feature: str
    agreement: float


def choose(
    features: pl.DataFrame, rate: npt.ArrayLike, *, n: int = 3, too_alike: float = 0.7
) -> tuple[Signal, ...]:
    """The features that agree best with debiased clicks and not too much with each other.

    Greedy by |Spearman correlation| with ``rate``; a feature that is correlated beyond
    ``too_alike`` with one already chosen is passed over, since it would repeat that one's vote.

    Parameters
    ----------
    features : one numeric column per candidate, one row per example
    rate : (n_examples,) debiased click rate
    n : how many to choose
    too_alike : largest |Spearman correlation| between two chosen features
    """
    varied = [name for name in features.columns if features[name].n_unique() > 1]
    ranks = _standard_ranks(features.select(varied))
    target = _standard_ranks(pl.DataFrame({"rate": np.asarray(rate, dtype=np.float64)}))[:, 0]
    agreement = ranks.T @ target
    chosen: list[int] = []
    for j in np.argsort(-np.abs(agreement), kind="stable"):
        if len(chosen) < n and all(abs(ranks[:, j] @ ranks[:, i]) <= too_alike for i in chosen):
            chosen.append(int(j))
    return tuple(Signal(varied[j], float(agreement[j])) for j in chosen)


def as_percentiles(features: pl.DataFrame, signals: tuple[Signal, ...]) -> pl.DataFrame:
    """``signal_1``, ``signal_2``, …: mid-rank percentiles, turned so that high goes with clicks."""
    return features.select(
        ((pl.col(s.feature) * np.sign(s.agreement)).rank() - 0.5)
        .truediv(pl.len())
        .alias(f"signal_{i}")
        for i, s in enumerate(signals, start=1)
    )


def _standard_ranks(table: pl.DataFrame) -> FloatArray:
    """Ranks of each column, centred and of unit length: products are Spearman correlations."""
    ranks = table.select(pl.all().rank()).to_numpy().astype(np.float64)
    ranks -= ranks.mean(axis=0)
    return np.asarray(ranks / np.linalg.norm(ranks, axis=0))
