"""How far people agree beyond chance: Krippendorff's α, Fleiss' κ and Gwet's AC1, with intervals.

κ and α fall when one class is rare, although people agree as well as before (the paradox of
Feinstein & Cicchetti 1990); AC1 hardly does. They stand side by side for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from labelkit.errors import RoundError
from labelkit.rounds.people.counts import FloatArray, one_answer_each

if TYPE_CHECKING:
    import polars as pl

Scale = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True)
class Agreement:
    """One coefficient; null numbers where the answers cannot tell.

    Parameters
    ----------
    measure : "alpha", "kappa", "ac1" or "observed"
    estimate, low, high : 1 is perfect, 0 is chance; the interval treats examples as the sample
    n_items : examples with two answers or more
    n_answers : answers to them
    method : how the interval was made
    """

    measure: str
    estimate: float | None
    low: float | None
    high: float | None
    n_items: int
    n_answers: int
    level: float
    method: str


def agreement(
    counts: npt.ArrayLike,
    *,
    scale: Scale = "nominal",
    level: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> tuple[Agreement, ...]:
    """Observed agreement, Krippendorff's α, Fleiss' κ and Gwet's AC1 of examples' class counts.

    Parameters
    ----------
    counts : (n, k) annotators who gave each class to each example; rows may have any sum
    scale : of α: how far apart two classes are ("ordinal" for grades)
    level : of the intervals, in (0, 1)
    n_bootstrap : resamples of examples for α
    seed : of the resamples

    Notes
    -----
    κ and AC1 take the linearised variance of Gwet (2014, ch. 5) and a t quantile; α a percentile
    bootstrap of examples. Where no two people disagreed, the bootstrap cannot see that they might:
    the lower limit then comes from the rule of three.

    References
    ----------
    Krippendorff (2011), Computing Krippendorff's alpha-reliability. Gwet (2008), Computing
    inter-rater reliability and its variance in the presence of high agreement.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or (table < 0).any():
        raise RoundError(
            f"Agreement needs counts of at least two classes, none negative; got shape "
            f"{table.shape}."
        )
    if not 0 < level < 1:
        raise RoundError(f"level is a probability between 0 and 1; got {level}.")
    table = table[table.sum(axis=1) > 0]
    per_item = table.sum(axis=1)
    several = per_item >= 2
    n_items, n_answers = int(several.sum()), int(per_item[several].sum())
    if n_items < 2:
        why = f"only {n_items} examples have two answers"
        return tuple(
            Agreement(m, None, None, None, n_items, n_answers, level, why)
            for m in ("observed", "alpha", "kappa", "ac1")
        )
    observed, k = _pair_agreement(table), table.shape[1]
    shares = (table / per_item[:, None]).mean(axis=0)
    ac1_chance = float(shares @ (1 - shares)) / (k - 1)
    ac1_part = table @ (1 - shares) / per_item / (k - 1)
    kappa_chance = float(shares @ shares)
    kappa_part = table @ shares / per_item
    found = (
        _linearised("observed", observed, several, 0.0, np.zeros(len(table)), level),
        _alpha(table[several], scale, level, n_bootstrap, seed),
        _linearised("kappa", observed, several, kappa_chance, kappa_part, level),
        _linearised("ac1", observed, several, ac1_chance, ac1_part, level),
    )
    return tuple(
        Agreement(name, value, low, high, n_items, n_answers, level, method)
        for name, value, low, high, method in found
    )


def _pair_agreement(table: FloatArray) -> FloatArray:
    """(n,) share of pairs of annotators who agree; 0 where there is no pair."""
    total = table.sum(axis=1)
    pairs = total * (total - 1)
    same = (table * (table - 1)).sum(axis=1)
    agreed: FloatArray = np.divide(same, pairs, out=np.zeros(len(table)), where=pairs > 0)
    return agreed


Found = tuple[str, float | None, float | None, float | None, str]


def _linearised(
    name: str,
    observed: FloatArray,
    several: npt.NDArray[np.bool_],
    chance: float,
    chance_part: FloatArray,
    level: float,
) -> Found:
    """A chance-corrected coefficient with Gwet's variance over examples.

    ``chance_part`` (n,) is each example's part in ``chance``, which is quadratic in the class
    shares: hence the 2.
    """
    from scipy import stats

    n, n_several = len(observed), int(several.sum())
    if chance >= 1:
        return name, None, None, None, "only one class was ever answered"
    mean = float(observed[several].mean())
    value = (mean - chance) / (1 - chance)
    part = n / n_several * (observed - chance) * several / (1 - chance)
    moved = part - 2 * (1 - value) * (chance_part - chance) / (1 - chance)
    spread = float(np.sqrt(((moved - value) ** 2).sum() / (n * (n - 1))))
    reach = float(stats.t.ppf((1 + level) / 2, n - 1)) * spread
    low, high = value - reach, min(value + reach, 1.0)
    if mean == 1:
        low = (1 - _unseen(n_several, level) - chance) / (1 - chance)
    return name, value, low, high, "Gwet's linearised variance"


def _alpha(table: FloatArray, scale: Scale, level: float, n_bootstrap: int, seed: int) -> Found:
    total = table.sum(axis=1)
    k = table.shape[1]
    pairs = table[:, :, None] * table[:, None, :] - table[:, :, None] * np.eye(k)
    coincidence = (pairs / (total - 1)[:, None, None]).reshape(len(table), k * k)
    whole = coincidence.sum(axis=0).reshape(1, k, k)
    _, expected = _disagreement(whole, scale)
    if expected[0] <= 0:
        return "alpha", None, None, None, "only one class was ever answered"
    value = float(_alpha_of(whole, scale)[0])
    times = np.random.default_rng(seed).multinomial(
        len(table), np.full(len(table), 1 / len(table)), size=n_bootstrap
    )
    drawn = _alpha_of((times @ coincidence).reshape(n_bootstrap, k, k), scale)
    drawn = drawn[np.isfinite(drawn)]
    if np.trace(whole[0]) >= whole.sum():
        # The most that a single pair of classes far apart could still hide.
        low = 1 - _unseen(len(table), level) * _farthest(whole, scale) / float(expected[0])
        return "alpha", value, low, 1.0, "rule of three"
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return "alpha", value, float(low), float(high), "bootstrap of examples"


def _disagreement(coincidence: FloatArray, scale: Scale) -> tuple[FloatArray, FloatArray]:
    """Observed and expected disagreement (b,) of coincidence matrices (b, k, k)."""
    per_class = coincidence.sum(axis=2)
    n = per_class.sum(axis=1)
    distance = _distance(per_class, scale)
    observed = (coincidence * distance).sum(axis=(1, 2)) / n
    by_chance = per_class[:, :, None] * per_class[:, None, :] * distance
    return observed, by_chance.sum(axis=(1, 2)) / (n * (n - 1))


def _alpha_of(coincidence: FloatArray, scale: Scale) -> FloatArray:
    observed, expected = _disagreement(coincidence, scale)
    nothing = np.full(len(observed), np.nan)
    ratio: FloatArray = np.divide(observed, expected, out=nothing, where=expected > 0)
    return 1 - ratio


def _distance(per_class: FloatArray, scale: Scale) -> FloatArray:
    """Squared distances of classes (b, k, k), as Krippendorff defines them."""
    k = per_class.shape[1]
    if scale == "nominal":
        return np.broadcast_to(1 - np.eye(k), (len(per_class), k, k))
    if scale == "interval":
        steps = np.arange(k, dtype=np.float64)
        return np.broadcast_to((steps[:, None] - steps) ** 2, (len(per_class), k, k))
    if scale != "ordinal":
        raise RoundError(f"scale={scale!r} is none of 'nominal', 'ordinal', 'interval'.")
    middle = per_class.cumsum(axis=1) - per_class / 2
    gap: FloatArray = (middle[:, :, None] - middle[:, None, :]) ** 2
    return gap


def _farthest(coincidence: FloatArray, scale: Scale) -> float:
    return float(_distance(coincidence.sum(axis=2), scale).max())


def _unseen(n: int, level: float) -> float:
    """Largest rate of disagreement of which n examples without one are not yet surprising."""
    return float(1 - ((1 - level) / 2) ** (1 / n))


def pairwise(annotations: pl.DataFrame) -> pl.DataFrame:
    """Every two annotators with examples in common, and Cohen's κ between them.

    Returns
    -------
    Polars frame: ``first``, ``second``, ``n_common``, ``observed`` and ``kappa`` (null where both
    gave one and the same class throughout), most in common first.
    """
    import polars as pl
    from sklearn.metrics import cohen_kappa_score

    last = one_answer_each(annotations).select("round", "example", "annotator", "label")
    both = (
        last.join(last, on=["round", "example"], suffix="_2")
        .filter(pl.col("annotator") < pl.col("annotator_2"))
        .group_by("annotator", "annotator_2", maintain_order=True)
        .agg("label", "label_2")
    )
    rows = []
    for first, second, a, b in both.iter_rows():
        constant = len({*a, *b}) == 1
        kappa = None if constant else float(cohen_kappa_score(a, b))
        rows.append((first, second, len(a), float(np.mean(np.equal(a, b))), kappa))
    schema = {
        "first": pl.String, "second": pl.String, "n_common": pl.Int64,
        "observed": pl.Float64, "kappa": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row").sort(
        "n_common", "first", "second", descending=[True, False, False]
    )
