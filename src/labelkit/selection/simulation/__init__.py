"""The loop of labeling, simulated: which strategy would have paid on data whose truth is known?

What comes in: weak labels and features of a pool, and its truth, held back from all but the
scripted annotator and the examiner.
What goes out: learning curves of all strategies, with intervals over seeds.
It must never let a learner or a strategy see the truth of an example that was not asked about.

In the order in which data meets them:

- ``annotator`` answers from held-back truth, wrong at a given rate, at a given cost
- ``learner``   what learns from the answers, and how good it is on examples set aside
- ``loop``      one strategy, one seed: round after round
- ``curves``    ``simulate_rounds``: all strategies over seeds, compared in pairs
"""

from __future__ import annotations

from labelkit.selection.simulation.curves import LearningCurves, simulate_rounds

__all__ = ["LearningCurves", "simulate_rounds"]
