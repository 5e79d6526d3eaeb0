"""Label sets against a truth that is known, with intervals over queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from labelkit.validation.metrics import auc, calibration_error, log_loss
from labelkit.validation.ranking import query_ndcg

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
METRICS = ("auc", "ndcg@10", "log_loss", "calibration_error")
LEVEL = 0.95


@dataclass(frozen=True)
class Truth:
    """What is held back, one entry per example.

    ::

        query     (n,) int64
        grade     (n,) whole, for NDCG
        relevant  (n,) 0/1, for everything else
    """

    query: IntArray
    grade: IntArray
    relevant: IntArray


@dataclass(frozen=True)
class Draws:
    """A metric's value on the data, and under bootstrap weights of the queries.

    ::

        estimate  number
        draws     (n_draws,)
    """

    estimate: float
    draws: FloatArray

    def __sub__(self, other: Draws) -> Draws:
        return Draws(self.estimate - other.estimate, self.draws - other.draws)

    def interval(self) -> tuple[float, float]:
        """The central ``LEVEL`` of the draws."""
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(self.draws, [tail, 1 - tail])
        return float(low), float(high)


def measure(
    scores: Mapping[str, FloatArray], truth: Truth, *, n_draws: int = 400, seed: int = 0
) -> dict[str, dict[str, Draws]]:
    """Every metric of every label set: metric → label set → value and its bootstrap.

    Parameters
    ----------
    scores : label set → (n,) probability that the example is relevant
    n_draws : Bayesian bootstrap weights of queries; the same for all label sets, so that
        differences are paired

    References
    ----------
    Rubin (1981), *The Bayesian bootstrap*, Annals of Statistics 9, with queries as the units.
    """
    queries, group = np.unique(truth.query, return_inverse=True)
    weight = np.random.default_rng(seed).standard_exponential((n_draws, len(queries)))
    rows = weight[:, group]
    return {
        metric: {
            name: _METRIC[metric](score, truth, queries, weight, rows)
            for name, score in scores.items()
        }
        for metric in METRICS
    }


def levels(measured: Mapping[str, Mapping[str, Draws]]) -> pl.DataFrame:
    """``metric``, ``labels``, ``estimate``, ``low``, ``high``."""
    rows = [(m, name, "", d) for m, by_name in measured.items() for name, d in by_name.items()]
    return _table(rows).drop("less")


def steps(
    measured: Mapping[str, Mapping[str, Draws]], order: Sequence[str], *, first: str
) -> pl.DataFrame:
    """Paired differences: each label set less ``first``, and each less the one before it.

    Returns ``metric``, ``labels``, ``less``, ``estimate``, ``low``, ``high``.
    """
    rows: list[tuple[str, str, str, Draws]] = []
    for metric, by_name in measured.items():
        pairs = dict.fromkeys(
            [*((first, name) for name in order if name != first), *pairwise(order)]
        )
        rows += [(metric, b, a, by_name[b] - by_name[a]) for a, b in pairs]
    return _table(rows)


def wide(table: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """One row per label set, with ``x``, ``x_low``, ``x_high`` for each metric x."""
    keys = [name for name in table.columns if name not in ("metric", "estimate", "low", "high")]
    out = table.select(keys).unique(maintain_order=True)
    for metric in metrics:
        named = {"estimate": metric, "low": f"{metric}_low", "high": f"{metric}_high"}
        rows = table.filter(metric=metric).drop("metric").rename(named)
        out = out.join(rows, on=keys, how="left", maintain_order="left")
    return out


def _table(rows: Sequence[tuple[str, str, str, Draws]]) -> pl.DataFrame:
    numbers = pl.col("estimate", "low", "high").round(4)
    return pl.DataFrame(
        [(metric, name, less, d.estimate, *d.interval()) for metric, name, less, d in rows],
        schema=["metric", "labels", "less", "estimate", "low", "high"],
        orient="row",
    ).with_columns(numbers)


def _auc(
    score: FloatArray, truth: Truth, queries: IntArray, weight: FloatArray, rows: FloatArray
) -> Draws:
    return Draws(float(auc(truth.relevant, score)), np.asarray(auc(truth.relevant, score, rows)))


def _ndcg(
    score: FloatArray, truth: Truth, queries: IntArray, weight: FloatArray, rows: FloatArray
) -> Draws:
    values = query_ndcg(truth.grade, score, truth.query, k=10)
    w = weight[:, np.searchsorted(queries, values.query)]
    return Draws(float(values.value.mean()), w @ values.value / w.sum(axis=1))


def _log_loss(
    score: FloatArray, truth: Truth, queries: IntArray, weight: FloatArray, rows: FloatArray
) -> Draws:
    # A rate of exactly 0 or 1 from a handful of impressions would cost infinitely much.
    loss = log_loss(truth.relevant, score, clip=0.001)
    return Draws(float(loss), np.asarray(log_loss(truth.relevant, score, rows, clip=0.001)))


def _calibration(
    score: FloatArray, truth: Truth, queries: IntArray, weight: FloatArray, rows: FloatArray
) -> Draws:
    draws = [float(calibration_error(truth.relevant, score, w)) for w in rows]
    return Draws(float(calibration_error(truth.relevant, score)), np.asarray(draws))


_METRIC: dict[str, Callable[[FloatArray, Truth, IntArray, FloatArray, FloatArray], Draws]] = {
    "auc": _auc,
    "ndcg@10": _ndcg,
    "log_loss": _log_loss,
    "calibration_error": _calibration,
}
