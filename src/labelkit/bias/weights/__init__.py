"""Inverse propensity weights: every click counted as often as it was unlikely to be seen.

What comes in: a log and a curve. What goes out: weights per impression and per example, arrays for
scikit-learn, and what each way of weighting costs. It must never weight an impression whose
propensity is not known: its weight is 0, and it is counted.

In order of use: ``slots`` lays a log out on a curve, ``schemes`` turns clicks into weights,
``impressions`` and ``examples`` are the columns, ``arrays`` is for scikit-learn, ``summary`` and
``report`` say what it costs.
"""

from labelkit.bias.weights.slots import (  # isort: skip — in order of use
    DEFAULT_CLIP,
    SlotCounts,
    curve_of,
    position_weights,
)
from labelkit.bias.weights.schemes import SCHEMES, ExampleSums, Scheme, weigh  # isort: skip
from labelkit.bias.weights.impressions import impression_weights  # isort: skip
from labelkit.bias.weights.examples import example_weights  # isort: skip
from labelkit.bias.weights.arrays import TrainingArrays, training_arrays  # isort: skip
from labelkit.bias.weights.summary import WeightSummary, summarise_weights  # isort: skip
from labelkit.bias.weights.report import weight_report  # isort: skip

__all__ = [
    "DEFAULT_CLIP",
    "SCHEMES",
    "ExampleSums",
    "Scheme",
    "SlotCounts",
    "TrainingArrays",
    "WeightSummary",
    "curve_of",
    "example_weights",
    "impression_weights",
    "position_weights",
    "summarise_weights",
    "training_arrays",
    "weigh",
    "weight_report",
]
