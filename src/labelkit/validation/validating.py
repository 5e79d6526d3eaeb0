"""``validate``: how good are the labels, what is the naive reading worth, and who knows?"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.engine import NativeFrame
from labelkit.errors import GoldError, WeakEvidenceWarning
from labelkit.selection import pooled_weights
from labelkit.validation.estimators import Measured, measure
from labelkit.validation.gold import Gold, find_rows, read_gold
from labelkit.validation.labelsets import LabelSet, read_baseline, read_weak_labels, scored
from labelkit.validation.ranking import draw_means, query_ndcg
from labelkit.validation.replicates import Replicates, of_pool, of_population
from labelkit.validation.report import Row, ValidationReport, compare, rows_frame, verdict
from labelkit.validation.units import Units, make_units

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_N_DRAWS = 2000  # quantiles of a 95 % interval are then known to about 3 % of its width
# Much gold needs fewer: its intervals are narrow, and 400 draws still know them to about 7 %.
_FEWEST_DRAWS, _MOST_NUMBERS = 400, 20_000_000


def validate(
    labels: NativeFrame,
    gold: NativeFrame,
    *,
    baselines: Mapping[str, NativeFrame | str] | None = None,
    keys: Sequence[str] = ("query", "item"),
    cluster: str | None = None,
    k: int = 10,
    positive: int = 1,
    level: float = 0.95,
    seed: int = 0,
) -> ValidationReport:
    """Accuracy, precision, recall, F1, AUC, log loss, calibration error and NDCG@k on gold.

    What the numbers speak about depends on the gold. If some of it was sampled (an
    ``inclusion_probability`` below 1), they speak about the pool that it was drawn from, whatever
    was chosen for its information. If not (every probability is 1, or none is given), or when
    ``cluster`` is named, they speak about the population of queries, and whole queries are
    resampled; for a gold that covers everything, an interval of width zero would be a lie about the
    next query.

    Parameters
    ----------
    labels : weak labels: ``keys``, ``p_0`` … ``p_{k-1}`` and, if present, ``label``. With sampled
        gold, this is the pool: its counts of each weak label sharpen the estimates.
    gold : ``keys`` and ``label`` (or ``relevance`` ≥ 1); optionally ``inclusion_probability``,
        ``round`` (several rounds are pooled as ``labelkit.selection.pooled_weights`` says) and
        ``relevance`` (grades for NDCG)
    baselines : name → frame with ``keys`` and ``p_1``, ``score`` or ``label``, or the name of a
        column of ``labels``. A score above 0 is read as class 1, as AUC and NDCG score, and within
        [0, 1] as a probability. Compared with the weak labels on the same gold.
    keys : columns that identify an example; the first is the query
    cluster : key column whose values are resampled as wholes; None: decided by the gold, as above
    k : cut-off of NDCG
    positive : class that precision, recall, F1 and AUC are about when there are two classes
    level : of the intervals
    seed : of their draws

    Returns
    -------
    ValidationReport, with frames of the kind of ``labels``.

    Raises
    ------
    GoldError
        The gold or a baseline cannot be used; the message says what is wrong and where.
    """
    _check_arguments(keys, cluster, k, level)
    given = dict(baselines or {})
    columns = [b for b in given.values() if isinstance(b, str)]
    table, weak, extra = read_weak_labels(labels, keys=keys, columns=columns)
    cardinality = 2 if weak.probabilities is None else weak.probabilities.shape[1]
    if not 0 <= positive < cardinality:
        raise GoldError(f"positive = {positive} is none of the classes 0 … {cardinality - 1}.")
    answers = read_gold(gold, keys=keys, cardinality=cardinality)
    at = find_rows(table, answers.keys, keys, who="the gold labels", where="the weak labels")
    _refuse_unknown(at < 0, answers, "the weak labels")
    sets = [weak]
    for name, baseline in given.items():
        if isinstance(baseline, str):
            found = scored(name, extra[baseline], cardinality)
        else:
            found = read_baseline(name, baseline, table, keys=keys, cardinality=cardinality)
        _refuse_unknown(~found.known[at], answers, f"baseline {name!r}")
        sets.append(found)

    usable = np.logical_and.reduce([s.known for s in sets])
    units = make_units(at, answers.label, weak, usable)
    queries = answers.keys[cluster or keys[0]].rank("dense").to_numpy().astype(np.int64)
    basis = _basis(answers, units, weak, queries, cluster, keys[0], seed)

    results: dict[str, list[Measured]] = {}
    rows: list[Row] = []
    for labelset in sets:
        measured = measure(
            labelset, units, basis.replicates, positive=positive, cardinality=cardinality
        )
        ranked, method = _ndcg(labelset, answers, at, keys, k=k, seed=seed)
        results[labelset.name] = [*measured, ranked]
        note = f"; {labelset.note}" if labelset.note else ""
        rows += [Row(labelset.name, "", x, x.reason or basis.method + note) for x in measured]
        rows.append(Row(labelset.name, "", ranked, ranked.reason or method))
    differences = [
        Row(weak.name, name, gap, gap.reason or "paired: " + row.method, said)
        for name in given
        for ours, theirs, row in zip(results[weak.name], results[name], rows, strict=False)
        for gap in [compare(ours, theirs)]
        for said in [verdict(gap, level, ours=weak.name, theirs=name)]
    ]
    return ValidationReport(
        frame=rows_frame(rows, level, labels, compared=False),
        difference=rows_frame(differences, level, labels, compared=True),
        target=basis.target,
        level=level,
        n_gold=len(answers),
    )


@dataclass(frozen=True)
class _Basis:
    """What the gold stands for: replicate weights, and that in words."""

    replicates: Replicates
    target: str
    method: str


def _basis(
    gold: Gold,
    units: Units,
    weak: LabelSet,
    queries: IntArray,
    cluster: str | None,
    query: str,
    seed: int,
) -> _Basis:
    n = len(gold)
    n_draws = min(_N_DRAWS, max(_FEWEST_DRAWS, _MOST_NUMBERS // n))
    pi = np.ones(n) if gold.probability is None else gold.probability
    weight = np.concatenate([pooled_weights(pi, gold.round).weight, np.zeros(len(units.at) - n)])
    sampled = np.concatenate([pi < 1, np.zeros(len(units.at) - n, dtype=bool)])
    if cluster is None and sampled.any():
        total = float(weight.sum())
        n_sampled = int(sampled.sum())
        # A round that is half done still weighs less than its pool; beyond a factor of two the
        # weak labels are not what the gold was drawn from, and their counts would mislead.
        is_pool = len(weak) / 2 <= total <= 2 * len(weak)
        pool_rows = np.bincount(weak.label).astype(np.float64) if is_pool else None
        replicates = of_pool(
            weight,
            sampled,
            units.row,
            units.prior,
            pool_rows=pool_rows,
            n_draws=n_draws,
            seed=seed,
        )
        size = f"{len(weak):,}" if is_pool else f"about {total:,.0f}"
        how = "by weak label, sizes " + ("known" if is_pool else "estimated")
        return _Basis(
            replicates,
            f"The pool of {size} examples that the gold was drawn from.",
            f"design: {n - n_sampled} certain, {n_sampled} sampled; post-stratified {how}; "
            f"finite Bayesian bootstrap",
        )
    clusters = np.concatenate([queries, queries.max() + 1 + np.arange(len(units.at) - n)])
    replicates = of_population(weight, clusters, units.prior, n_draws=n_draws, seed=seed)
    n_clusters = len(np.unique(queries))
    unit = cluster or query
    if n_clusters < 2:
        raise GoldError(
            f"All gold labels have one value of {unit!r}: they cannot speak about others. Name the "
            f"column whose values differ with cluster=..., or draw gold with select(...)."
        )
    target = f"The population of values of {unit!r}, of which the gold holds {n_clusters:,}."
    method = f"Bayesian bootstrap of {n_clusters:,} values of {unit!r}"
    if gold.probability is None:
        method += "; gold without inclusion probabilities taken as a simple random sample"
    elif sampled.any():
        method += "; weighted by inclusion probability"
    elif n < len(weak):
        target += (
            f" Of those, only the kind of example that was chosen: the gold covers {n:,} of "
            f"{len(weak):,} weak labels with probability 1, and the others had no chance."
        )
        method += "; chosen examples only, the rest had no chance of being drawn"
        warnings.warn(
            f"Every gold label has inclusion probability 1, yet {len(weak) - n:,} of {len(weak):,} "
            f"weak labels have no gold: the result speaks about the chosen examples only. Draw an "
            f"audit sample (audit_share > 0), or leave inclusion_probability out if the gold is a "
            f"simple random sample.",
            WeakEvidenceWarning,
            stacklevel=3,
        )
    return _Basis(replicates, target, method)


def _ndcg(
    labels: LabelSet, gold: Gold, at: IntArray, keys: Sequence[str], *, k: int, seed: int
) -> tuple[Measured, str]:
    """Mean NDCG@k over queries, and how it was computed.

    When items were sampled, their query's other items are unjudged. Ranking the judged ones alone
    (condensed lists, Sakai 2007) is then what can be said, and it is said. Where all items of a
    query share one π, queries were sampled, and are weighted by 1/π.

    Examples with one key stand alone: there is nothing that they could be ranked against.
    """
    name = f"ndcg@{k}"
    if len(keys) == 1:
        reason = f"examples with one key ({keys[0]}) have no others to be ranked against"
        return Measured(name, np.nan, np.empty(0), len(gold), float(len(gold)), reason), reason
    group = gold.keys[keys[0]].rank("dense").to_numpy().astype(np.int64)
    if labels.score is None:
        reason = "the label set has no score"
        return Measured(name, np.nan, np.empty(0), len(gold), float(len(gold)), reason), reason
    found = query_ndcg(gold.relevance, labels.score[at], group, k=k)
    pi = np.ones(len(gold)) if gold.probability is None else gold.probability
    lowest, highest = np.full(group.max() + 1, np.inf), np.zeros(group.max() + 1)
    np.minimum.at(lowest, group, pi)
    np.maximum.at(highest, group, pi)
    whole = bool(np.allclose(lowest[np.unique(group)], highest[np.unique(group)]))
    if whole:
        keep, weight = found.n_items >= 1, 1 / highest[found.query]
        method = "Bayesian bootstrap of {n} queries with a relevant item"
        method += ", weighted by inclusion probability" if (pi < 1).any() else ""
    else:
        keep, weight = found.n_items >= 2, np.ones(len(found.value))
        method = (
            "judged items only (condensed lists), unweighted: an unjudged item of a query has no "
            "grade; Bayesian bootstrap of {n} queries with a relevant and another judged item"
        )
    value, weight = found.value[keep], weight[keep]
    n = len(value)
    if n < 2:
        reason = f"only {n} queries have a relevant item among the judged (at least 2 are needed)"
        return Measured(name, np.nan, np.empty(0), n, float(n), reason), reason
    estimate = float(np.average(value, weights=weight))
    drawn = draw_means(value, weight, n_draws=_N_DRAWS, seed=seed)
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    return Measured(name, estimate, drawn, n, effective), method.format(n=n)


def _refuse_unknown(unknown: npt.NDArray[np.bool_], gold: Gold, where: str) -> None:
    if unknown.any():
        example = gold.keys.row(int(unknown.argmax()), named=True)
        raise GoldError(
            f"{int(unknown.sum()):,} of {len(gold):,} gold labels have a key that is not in "
            f"{where} (first: {example}). Leave them out, or label the pool that they come from."
        )


def _check_arguments(keys: Sequence[str], cluster: str | None, k: int, level: float) -> None:
    if not keys:
        raise GoldError("keys is empty: examples need at least one key column.")
    if cluster is not None and cluster not in keys:
        raise GoldError(f"cluster = {cluster!r} is not a key column ({', '.join(keys)}).")
    if k < 1:
        raise GoldError(f"k = {k}: NDCG@k needs a cut-off of at least 1.")
    if not 0 < level < 1:
        raise GoldError(f"level = {level} is not between 0 and 1.")
