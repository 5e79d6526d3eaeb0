"""Doubly robust click rates: a regression on what is known of an item, mended by its own clicks.

    dr_e = m(x_e) + w_e (C_e − E_e m(x_e)) / n_e,    w_e = min(n_e/E_e, clip)

with n_e impressions, C_e clicks (background taken off), E_e = Σ_k θ_k n_ek, and m(x_e) what a
regression on the example's features expects, fitted on other queries. n_e/E_e is the inverse of
how often the example was looked at on average, as in Oosterhuis (2023): its weights vary far less
than 1/θ_k of single clicks. The estimate is unbiased if θ is right and no weight is clipped,
whatever m; and if m is right, whatever θ and however weights are clipped (Dudík, Langford & Li
2014). Unclipped, it is C_e/E_e: the regression speaks where the weight is cut, that is for
examples that were hardly ever looked at, and an example never looked at gets m itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias import PositionBias, Propensities, curve_of
from labelkit.engine import NativeFrame, collect, lazy, move, to_native_like
from labelkit.errors import LogError
from labelkit.evidence.sums import sum_examples
from labelkit.logs import InteractionLog
from labelkit.logs.cells import FIXED_POINT

if TYPE_CHECKING:
    from sklearn.base import RegressorMixin

FloatArray = npt.NDArray[np.float64]

# An example looked at once in twenty times it was shown gets a weight of 20; beyond, one click
# would outweigh what the regression knows.
DEFAULT_CLIP = 20.0
KEYS = ("query", "item")


def doubly_robust(
    log: InteractionLog,
    bias: PositionBias | Propensities,
    features: NativeFrame,
    *,
    columns: Sequence[str] | None = None,
    model: RegressorMixin | None = None,
    clip: float = DEFAULT_CLIP,
    n_folds: int = 5,
    level: float = 0.95,
    seed: int = 0,
) -> NativeFrame:
    """Doubly robust click rate of every example of the log.

    Parameters
    ----------
    features : frame of items, of queries or of both, with its key ``item``, ``query`` or the two
        of them, one row per key
    columns : its numeric columns to regress on; default all but the keys
    model : scikit-learn regressor whose ``fit`` takes ``sample_weight``; it learns C_e/E_e with
        weight E_e. Default: gradient-boosted trees with Poisson loss, which take gaps
    clip : largest weight n_e/E_e
    n_folds : queries are dealt to so many folds; the model of a fold has seen none of its queries
    level : of the interval
    seed : of the folds and of the default model

    Returns
    -------
    frame of the kind that the log was read from: ``query``, ``item``, ``baseline`` = m(x_e),
    ``dr_ctr`` (not capped: caps would bias it), ``dr_se`` and ``dr_low``, ``dr_high``; sorted.

    Raises
    ------
    LogError
        Features lack their key or repeat it, are not numbers, or do not reach an example; or the
        log has too few queries for the folds.

    Notes
    -----
    ``dr_se``² = w²(E γ̂ + B + γ̂² Var E)/n²: Poisson variance of the clicks at the larger of the
    baseline and the estimate, and the variance of the exposure through θ. It knows nothing of
    errors of m, which matter as far as weights are clipped.
    """
    if not clip >= 1:
        raise LogError(f"clip bounds weights from above and is at least 1; got {clip}.")
    curve = curve_of(bias)
    sums = sum_examples(log, curve).collected()
    table = collect(sums.table).sort(*KEYS)
    clicks = table["known_clicks"].to_numpy().astype(np.float64)
    exposure = table["exposure_fp"].to_numpy() / FIXED_POINT
    background = (
        table["background_fp"].to_numpy() / FIXED_POINT if curve.has_background else 0 * exposure
    )
    errors = [table[f"error_{r}_fp"].to_numpy() / FIXED_POINT for r in range(sums.n_errors)]
    shown = table["impressions"].to_numpy().astype(np.float64)

    x = _features(table, features, columns)
    new = (nw.col("query") != nw.col("query").shift(1)).fill_null(True)
    query = np.cumsum(table.select(new.alias("new"))["new"].to_numpy().astype(bool)) - 1
    looked_at = np.where(exposure > 0, exposure, 1.0)
    rate = np.maximum(clicks - background, 0) / looked_at
    baseline = crossfit(x, rate, exposure, query, model=model, n_folds=n_folds, seed=seed)

    weight = np.where(exposure > 0, np.minimum(shown / looked_at, clip), 0.0)
    estimate = baseline + weight * (clicks - background - exposure * baseline) / shown
    rate = np.maximum(estimate, baseline)
    variance = exposure * rate + background + rate**2 * sum((e**2 for e in errors), 0 * exposure)
    error = weight * np.sqrt(variance) / shown
    from scipy.special import ndtri

    half = float(ndtri(0.5 + level / 2)) * error
    values = {
        "baseline": baseline,
        "dr_ctr": estimate,
        "dr_se": error,
        "dr_low": estimate - half,
        "dr_high": estimate + half,
    }
    keys = table.select(*KEYS)
    series = [nw.new_series(k, v, backend=keys.implementation) for k, v in values.items()]
    return to_native_like(keys.with_columns(*series), log.native)


def crossfit(
    x: FloatArray,
    rate: FloatArray,
    weight: FloatArray,
    query: npt.NDArray[np.int64],
    *,
    model: RegressorMixin | None,
    n_folds: int,
    seed: int,
) -> FloatArray:
    """Predictions in [0, 1] of a model that has not seen the row's query, (n,).

    Parameters
    ----------
    x, rate, weight : (n, p), (n,) and (n,); rows of weight 0 are predicted but not learned from
    query : (n,) 0 … n_queries−1
    """
    from sklearn.base import clone
    from sklearn.ensemble import HistGradientBoostingRegressor

    n_queries = int(query.max(initial=-1)) + 1
    if not 2 <= n_folds <= n_queries:
        raise LogError(
            f"n_folds = {n_folds} does not fit a log with {n_queries:,} queries: it needs 2 or "
            "more, and a query in each."
        )
    if model is None:
        model = HistGradientBoostingRegressor(
            loss="poisson", max_iter=100, early_stopping=False, random_state=seed
        )
    fold = np.random.default_rng(seed).permutation(n_queries)[query] % n_folds
    predicted = np.empty(len(rate))
    for k in range(n_folds):
        learn = (fold != k) & (weight > 0)
        if not np.any(rate[learn] > 0):
            predicted[fold == k] = 0.0
            continue
        fitted: Any = clone(model)
        fitted.fit(x[learn], rate[learn], sample_weight=weight[learn])
        predicted[fold == k] = fitted.predict(x[fold == k])
    return np.clip(predicted, 0.0, 1.0)


def _features(
    table: nw.DataFrame[Any], features: NativeFrame, columns: Sequence[str] | None
) -> FloatArray:
    """Feature matrix (n_examples, p) in the order of ``table``."""
    given = collect(lazy(features))
    keys = [name for name in KEYS if name in given.columns]
    if not keys:
        raise LogError(
            f"features have neither 'query' nor 'item' to be joined on; they have "
            f"{', '.join(given.columns[:20])}."
        )
    chosen = [c for c in given.columns if c not in KEYS] if columns is None else list(columns)
    for name in chosen:
        if name not in given.columns:
            raise LogError(f"features have no column {name!r}.")
        if not (given.schema[name].is_numeric() or given.schema[name] == nw.Boolean):
            raise LogError(
                f"Feature {name!r} has the type {given.schema[name]}, which no regression takes. "
                "Encode it as numbers first, or name the columns to use."
            )
    if not chosen:
        raise LogError("features have no column to regress on besides their keys.")
    twice = given.select(*keys).is_duplicated()
    if n_twice := int(twice.sum()):
        first = given.filter(twice).select(*keys).row(0)
        raise LogError(
            f"features have {n_twice:,} of {len(given):,} rows that share their key (first: "
            f"{', '.join(map(repr, first))}). Keep one row per key."
        )
    given = given.select(*keys, *(nw.col(name).cast(nw.Float64) for name in chosen))
    given = collect(move(given, table, keys=keys))
    own = table.select(*KEYS)
    reached = own.join(given.select(*keys), on=keys, how="semi")
    if len(reached) < len(own):
        first = own.join(given.select(*keys), on=keys, how="anti").sort(*KEYS).row(0)
        raise LogError(
            f"features lack {len(own) - len(reached):,} of {len(own):,} examples (first: query "
            f"{first[0]!r}, item {first[1]!r}). Give each a row; single values may be empty."
        )
    joined = own.join(given, on=keys, how="left").sort(*KEYS)
    return np.stack([joined[name].to_numpy().astype(np.float64) for name in chosen], axis=1)
