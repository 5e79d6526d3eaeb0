"""Which examples people should look at, drawn so that their answers can also measure.

What comes in: weak labels (keys, ``p_0`` … ``p_{k-1}``) of a whole pool.
What goes out: a ``Batch``, in which every example carries its inclusion probability.
It must never choose an example without knowing with what probability it did, let the order of rows
or the engine change a draw, or build anything of size n × n.

In the order in which data meets them:

- ``scores``     how much a person's answer would tell, as arrays
- ``features``   features of a pool, by key or by row, read in blocks
- ``ordering``   the best by score, and groups in turn
- ``batches``    from scores to a batch whose members do not all say the same
- ``sampling``   probability samples: equal probability, systematic πps (pure NumPy)
- ``design``     audits by name: equal, pps, poisson, and in strata of class or score
- ``pool``       the pool in an order that depends on its keys alone
- ``batch``      ``Batch`` and ``Design``: what was drawn, and how
- ``scoring``    the score of every pool example, from whatever the user gave
- ``informing``  the certainty stratum, with its cap per query
- ``selecting``  ``select``: the certainty stratum, then the audit sample
- ``pooling``    labels of several rounds as one sample
- ``learner``, ``committee``  modAL's ``ActiveLearner`` and ``Committee`` on today's scikit-learn;
                 ``rows`` are those of whatever a classifier takes
- ``interop``    modAL's and scikit-activeml's strategies here, and ours there
- ``planning``   how many labels a target takes, and when to stop
- ``simulation`` the loop, with a scripted annotator, on data whose truth is known
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelkit.selection.batch import Batch, Design
from labelkit.selection.planning import (
    Found,
    LabelPlan,
    Target,
    Verdict,
    found_share,
    plan_labels,
    stop_at_plateau,
    stop_at_price,
    stop_at_recall,
    stop_at_width,
)
from labelkit.selection.pooling import PooledWeights, pooled_weights, probability_ever_drawn
from labelkit.selection.selecting import select
from labelkit.selection.simulation import LearningCurves, simulate_rounds

if TYPE_CHECKING:
    from labelkit.selection.committee import Committee
    from labelkit.selection.learner import ActiveLearner

__all__ = [
    "ActiveLearner",
    "Batch",
    "Committee",
    "Design",
    "Found",
    "LabelPlan",
    "LearningCurves",
    "PooledWeights",
    "Target",
    "Verdict",
    "found_share",
    "plan_labels",
    "pooled_weights",
    "probability_ever_drawn",
    "select",
    "simulate_rounds",
    "stop_at_plateau",
    "stop_at_price",
    "stop_at_recall",
    "stop_at_width",
]


def __getattr__(name: str) -> Any:
    # Learners are scikit-learn estimators, and importing scikit-learn takes about a second.
    if name == "ActiveLearner":
        from labelkit.selection.learner import ActiveLearner

        return ActiveLearner
    if name == "Committee":
        from labelkit.selection.committee import Committee

        return Committee
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
