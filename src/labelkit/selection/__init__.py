"""Which examples people should look at, drawn so that their answers can also measure.

What comes in: weak labels (keys, ``p_0`` … ``p_{k-1}``) of a whole pool.
What goes out: a ``Batch``, in which every example carries its inclusion probability.
It must never choose an example without knowing with what probability it did, let the order of rows
or the engine change a draw, or build anything of size n × n.

In the order in which data meets them:

- ``scores``     how much a person's answer would tell: margin, entropy (pure NumPy)
- ``sampling``   probability samples: equal probability, systematic πps (pure NumPy)
- ``pool``       the pool in an order that depends on its keys alone
- ``batch``      ``Batch`` and ``Design``: what was drawn, and how
- ``selecting``  ``select``: the certainty stratum, then the audit sample
- ``pooling``    labels of several rounds as one sample
"""

from __future__ import annotations

from labelkit.selection.batch import Batch, Design
from labelkit.selection.pooling import PooledWeights, pooled_weights, probability_ever_drawn
from labelkit.selection.selecting import select

__all__ = [
    "Batch",
    "Design",
    "PooledWeights",
    "pooled_weights",
    "probability_ever_drawn",
    "select",
]
