"""How many labels a target takes, and when to stop asking.

What comes in: weak labels of a pool, the gold so far, and how the next rounds would be drawn.
What goes out: predicted interval widths, what a target takes and costs, a verdict on stopping.
It must never predict without saying how uncertain the prediction is.

In the order in which data meets them:

- ``target``    "f1 ± 0.03", read
- ``state``     what the pool and the gold so far say, row by row of the confusion table
- ``confusion`` metrics of confusion tables, many at once
- ``forecast``  the interval that validation would print after B more labels
- ``plan``      ``plan_labels``: labels and cost that a target takes
- ``recall``    how many relevant items are still to be found
- ``stopping``  stop rules: target width, plateau, recall, price
"""

from __future__ import annotations

from labelkit.selection.planning.plan import LabelPlan, plan_labels
from labelkit.selection.planning.recall import Found, found_share
from labelkit.selection.planning.stopping import (
    Verdict,
    stop_at_plateau,
    stop_at_price,
    stop_at_recall,
    stop_at_width,
)
from labelkit.selection.planning.target import Target, read_target

__all__ = [
    "Found",
    "LabelPlan",
    "Target",
    "Verdict",
    "found_share",
    "plan_labels",
    "read_target",
    "stop_at_plateau",
    "stop_at_price",
    "stop_at_recall",
    "stop_at_width",
]
