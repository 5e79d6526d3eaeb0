"""Which examples people should look at, drawn so that their answers can also measure.

What comes in: weak labels (keys, ``p_0`` … ``p_{k-1}``) of a whole pool.
What goes out: a ``Batch``, in which every example carries its inclusion probability.
It must never choose an example without knowing with what probability it did, let the order of rows
or the engine change a draw, or build anything of size n × n.

In the order in which data meets them:

- ``scores``     how much a person's answer would tell: margin, entropy (pure NumPy)
- ``sampling``   probability samples: equal probability, systematic πps (pure NumPy)
- ``design``     audits by name: equal, pps, poisson, and in strata of class or score
- ``pool``       the pool in an order that depends on its keys alone
- ``batch``      ``Batch`` and ``Design``: what was drawn, and how
- ``selecting``  ``select``: the certainty stratum, then the audit sample
- ``pooling``    labels of several rounds as one sample
- ``planning``   how many labels a target takes, and when to stop
- ``simulation`` the loop, with a scripted annotator, on data whose truth is known
"""

from __future__ import annotations

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

__all__ = [
    "Batch",
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
