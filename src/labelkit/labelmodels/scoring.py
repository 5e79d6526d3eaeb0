"""How good predictions are on gold, by Snorkel's names, worked out by scikit-learn.

For estimates with intervals see `labelkit.validate`; these are the bare numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import GoldError, LabelModelError
from labelkit.labelmodels.statistics import FloatArray, IntArray


@dataclass(frozen=True)
class Judged:
    """Gold examples and what was predicted of them.

    ::

        gold        (g,) true classes
        predicted   (g,) classes, -1 where the rule for ties abstains
        proba       (g, k) probabilities
        weight      (g,) 1 / inclusion probability
    """

    gold: IntArray
    predicted: npt.NDArray[np.int64]
    proba: FloatArray
    weight: FloatArray

    @property
    def cardinality(self) -> int:
        """Number of classes."""
        return self.proba.shape[1]

    def take(self, index: npt.NDArray[np.bool_]) -> Judged:
        """The examples at ``index``."""
        return Judged(
            self.gold[index], self.predicted[index], self.proba[index], self.weight[index]
        )


def scores_on_gold(judged: Judged, metrics: Sequence[str]) -> dict[str, float]:
    """Each of ``metrics`` (see `METRICS`) by name.

    Examples on which the prediction abstains count for "coverage" alone, as in Snorkel.

    Raises
    ------
    LabelModelError
        A metric that is not known, or is for two classes only.
    GoldError
        No gold, or no gold example that the prediction does not abstain on.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise LabelModelError(f"There is no metric {unknown[0]!r}; there are {', '.join(METRICS)}.")
    binary = [name for name in metrics if name in _BINARY]
    if judged.cardinality != 2 and binary:
        raise LabelModelError(
            f"{binary[0]!r} is for two classes and there are {judged.cardinality}; "
            "'f1_micro' and 'f1_macro' are for any number."
        )
    if not len(judged.gold):
        raise GoldError("There is no gold label on these examples to score against.")
    answered = judged.take(judged.predicted >= 0)
    if not len(answered.gold) and set(metrics) != {"coverage"}:
        raise GoldError(
            f"All {len(judged.gold):,} gold examples are ties, on which the predictions abstain; "
            'use another tie_break, such as "first".'
        )
    return {name: METRICS[name](judged if name == "coverage" else answered) for name in metrics}


def _coverage(judged: Judged) -> float:
    return float(np.average(judged.predicted >= 0, weights=judged.weight))


def _accuracy(judged: Judged) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(judged.gold, judged.predicted, sample_weight=judged.weight))


def _precision(judged: Judged) -> float:
    from sklearn.metrics import precision_score

    return float(
        precision_score(
            judged.gold, judged.predicted, sample_weight=judged.weight, zero_division=0.0
        )
    )


def _recall(judged: Judged) -> float:
    from sklearn.metrics import recall_score

    return float(
        recall_score(judged.gold, judged.predicted, sample_weight=judged.weight, zero_division=0.0)
    )


def _f1(average: str) -> Callable[[Judged], float]:
    def f1(judged: Judged) -> float:
        from sklearn.metrics import f1_score

        return float(
            f1_score(
                judged.gold,
                judged.predicted,
                average=average,
                sample_weight=judged.weight,
                zero_division=0.0,
            )
        )

    return f1


def _matthews(judged: Judged) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(judged.gold, judged.predicted, sample_weight=judged.weight))


def _roc_auc(judged: Judged) -> float:
    from sklearn.metrics import roc_auc_score

    if len(np.unique(judged.gold)) < 2:
        return float("nan")
    return float(roc_auc_score(judged.gold, judged.proba[:, 1], sample_weight=judged.weight))


def _log_loss(judged: Judged) -> float:
    from sklearn.metrics import log_loss

    return float(
        log_loss(
            judged.gold,
            judged.proba,
            labels=list(range(judged.cardinality)),
            sample_weight=judged.weight,
        )
    )


METRICS: dict[str, Callable[[Judged], float]] = {
    "accuracy": _accuracy,
    "coverage": _coverage,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1("binary"),
    "f1_micro": _f1("micro"),
    "f1_macro": _f1("macro"),
    "matthews_corrcoef": _matthews,
    "roc_auc": _roc_auc,
    "log_loss": _log_loss,
}
_BINARY = ("precision", "recall", "f1", "roc_auc")
