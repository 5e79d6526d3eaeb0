"""Position bias: how likely is each position to be looked at?

What comes in: ``PositionCounts`` of a log. What goes out: ``Propensities`` with intervals and
diagnoses, and inverse propensity weights. It must never print a number that the log cannot carry,
and never touches the log's rows except to attach weights.
"""

from labelkit.bias.propensities import Diagnosis, Propensities  # isort: skip — in order of use
from labelkit.bias.methods import METHODS, Method  # isort: skip
from labelkit.bias.estimator import PositionBias  # isort: skip
from labelkit.bias.trust_test import TrustTest, trust_test  # isort: skip
from labelkit.bias.cutoff import policy_propensities  # isort: skip
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

from labelkit.bias.sidebyside import (  # isort: skip
    EstimatorComparison,
    compare_estimators,
)
from labelkit.bias.diagnostics import (  # isort: skip
    Stability,
    stability_between_rankers,
    stability_over_time,
)

__all__ = [
    "DEFAULT_CLIP",
    "METHODS",
    "ClickModelComparison",
    "Diagnosis",
    "EstimatorComparison",
    "Method",
    "PositionBias",
    "Propensities",
    "Scheme",
    "SlotCounts",
    "Stability",
    "TrainingArrays",
    "TrustTest",
    "WeightSummary",
    "compare_click_models",
    "compare_estimators",
    "curve_of",
    "example_weights",
    "impression_weights",
    "policy_propensities",
    "position_weights",
    "stability_between_rankers",
    "stability_over_time",
    "summarise_weights",
    "training_arrays",
    "trust_test",
    "weight_report",
]
