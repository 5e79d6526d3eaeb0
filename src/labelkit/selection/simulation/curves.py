"""``simulate_rounds``: learning curves of several strategies, with intervals over seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame
from labelkit.errors import SelectionError
from labelkit.selection.pool import Pool, read_pool
from labelkit.selection.scores import SCORES
from labelkit.selection.simulation.annotator import script
from labelkit.selection.simulation.learner import (
    METRICS,
    Classifier,
    default_learner,
    quality_measure,
    with_weak_labels,
)
from labelkit.selection.simulation.loop import Course, run_course

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BASELINE = "random"
_LEVEL = 0.95


@dataclass(frozen=True)
class LearningCurves:
    """What each strategy would have reached, and with how many labels.

    ::

        frame    (Polars) ``strategy``, ``round``, ``n_labels``, ``cost``, ``quality``, ``low``,
                 ``high`` (95 % t-interval of the mean over seeds), ``n_seeds``
        summary  (Polars) a strategy a row: ``final`` quality, ``gain`` over random at the end with
                 ``gain_low``, ``gain_high`` (paired by seed), ``labels_needed`` to reach random's
                 final quality (null: not reached) and their ``share`` of random's labels
        metric   what ``quality`` is
    """

    frame: pl.DataFrame
    summary: pl.DataFrame
    metric: str

    def __str__(self) -> str:
        best = self.summary.sort("final", descending=True).row(0, named=True)
        random = self.summary.filter(strategy=BASELINE).row(0, named=True)
        if best["strategy"] == BASELINE:
            return f"No strategy beat random selection ({self.metric} {random['final']:.3f})."
        sure = best["gain_low"] > 0
        text = (
            f"{best['strategy']!r} ended highest: {self.metric} {best['final']:.3f}, "
            f"{best['gain']:+.3f} over random [{best['gain_low']:+.3f}, {best['gain_high']:+.3f}]"
        )
        if best["share"] is not None:
            text += f", with {best['share']:.0%} of the labels for random's quality"
        return text + ("." if sure else "; the seeds do not tell the two apart.")


def simulate_rounds(
    labels: NativeFrame,
    truth: NativeFrame,
    *,
    features: npt.ArrayLike | None = None,
    strategies: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None,
    rounds: int = 10,
    n: int = 20,
    n_first: int | None = None,
    seeds: int = 10,
    metric: str = "f1",
    error_rate: float = 0.0,
    cost: float | npt.ArrayLike = 1.0,
    held_out: float = 0.3,
    learner: Callable[[], Classifier] | None = None,
    positive: int = 1,
    keys: Sequence[str] = ("query", "item"),
    seed: int = 0,
) -> LearningCurves:
    """Which strategy would have paid on data whose truth you know?

    A scripted annotator answers from ``truth``; a learner is fitted on the answers after each round
    and examined on whole queries (first key) that were set aside, other ones for each seed. Every
    strategy of a seed has the same first labels, annotator and examination, so differences are
    paired. Random selection is always among them.

    Parameters
    ----------
    labels : weak labels of the pool: ``keys``, ``p_0`` … ``p_{k-1}``
    truth : ``keys`` and ``label`` of examples whose truth is known; the others are left out
    features : (N, d) numbers for the learner, in row order of ``labels``; the weak labels' log-odds
        are added. None: those alone
    strategies : names known to ``select``, or name → arguments of ``select``; all scores unless
        given. No label audits unless the arguments say so: what is compared is teaching
    rounds, n : rounds after the first labels, and labels a round
    n_first : labels drawn at random before the first round; ``n`` unless given
    seeds : repetitions
    metric : "accuracy", "f1" (macro with more than two classes), "average_precision" or
        "log_likelihood"; higher is better
    error_rate : chance in [0, 1) that the annotator names another class
    cost : of an answer, or (N,) of each, in your unit
    held_out : share of the queries set aside for the examination, in (0, 1)
    learner : makes a fresh scikit-learn classifier; logistic regression unless given
    positive : class that F1 and average precision are about when there are two
    keys : columns that identify an example
    seed : of everything random

    Returns
    -------
    LearningCurves

    Raises
    ------
    SelectionError
        Labels, truth or features do not fit, or there are too few examples for so many labels.
    """
    _check(rounds, n, seeds, metric, error_rate, held_out)
    pool = read_pool(labels, keys=keys)
    y, known = _truth(pool, truth, keys)
    rows = np.flatnonzero(known)
    k = pool.probabilities.shape[1]
    weak = pool.probabilities[rows]
    query = np.unique(pool.query[rows], return_inverse=True)[1].astype(np.int64)
    x = with_weak_labels(_features(features, pool, rows), weak)
    price = np.asarray(cost, dtype=np.float64)
    if price.ndim:
        if len(price) != len(pool.frame):
            raise SelectionError(f"cost has {len(price):,} rows, the labels {len(pool.frame):,}.")
        price = price[pool.rows][rows]
    arms = _arms(strategies)
    start = n if n_first is None else n_first
    measure = quality_measure(metric, positive)

    courses = []
    for number in range(seeds):
        split, annotate, begin = np.random.default_rng([seed, number]).spawn(3)
        aside = _set_aside(query, held_out, split)
        left = np.flatnonzero(~aside)
        if len(left) < start + rounds * n:
            raise SelectionError(
                f"{start + rounds * n:,} labels are asked for and {len(left):,} examples are left "
                f"to ask about ({len(rows):,} with truth, {int(aside.sum()):,} set aside)."
            )
        answers = script(y[rows], cardinality=k, error_rate=error_rate, cost=price, rng=annotate)
        first = begin.choice(left, size=start, replace=False).astype(np.int64)
        courses.append(Course(weak, x, y[rows], query, aside, answers, first))

    quality = np.empty((len(arms), seeds, rounds + 1))
    spent = np.empty_like(quality)
    for a, options in enumerate(arms.values()):
        for s, course in enumerate(courses):
            steps = run_course(
                course, options, rounds=rounds, n=n, learner=learner or default_learner,
                quality=measure, seed=seed + s,
            )  # fmt: skip
            quality[a, s] = [step.quality for step in steps]
            spent[a, s] = [step.cost for step in steps]
    asked = start + n * np.arange(rounds + 1)
    names = list(arms)
    return LearningCurves(
        _frame(names, asked, quality, spent), _summary(names, asked, quality), metric
    )


def _arms(
    strategies: Sequence[str] | Mapping[str, Mapping[str, Any]] | None,
) -> dict[str, dict[str, Any]]:
    if strategies is None:
        strategies = [*SCORES]
    if isinstance(strategies, Mapping):
        arms = {name: dict(options) for name, options in strategies.items()}
    else:
        arms = {name: {"strategy": name} for name in strategies}
    arms.setdefault(BASELINE, {"strategy": "random"})
    return {name: {"audit_share": 0.0, **options} for name, options in arms.items()}


def _set_aside(query: IntArray, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    n = int(query.max()) + 1
    size = round(n * share)
    if not 0 < size < n:
        raise SelectionError(
            f"{n:,} queries cannot be split into {share:.0%} for the examination and the rest."
        )
    return np.isin(query, rng.choice(n, size=size, replace=False))


def _truth(
    pool: Pool, truth: NativeFrame, keys: Sequence[str]
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    from labelkit.selection.planning.state import match_labels

    at, table = match_labels(pool, truth, keys, who="truth", outside="leave out")
    y = np.zeros(len(pool), dtype=np.int64)
    known = np.zeros(len(pool), dtype=bool)
    y[at] = table["label"].cast(nw.Int64).to_numpy()
    known[at] = True
    k = pool.probabilities.shape[1]
    bad = known & ~((y >= 0) & (y < k))
    if bad.any():
        raise SelectionError(
            f"{int(bad.sum()):,} of {int(known.sum()):,} truths are outside the classes "
            f"0 … {k - 1} (first: {y[bad.argmax()]})."
        )
    if len(np.unique(y[known])) < 2:
        raise SelectionError(
            f"The truth of {int(known.sum()):,} pool examples knows fewer than two classes: there "
            f"is nothing to learn."
        )
    return y, known


def _features(features: npt.ArrayLike | None, pool: Pool, rows: IntArray) -> FloatArray | None:
    if features is None:
        return None
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) != len(pool.frame):
        raise SelectionError(
            f"features have shape {x.shape}; they need one row for each of the "
            f"{len(pool.frame):,} labels, in the same order."
        )
    x = x[pool.rows][rows]
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise SelectionError(
            f"{int(bad.sum()):,} of {len(x):,} feature rows hold a value that is no number (first: "
            f"column {int((~np.isfinite(x[bad.argmax()])).argmax())} of pool row "
            f"{int(pool.rows[rows[bad.argmax()]])})."
        )
    return x


def _frame(
    names: list[str], asked: IntArray, quality: FloatArray, spent: FloatArray
) -> pl.DataFrame:
    import polars as pl

    mean, half = _mean_and_half(quality)
    n_steps = len(asked)
    return pl.DataFrame(
        {
            "strategy": np.repeat(names, n_steps).tolist(),
            "round": np.tile(np.arange(n_steps), len(names)),
            "n_labels": np.tile(asked, len(names)),
            "cost": spent.mean(axis=1).ravel(),
            "quality": mean.ravel(),
            "low": (mean - half).ravel(),
            "high": (mean + half).ravel(),
            "n_seeds": np.full(len(names) * n_steps, quality.shape[1]),
        }
    )


def _summary(names: list[str], asked: IntArray, quality: FloatArray) -> pl.DataFrame:
    import polars as pl

    mean = quality.mean(axis=1)
    base = names.index(BASELINE)
    gap, half = _mean_and_half(quality[:, :, -1:] - quality[base, :, -1:])
    goal = mean[base, -1]
    needed = [int(asked[(m >= goal).argmax()]) if (m >= goal).any() else None for m in mean]
    return pl.DataFrame(
        {
            "strategy": names,
            "final": mean[:, -1],
            "gain": gap[:, 0],
            "gain_low": (gap - half)[:, 0],
            "gain_high": (gap + half)[:, 0],
            "labels_needed": needed,
            "share": [None if m is None else m / int(asked[-1]) for m in needed],
        },
        schema_overrides={"labels_needed": pl.Int64, "share": pl.Float64},
    )


def _mean_and_half(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean over seeds (axis 1) and half of its 95 % t-interval."""
    from scipy import stats

    n = values.shape[1]
    error = values.std(axis=1, ddof=1) / np.sqrt(n)
    return values.mean(axis=1), stats.t.ppf((1 + _LEVEL) / 2, n - 1) * error


def _check(
    rounds: int, n: int, seeds: int, metric: str, error_rate: float, held_out: float
) -> None:
    if rounds < 1 or n < 1:
        raise SelectionError(f"rounds = {rounds} and n = {n}: at least one of each.")
    if seeds < 2:
        raise SelectionError(f"seeds = {seeds}: an interval over seeds needs at least two.")
    if metric not in METRICS:
        raise SelectionError(f"metric = {metric!r} is not known; choose from {', '.join(METRICS)}.")
    if not 0 <= error_rate < 1:
        raise SelectionError(f"error_rate = {error_rate} is not in [0, 1).")
    if not 0 < held_out < 1:
        raise SelectionError(f"held_out = {held_out} is not between 0 and 1.")
