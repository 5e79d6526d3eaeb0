"""Position bias: how likely is each position to be looked at?

What comes in: ``PositionCounts`` of a log. What goes out: ``Propensities`` with intervals and
diagnoses, and inverse propensity weights. It must never print a number that the log cannot carry,
and never touches the log's rows except to attach weights.
"""

from labelkit.bias.propensities import Diagnosis, Propensities  # isort: skip — in order of use
from labelkit.bias.estimator import PositionBias  # isort: skip
from labelkit.bias.weights import (  # isort: skip
    DEFAULT_CLIP,
    Scheme,
    SlotCounts,
    TrainingArrays,
    WeightSummary,
    curve_of,
    example_weights,
    impression_weights,
    position_weights,
    summarise_weights,
    training_arrays,
    weight_report,
)
from labelkit.bias.clickmodels import ClickModelComparison, compare_click_models  # isort: skip

__all__ = [
    "DEFAULT_CLIP",
    "ClickModelComparison",
    "Diagnosis",
    "PositionBias",
    "Propensities",
    "Scheme",
    "SlotCounts",
    "TrainingArrays",
    "WeightSummary",
    "compare_click_models",
    "curve_of",
    "example_weights",
    "impression_weights",
    "position_weights",
    "summarise_weights",
    "training_arrays",
    "weight_report",
]
