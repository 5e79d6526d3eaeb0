"""Thresholds of a template, learned from gold, and what they are worth on gold not used for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame
from labelkit.errors import GoldError, LFError
from labelkit.lfs import templates
from labelkit.lfs.applier import apply
from labelkit.lfs.function import LabelingFunction
from labelkit.lfs.patterns import ABSTAIN
from labelkit.lfs.suggest.judged import Judged, judged_by_gold
from labelkit.lfs.suggest.share import Share, share_right, simultaneous, wilson_bounds

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]
Criterion = Literal["accuracy", "coverage"]

# Fewer judged votes or queries than these, and the choice is luck whatever the interval says.
FEWEST_VOTES, FEWEST_CLUSTERS = 20, 5
# A threshold with fewer votes on gold than this is not tried.
_FEWEST_PER_VALUE = 5
_MOST_VALUES = 500


@dataclass(frozen=True)
class LearnedThresholds:
    """A labeling function with the thresholds that gold chose.

    Parameters
    ----------
    lf : the function
    thresholds : name → the value chosen
    accuracy : of the choice. The estimate counts each fold's votes under the thresholds that the
        other folds chose, so that no label both chooses and judges; the interval holds for all
        values that were tried at once, so for whichever was chosen
    coverage : share of all examples on which ``lf`` votes
    curve : one row per value tried: the thresholds, ``coverage``, ``n`` judged votes, ``accuracy``,
        ``low``, ``high``. These are read off the gold that chooses, and the best of them flatters
    n_gold, n_tried : gold labels, and combinations of values
    n_agreeing, n_folds : folds whose gold alone would have chosen the same, of all
    """

    lf: LabelingFunction
    thresholds: Mapping[str, object]
    accuracy: Share
    coverage: float
    curve: pl.DataFrame
    n_gold: int
    n_tried: int
    n_agreeing: int
    n_folds: int

    def __str__(self) -> str:
        chosen = ", ".join(f"{name}={value!r}" for name, value in self.thresholds.items())
        return (
            f"{self.lf.name}({chosen}): right in {self.accuracy}; votes on {self.coverage:.1%} of "
            f"the examples; chosen by {self.n_agreeing} of {self.n_folds} folds from "
            f"{self.n_tried} values and {self.n_gold:,} gold labels."
        )

    def code(self) -> str:
        """Python to paste below ``from labelkit.lfs import templates`` in ``labeling_functions/``.

        A template of one's own is called by its own name, and assigned to another: a name that a
        module imports is not taken for a function of that module.
        """
        name = self.lf.name
        chosen = ", ".join(f"{threshold}={value!r}" for threshold, value in self.thresholds.items())
        ready = name in templates.__all__
        call = f"{name} = templates.{name}" if ready else f"learned_{name} = {name}"
        return (
            f"# Learned from {self.n_gold:,} gold labels: right in {self.accuracy},\n"
            "# measured on labels that did not choose the threshold.\n"
            f"{call}({chosen})\n"
        )


def learn_thresholds(
    lf_template: Callable[..., LabelingFunction],
    examples: NativeFrame,
    gold: NativeFrame,
    *,
    grid: Mapping[str, Sequence[object]] | None = None,
    criterion: Criterion = "accuracy",
    min_coverage: float = 0.01,
    min_accuracy: float = 0.5,
    keys: Sequence[str] = ("query", "item"),
    cardinality: int = 2,
    level: float = 0.95,
    n_folds: int = 5,
    seed: int = 0,
) -> LearnedThresholds:
    """Choose the thresholds of a template from gold, and say honestly what the choice is worth.

    Parameters
    ----------
    lf_template : a template, or any function of thresholds that gives a labeling function
    examples : what the function votes on; examples without gold count for coverage
    gold : key columns, ``label``, and ``inclusion_probability`` if it was sampled unequally
    grid : threshold → values to try, all combinations; default those that the template names
    criterion : "accuracy" takes the highest lower bound of accuracy among values that vote on at
        least ``min_coverage`` of the examples; "coverage" takes the highest coverage among those
        whose lower bound of accuracy is at least ``min_accuracy``
    keys : key columns; gold of one ``keys[0]`` (a query) stays in one fold, and counts as a cluster
    level : of the interval, and of the bound that the choice looks at
    n_folds : folds that judge each other's choice

    Raises
    ------
    GoldError
        Gold is too small to choose and to judge: fewer than 20 judged votes or 5 queries; or no
        value meets the demands.

    Examples
    --------
    >>> import numpy as np, polars as pl
    >>> from labelkit.lfs.suggest import learn_thresholds
    >>> from labelkit.lfs.templates import long_dwell
    >>> dwell = np.arange(200) % 100
    >>> examples = pl.DataFrame(
    ...     {"query": np.arange(200) // 4, "item": np.arange(200), "dwell_max": dwell}
    ... )
    >>> gold = examples.select("query", "item", label=(pl.col("dwell_max") >= 45).cast(int))
    >>> learned = learn_thresholds(long_dwell, examples, gold)
    >>> dict(learned.thresholds)
    {'seconds': 45}
    """
    _check(criterion, min_coverage, min_accuracy, level, n_folds)
    tried = _combinations(lf_template, grid)
    made = [lf_template(**values) for values in tried]
    lfs = [replace(lf, name=f"__{i}__", where_defined="") for i, lf in enumerate(made)]
    votes = apply(lfs, examples, keys=keys, cardinality=cardinality)
    matrix = votes.matrix
    coverage = (matrix != ABSTAIN).mean(axis=0) if len(matrix) else np.zeros(len(lfs))
    judged = judged_by_gold(votes, gold)
    ballots = matrix[judged.row]
    voted = ballots != ABSTAIN
    label = judged.target.argmax(axis=1)
    right = (ballots == label[:, None]).astype(np.float64)
    _refuse_small(voted, judged, made[0].name)
    tested = (coverage >= min_coverage) & (voted.sum(axis=0) >= _FEWEST_PER_VALUE)

    def choose(rows: npt.NDArray[np.bool_]) -> int | None:
        p, n, low, _ = _bounds(right[rows], voted[rows], judged.weight[rows], level)
        allowed = tested & (n > 0)
        if criterion == "coverage":
            allowed &= low >= min_accuracy
            merit = coverage + 1e-6 * np.nan_to_num(p)
        else:
            merit = low
        if not allowed.any():
            return None
        return int(np.where(allowed, merit, -np.inf).argmax())

    everything = np.ones(len(judged), dtype=bool)
    best = choose(everything)
    if best is None:
        raise GoldError(_nothing_fits(criterion, min_coverage, min_accuracy, coverage))
    fold = judged.folds(n_folds, seed)
    by_fold = [choose(fold != f) for f in range(n_folds)]
    unused = _on_unused_gold(by_fold, fold, right, voted, judged.weight)
    accuracy = _whichever_is_chosen(right, voted, judged, best, tested, level, seed, unused)
    return LearnedThresholds(
        lf=replace(made[best], where_defined=""),
        thresholds=tried[best],
        accuracy=accuracy,
        coverage=float(coverage[best]),
        curve=_curve(tried, coverage, *_bounds(right, voted, judged.weight, level)),
        n_gold=len(judged),
        n_tried=len(tried),
        n_agreeing=sum(c == best for c in by_fold),
        n_folds=n_folds,
    )


def _combinations(
    lf_template: Callable[..., LabelingFunction], grid: Mapping[str, Sequence[object]] | None
) -> list[dict[str, object]]:
    if grid is None:
        grid = lf_template.grid if isinstance(lf_template, templates.Template) else {}
    if not grid or not all(len(values) for values in grid.values()):
        raise LFError(
            "There is no value to try: give grid={'threshold': [values]}, at least one a threshold."
        )
    names = list(grid)
    tried = [dict(zip(names, values, strict=True)) for values in product(*grid.values())]
    if len(tried) > _MOST_VALUES:
        raise LFError(
            f"{len(tried):,} combinations of thresholds are more than {_MOST_VALUES}: fewer values "
            "a threshold, or fewer thresholds. Gold that could tell them apart would be huge."
        )
    return tried


def _check(
    criterion: str, min_coverage: float, min_accuracy: float, level: float, n_folds: int
) -> None:
    if criterion not in ("accuracy", "coverage"):
        raise LFError(f"criterion is 'accuracy' or 'coverage'; got {criterion!r}.")
    for name, value in (("min_coverage", min_coverage), ("min_accuracy", min_accuracy)):
        if not 0 <= value <= 1:
            raise LFError(f"{name} lies in 0 … 1; got {value!r}.")
    if not 0 < level < 1:
        raise LFError(f"The level of an interval lies between 0 and 1; got {level!r}.")
    if n_folds < 2:
        raise LFError(f"n_folds is at least 2: one to choose, one to judge; got {n_folds}.")


def _refuse_small(voted: npt.NDArray[np.bool_], judged: Judged, name: str) -> None:
    most = int(voted.sum(axis=0).max(initial=0))
    touched = len(np.unique(judged.cluster[voted.any(axis=1)]))
    if most < FEWEST_VOTES or touched < FEWEST_CLUSTERS:
        raise GoldError(
            f"Gold is too small to learn the thresholds of {name!r}: of {len(judged):,} gold "
            f"labels at most {most} lie where it votes, in {touched} queries; choosing and judging "
            f"takes at least {FEWEST_VOTES} and {FEWEST_CLUSTERS}. Keep the template's own "
            "thresholds until more is labeled."
        )


def _on_unused_gold(
    by_fold: list[int | None],
    fold: npt.NDArray[np.int64],
    right: FloatArray,
    voted: npt.NDArray[np.bool_],
    weight: FloatArray,
) -> float:
    """Accuracy of each fold under what the others chose; the mean of folds, NaN without any.

    Folds are not pooled: a lucky fold makes the others choose rarer votes, so that it would weigh
    more where it is luckier (simulated without any signal: 1 to 2 points too high).
    """
    found = []
    for f, choice in enumerate(by_fold):
        rows = (fold == f) & (False if choice is None else voted[:, choice])
        if rows.any():
            found.append(np.average(right[rows, choice], weights=weight[rows]))
    return float(np.mean(found)) if found else float("nan")


def _whichever_is_chosen(
    right: FloatArray,
    voted: npt.NDArray[np.bool_],
    judged: Judged,
    best: int,
    tested: npt.NDArray[np.bool_],
    level: float,
    seed: int,
    unused: float,
) -> Share:
    """Accuracy of the chosen value, with an interval that holds for all values at once.

    The estimate comes from labels that did not choose; the interval may use all labels, because it
    would hold for any other choice too. An estimate outside it is drawn to its nearer end.
    """
    critical = simultaneous(
        right[:, tested],
        voted[:, tested],
        judged.weight,
        judged.cluster,
        level=level,
        seed=seed,
    )
    rows = voted[:, best]
    band = share_right(
        right[rows, best],
        judged.weight[rows],
        judged.cluster[rows],
        level=level,
        critical=critical,
    )
    estimate = band.estimate if np.isnan(unused) else float(np.clip(unused, band.low, band.high))
    return replace(band, estimate=estimate)


def _bounds(
    right: FloatArray, voted: npt.NDArray[np.bool_], weight: FloatArray, level: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Accuracy, judged votes and Wilson's bounds of each combination, (m,) each, by Kish's n."""
    from scipy.stats import norm

    w = weight @ voted
    with np.errstate(invalid="ignore", divide="ignore"):
        p = weight @ (right * voted) / w
        kish = w**2 / (weight**2 @ voted)
    low, high = wilson_bounds(p, np.nan_to_num(kish), float(norm.ppf((1 + level) / 2)))
    return p, voted.sum(axis=0).astype(np.float64), low, high


def _nothing_fits(
    criterion: Criterion, min_coverage: float, min_accuracy: float, coverage: FloatArray
) -> str:
    if criterion == "coverage":
        return (
            f"No value is right in at least {min_accuracy:.0%} of its votes at the lower end of "
            "its interval. Lower min_accuracy, label more, or let the rule go."
        )
    return (
        f"No value votes on {min_coverage:.1%} of the examples and on {_FEWEST_PER_VALUE} gold "
        f"labels; the widest covers {coverage.max(initial=0):.1%}. Lower min_coverage, or try "
        "other values."
    )


def _curve(
    tried: list[dict[str, object]],
    coverage: FloatArray,
    p: FloatArray,
    n: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        {name: [values[name] for values in tried] for name in tried[0]}
        | {"coverage": coverage, "n": n.astype(np.int64), "accuracy": p, "low": low, "high": high},
        strict=False,
    ).with_columns(pl.col("accuracy", "low", "high").fill_nan(None))
