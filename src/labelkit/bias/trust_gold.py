"""Clicks by position and gold grade, per query: what trust bias is fitted from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.identifiability import MOST_LEFT_OUT as MOST_LEFT_OUT
from labelkit.bias.task import FitTask
from labelkit.engine import collect, lazy
from labelkit.errors import GoldError
from labelkit.logs import PositionCounts

FloatArray = npt.NDArray[np.float64]

# More grades than these are a score; cut it into grades first.
MOST_GRADES = 20
# Clicks on randomised impressions of gold examples, from which these alone are used.
ENOUGH_RANDOMISED = 500


@dataclass(frozen=True)
class GoldTable:
    """::

    grades         (L,) ascending
    clicks, shown  (G, K, L) per query, position and grade, weighted by 1/π
    traffic        (K,) impressions of the whole log
    """

    grades: FloatArray
    clicks: FloatArray
    shown: FloatArray
    traffic: FloatArray
    n_examples: int
    traffic_kind: str

    def at_both_ends(self) -> npt.NDArray[np.bool_]:
        """(K,) positions at which examples of the lowest and of the highest grade were shown."""
        by_grade = self.shown.sum(0)
        both: npt.NDArray[np.bool_] = (by_grade[:, 0] > 0) & (by_grade[:, -1] > 0)
        return both


def table_of(task: FitTask) -> GoldTable:
    """Join gold labels to the counts of a log.

    Raises
    ------
    GoldError
        The frame lacks a column, repeats an example, has no grade or one only, or names no example
        of the log.
    """
    log = task.require_log()
    gold = collect(lazy(task.gold))
    for name in ("query", "item", "label"):
        if name not in gold.columns:
            raise GoldError(
                f"Gold for method='trust' has query, item and label; it lacks {name!r} (it has: "
                f"{', '.join(gold.columns)})."
            )
    label = gold["label"].cast(nw.Float64)
    bad = label.is_null() | label.is_nan() | (label < 0)
    if bad.any():
        raise GoldError(
            f"Column 'label' has {int(bad.sum())} of {len(gold)} rows that are no grade (0 or "
            f"more; first: {gold['label'].filter(bad).to_list()[0]!r})."
        )
    repeated = len(gold) - len(gold.select("query", "item").unique())
    if repeated:
        raise GoldError(
            f"{repeated} of {len(gold)} gold rows repeat an example; give each one label."
        )
    weight: FloatArray = np.ones(len(gold))
    if "inclusion_probability" in gold.columns:
        chance = gold["inclusion_probability"].cast(nw.Float64).to_numpy()
        if np.any(~(chance > 0) | (chance > 1)):
            first = float(chance[np.argmax(~(chance > 0) | (chance > 1))])
            raise GoldError(f"Column 'inclusion_probability' lies in (0, 1]; {first:g} does not.")
        weight = 1 / chance
    grade, found = _grades_of(log.cells, gold, weight, log.counts)
    n_found = int(np.count_nonzero(~np.isnan(grade)))
    grades = np.unique(grade[~np.isnan(grade)])
    if not n_found:
        raise GoldError(
            "No gold example is in the log: compare how query and item are written in both."
        )
    if not 2 <= len(grades) <= MOST_GRADES:
        raise GoldError(
            f"Gold on the log's examples has {len(grades)} different grade(s); trust bias needs "
            f"2 to {MOST_GRADES}."
        )
    counts, kind = log.counts, "all traffic"
    flagged = log.randomised_counts
    if flagged is not None:
        on_gold = ~np.isnan(grade[flagged.example])
        if flagged.clicks[on_gold].sum() >= ENOUGH_RANDOMISED:
            counts, kind = flagged, "randomised traffic only"
    clicks, shown = _sums(counts, task.counts.positions, grade, grades, found)
    slot = np.searchsorted(task.counts.positions, log.counts.position)
    traffic = np.bincount(slot, log.counts.impressions).astype(np.float64)
    return GoldTable(grades, clicks, shown, traffic, n_found, kind)


def _grades_of(
    cells: nw.DataFrame[Any], gold: nw.DataFrame[Any], weight: FloatArray, counts: PositionCounts
) -> tuple[FloatArray, FloatArray]:
    """Grade and weight of every example of the log, (n_examples,); NaN where not in gold."""
    columns = {
        "query": gold["query"].to_list(),
        "item": gold["item"].to_list(),
        "grade": gold["label"].cast(nw.Float64).to_list(),
        "weight": weight,
    }
    table = nw.from_dict(columns, backend=cells.implementation)
    index = cells.select("query", "item").with_row_index("cell")
    found = index.join(table, on=["query", "item"], how="inner")
    grade, weights = np.full(counts.n_examples, np.nan), np.zeros(counts.n_examples)
    example = counts.example[found["cell"].to_numpy()]
    grade[example] = found["grade"].to_numpy()
    weights[example] = found["weight"].to_numpy()
    return grade, weights


def _sums(
    counts: PositionCounts,
    positions: npt.NDArray[np.int64],
    grade: FloatArray,
    grades: FloatArray,
    weight: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    kept = counts.where(~np.isnan(grade[counts.example]) & (counts.impressions > 0))
    _, query = np.unique(kept.query, return_inverse=True)
    n_queries, size, n_grades = int(query.max(initial=-1)) + 1, len(positions), len(grades)
    slot = query * size + np.searchsorted(positions, kept.position)
    slot = slot * n_grades + np.searchsorted(grades, grade[kept.example])
    at = weight[kept.example]
    shape = (n_queries, size, n_grades)
    length = n_queries * size * n_grades
    clicks, shown = (
        np.bincount(slot, values * at, length).astype(np.float64).reshape(shape)
        for values in (kept.clicks, kept.impressions)
    )
    return clicks, shown
