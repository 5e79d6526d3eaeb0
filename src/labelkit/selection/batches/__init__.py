"""Batches: from scores to a set of examples that do not all say the same.

What comes in: acquisition scores of a pool and, where a strategy looks at them, features.
What goes out: positions in the pool, the most wanted first.
It must never build anything of size n × n, copy the pool, or let the order of equal scores depend
on anything but the generator that it is given.

- ``candidates``      the task, and the best of a pool by score
- ``cluster_power``   drawn by chance and score, the most central of each cluster: the default
- ``cluster_margin``  of the most uncertain, one of each cluster in turn
- ``k_center``        what is farthest from everything chosen
- ``badge``           k-means++ on gradient embeddings
- ``typiclust``       the most typical of each cluster, for a cold start
- ``stochastic``      scores with noise
- ``clustering``      many small clusters
- ``choosing``        strategies by name, for arrays: ``choose``
- ``distances``       squared distances to a few points; wide sparse rows made narrow
"""

from __future__ import annotations

from labelkit.selection.batches.badge import badge
from labelkit.selection.batches.candidates import BatchStrategy, BatchTask, best
from labelkit.selection.batches.choosing import (
    BATCHES,
    DEFAULT,
    NEEDS_FEATURES,
    checked,
    choose,
    named,
)
from labelkit.selection.batches.cluster_margin import cluster_margin
from labelkit.selection.batches.cluster_power import cluster_power
from labelkit.selection.batches.k_center import k_center
from labelkit.selection.batches.stochastic import power, softmax
from labelkit.selection.batches.typiclust import typiclust

__all__ = [
    "BATCHES",
    "DEFAULT",
    "NEEDS_FEATURES",
    "BatchStrategy",
    "BatchTask",
    "badge",
    "best",
    "checked",
    "choose",
    "cluster_margin",
    "cluster_power",
    "k_center",
    "named",
    "power",
    "softmax",
    "typiclust",
]
