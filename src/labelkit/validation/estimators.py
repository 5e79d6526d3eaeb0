"""Metrics of one label set under replicate weights: an estimate, and draws for its interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from labelkit.validation import metrics as m
from labelkit.validation.labelsets import LabelSet
from labelkit.validation.replicates import Replicates
from labelkit.validation.units import Units

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Fewer gold rows than this in a metric's denominator, and the number would be the prior's.
FEWEST_ROWS = 2


@dataclass(frozen=True)
class Measured:
    """One metric of one label set.

    ::

        metric       its name
        estimate     float; NaN when there is a reason not to give one
        draws        (b,) posterior draws; empty when there is a reason
        n            gold rows that the metric rests on
        effective_n  what those rows are worth, (Σw)² / Σw²
        reason       why there is no number; empty when there is
    """

    metric: str
    estimate: float
    draws: FloatArray
    n: int
    effective_n: float
    reason: str = ""

    def interval(self, level: float) -> tuple[float, float]:
        """Equal-tailed interval of the draws, stretched to the estimate where that is extreme."""
        tail = (1 - level) / 2
        low, high = np.nanquantile(self.draws, [tail, 1 - tail])
        # An observed rate of 0 or 1 is an end of its interval (Brown, Cai & DasGupta 2001, §4.1.1).
        return float(min(low, self.estimate)), float(max(high, self.estimate))


@dataclass(frozen=True)
class _Plan:
    """How one metric is computed: from weights to values, on which rows, or why not."""

    metric: str
    value: Callable[[FloatArray], m.Number]
    rows: BoolArray
    reason: str = ""


def measure(
    labels: LabelSet, units: Units, replicates: Replicates, *, positive: int, cardinality: int
) -> list[Measured]:
    """Accuracy, precision, recall, F1, AUC, log loss and calibration error of a label set.

    With more than two classes precision, recall and F1 are macro averages, AUC the mean of one
    class against the rest, and calibration that of the likeliest class.

    Parameters
    ----------
    labels : the label set, in row order of the weak labels
    units : rows to compute on
    replicates : weights of the units
    positive : the class that precision, recall, F1 and AUC are about (two classes)
    cardinality : number of classes k
    """
    plans = _plans(labels, units, positive, cardinality)
    draws: dict[str, list[FloatArray]] = {p.metric: [] for p in plans if not p.reason}
    calibration = _Calibration.of(labels, units, replicates, positive, cardinality)
    for weight in replicates.blocks():
        for plan in plans:
            if not plan.reason:
                draws[plan.metric].append(np.asarray(plan.value(weight)))
        if calibration is not None:
            calibration = calibration.with_block(weight)
    base = replicates.base
    result = []
    for plan in plans:
        n, effective = _worth(base, plan.rows, units)
        if plan.reason:
            result.append(Measured(plan.metric, np.nan, np.empty(0), n, effective, plan.reason))
        else:
            drawn = np.concatenate(draws[plan.metric])
            estimate = float(plan.value(base))
            result.append(Measured(plan.metric, estimate, drawn, n, effective))
    n, effective = _worth(base, units.real, units)
    if calibration is None:
        reason = "the label set has no probabilities"
        result.append(Measured("calibration_error", np.nan, np.empty(0), n, effective, reason))
    else:
        result.append(calibration.measured(n, effective))
    return result


def _worth(base: FloatArray, rows: BoolArray, units: Units) -> tuple[int, float]:
    w = base[rows & units.real]
    total = float((w**2).sum())
    return int((rows & units.real).sum()), float(w.sum() ** 2 / total) if total else 0.0


def _plans(labels: LabelSet, units: Units, positive: int, k: int) -> list[_Plan]:
    y, label = units.truth, labels.label[units.at]
    real = units.real
    every = np.ones(len(y), dtype=bool)
    plans = [_Plan("accuracy", lambda w: m.accuracy(y, label, w), every)]
    if k == 2:
        truth, called = y == positive, label == positive
        plans += [
            _Plan(
                "precision",
                lambda w: m.precision(y, label, w, positive=positive),
                called,
                _few(called & real, f"labeled {positive}"),
            ),
            _Plan(
                "recall",
                lambda w: m.recall(y, label, w, positive=positive),
                truth,
                _few(truth & real, f"of class {positive}"),
            ),
            _Plan(
                "f1",
                lambda w: m.f1(y, label, w, positive=positive),
                truth | called,
                _few(truth & real, f"of class {positive}"),
            ),
        ]
    else:
        classes = np.union1d(y[real], label[real])
        reason = _few(real, "") if len(classes) > 1 else "the gold knows only one class"
        for name, one in (("precision", m.precision), ("recall", m.recall), ("f1", m.f1)):
            plans.append(_Plan(name, _macro(one, y, label, classes), every, reason))
    plans.append(_auc_plan(labels, units, positive, k))
    if labels.probabilities is None:
        plans.append(_Plan("log_loss", _nothing, every, "the label set has no probabilities"))
    else:
        loss = m.row_log_loss(y, labels.probabilities[units.at], clip=labels.clip)
        plans.append(_Plan("log_loss", lambda w: (w @ loss) / w.sum(axis=-1), every))
    if real.sum() < FEWEST_ROWS:
        few = _few(real, "")
        plans = [replace(plan, reason=plan.reason or few) for plan in plans]
    return plans


def _auc_plan(labels: LabelSet, units: Units, positive: int, k: int) -> _Plan:
    y, real = units.truth, units.real
    every = np.ones(len(y), dtype=bool)
    if k == 2:
        truth = y == positive
        reason = _few(truth & real, f"of class {positive}") or _few(
            ~truth & real, f"not of class {positive}"
        )
        score = labels.score if labels.probabilities is None else labels.probabilities[:, positive]
        if score is None:
            return _Plan("auc", _nothing, every, "the label set has no score")
        at = score[units.at]
        return _Plan("auc", lambda w: m.auc(truth, at, w), every, reason)
    if labels.probabilities is None:
        return _Plan("auc", _nothing, every, "the label set has no probabilities")
    p = labels.probabilities[units.at]
    counts = np.bincount(y[real], minlength=k)
    enough = np.flatnonzero((counts >= FEWEST_ROWS) & (counts <= real.sum() - FEWEST_ROWS))
    reason = "" if len(enough) else f"no class has {FEWEST_ROWS} gold rows"

    def value(w: FloatArray) -> m.Number:
        each = [np.asarray(m.auc(y == c, p[:, c], w)) for c in enough]
        return np.nanmean(each, axis=0)  # type: ignore[no-any-return]

    return _Plan("auc", value, every, reason)


def _macro(
    one: Callable[..., m.Number], y: IntArray, label: IntArray, classes: IntArray
) -> Callable[[FloatArray], m.Number]:
    def value(w: FloatArray) -> m.Number:
        # A class that is never called has no precision; it counts 0, as in scikit-learn.
        each = [np.nan_to_num(np.asarray(one(y, label, w, positive=int(c)))) for c in classes]
        return np.mean(each, axis=0)  # type: ignore[no-any-return]

    return value


def _nothing(weight: FloatArray) -> m.Number:
    """Stands where a metric has a reason not to be computed."""
    return np.full(weight.shape[:-1], np.nan)


def _few(rows: BoolArray, which: str) -> str:
    n = int(rows.sum())
    if n >= FEWEST_ROWS:
        return ""
    return f"only {n} gold rows {which}".strip() + f" (at least {FEWEST_ROWS} are needed)"


@dataclass(frozen=True)
class _Calibration:
    """Gaps per bin, under base weights and draws; see ``metrics.calibration_error``."""

    truth: FloatArray
    score: FloatArray
    bin_of: FloatArray
    gap: FloatArray
    share: FloatArray
    gaps: tuple[FloatArray, ...] = ()
    shares: tuple[FloatArray, ...] = ()

    @classmethod
    def of(
        cls, labels: LabelSet, units: Units, replicates: Replicates, positive: int, k: int
    ) -> _Calibration | None:
        if labels.probabilities is None:
            return None
        p = labels.probabilities[units.at]
        if k == 2:
            truth, score = (units.truth == positive).astype(float), p[:, positive]
        else:
            truth, score = (units.truth == p.argmax(axis=1)).astype(float), p.max(axis=1)
        base = replicates.base
        # About ten effective labels a bin: fewer could not tell a gap from noise.
        effective = base.sum() ** 2 / (base**2).sum()
        which = m.bins(score, base, n_bins=int(np.clip(effective // 10, 2, 10)))
        return cls(truth, score, which, *m.binned_gap(truth, score, which, base))

    def with_block(self, weight: FloatArray) -> _Calibration:
        gap, share = m.binned_gap(self.truth, self.score, self.bin_of, weight)
        return replace(self, gaps=(*self.gaps, gap), shares=(*self.shares, share))

    def measured(self, n: int, effective_n: float) -> Measured:
        gaps, shares = np.concatenate(self.gaps), np.concatenate(self.shares)
        # Noise adds its variance to the squared gap once in the estimate, and once more in a draw.
        noise = float((self.share * gaps.var(axis=0)).sum())
        squared = float((self.share * self.gap**2).sum()) - noise
        drawn = (shares * gaps**2).sum(axis=1) - 2 * noise
        return Measured(
            "calibration_error",
            float(np.sqrt(max(0.0, squared))),
            np.sqrt(np.maximum(0.0, drawn)),
            n,
            effective_n,
        )
