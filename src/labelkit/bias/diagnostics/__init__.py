"""Diagnoses that look beyond one fit: is the curve stable, and who holds the weight?

What comes in: a log, and a curve that was fitted to it. What goes out: small tables, and findings
with a level ("fine", "look", "stop") and one sentence on what to do. It must never change a curve.

- ``concentration`` effective sample size, weight concentration, exploding weights, clipping
- ``cutting``       a log by time window, or by ranker
- ``contrasts``     clustered tests between curves
- ``stability``     time windows against each other, and rankers against each other
- ``trust``         does the curve depend on the item?

What a fit says about itself is in ``labelkit.bias.diagnose``; how labels move with θ is found by
``labelkit.project``, since labels come after this room.
"""

from labelkit.bias.diagnostics.concentration import concentration, weights_by_slot
from labelkit.bias.diagnostics.stability import (
    Stability,
    stability_between_rankers,
    stability_over_time,
)
from labelkit.bias.diagnostics.trust import trust_bias

__all__ = [
    "Stability",
    "concentration",
    "stability_between_rankers",
    "stability_over_time",
    "trust_bias",
    "weights_by_slot",
]
