"""labelkit: from an interaction log to training labels that people can trust.

The public surface, in the order in which data meets it. Names load on first use, so that
``import labelkit`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# Eager, because the verb `lk.evidence(...)` has the name of its room: imported later, the import
# system would put the module in the verb's place.
from labelkit.evidence import evidence

__version__ = "0.1.0"

_HOME = {
    # the log
    "read_log": "labelkit.logs",
    "InteractionLog": "labelkit.logs",
    "simulate": "labelkit.logs",
    # position bias and evidence
    "PositionBias": "labelkit.bias",
    "impression_weights": "labelkit.bias",
    "example_weights": "labelkit.bias",
    "training_arrays": "labelkit.bias",
    "weight_report": "labelkit.bias",
    "known_at": "labelkit.evidence",
    "preference_pairs": "labelkit.evidence",
    "doubly_robust": "labelkit.evidence",
    # labeling functions
    "ABSTAIN": "labelkit.lfs",
    "labeling_function": "labelkit.lfs",
    "vote": "labelkit.lfs",
    "soft_vote": "labelkit.lfs",
    "graded": "labelkit.lfs",
    "interval": "labelkit.lfs",
    "lookup": "labelkit.lfs",
    "col": "labelkit.lfs",
    "text_evidence": "labelkit.lfs",
    "apply": "labelkit.lfs",
    "analyze": "labelkit.lfs",
    "Votes": "labelkit.lfs",
    # label models
    "LabelModel": "labelkit.labelmodels",
    "MajorityVote": "labelkit.labelmodels",
    "OneCoin": "labelkit.labelmodels",
    "SnorkelMoments": "labelkit.labelmodels",
    "VoteRates": "labelkit.labelmodels",
    "DawidSkene": "labelkit.labelmodels",
    "Triplets": "labelkit.labelmodels",
    "WeightedMajority": "labelkit.labelmodels",
    "CrowdModel": "labelkit.labelmodels",
    # end models
    "EndModel": "labelkit.endmodels",
    "features": "labelkit.endmodels",
    # selection and rounds
    "select": "labelkit.selection",
    "Batch": "labelkit.selection",
    "ActiveLearner": "labelkit.selection",
    "Committee": "labelkit.selection",
    "found_share": "labelkit.selection",
    "plan_labels": "labelkit.selection",
    "pooled_weights": "labelkit.selection",
    "simulate_rounds": "labelkit.selection",
    "stop_at_plateau": "labelkit.selection",
    "stop_at_price": "labelkit.selection",
    "stop_at_recall": "labelkit.selection",
    "stop_at_width": "labelkit.selection",
    "LabelPlan": "labelkit.selection",
    "LearningCurves": "labelkit.selection",
    "Ledger": "labelkit.rounds",
    "LabelStudio": "labelkit.platforms",
    "FilesPlatform": "labelkit.platforms",
    # validation and projects
    "validate": "labelkit.validation",
    "ValidationReport": "labelkit.validation",
    "Project": "labelkit.project",
    # what can go wrong
    "LabelkitError": "labelkit.errors",
    "LabelkitWarning": "labelkit.errors",
    "NotIdentifiable": "labelkit.errors",
}

__all__ = [
    "ABSTAIN",
    "ActiveLearner",
    "Batch",
    "Committee",
    "CrowdModel",
    "DawidSkene",
    "EndModel",
    "FilesPlatform",
    "InteractionLog",
    "LabelModel",
    "LabelPlan",
    "LabelStudio",
    "LabelkitError",
    "LabelkitWarning",
    "LearningCurves",
    "Ledger",
    "MajorityVote",
    "NotIdentifiable",
    "OneCoin",
    "PositionBias",
    "Project",
    "SnorkelMoments",
    "Triplets",
    "ValidationReport",
    "VoteRates",
    "Votes",
    "WeightedMajority",
    "__version__",
    "analyze",
    "apply",
    "col",
    "doubly_robust",
    "evidence",
    "example_weights",
    "features",
    "found_share",
    "graded",
    "impression_weights",
    "interval",
    "known_at",
    "labeling_function",
    "lookup",
    "plan_labels",
    "pooled_weights",
    "preference_pairs",
    "read_log",
    "select",
    "simulate",
    "simulate_rounds",
    "soft_vote",
    "stop_at_plateau",
    "stop_at_price",
    "stop_at_recall",
    "stop_at_width",
    "text_evidence",
    "training_arrays",
    "validate",
    "vote",
    "weight_report",
]

if TYPE_CHECKING:
    from labelkit.bias import (
        PositionBias,
        example_weights,
        impression_weights,
        training_arrays,
        weight_report,
    )
    from labelkit.endmodels import EndModel, features
    from labelkit.errors import LabelkitError, LabelkitWarning, NotIdentifiable
    from labelkit.evidence import doubly_robust, known_at, preference_pairs
    from labelkit.labelmodels import (
        CrowdModel,
        DawidSkene,
        LabelModel,
        MajorityVote,
        OneCoin,
        SnorkelMoments,
        Triplets,
        VoteRates,
        WeightedMajority,
    )
    from labelkit.lfs import (
        ABSTAIN,
        Votes,
        analyze,
        apply,
        col,
        graded,
        interval,
        labeling_function,
        lookup,
        soft_vote,
        text_evidence,
        vote,
    )
    from labelkit.logs import InteractionLog, read_log, simulate
    from labelkit.platforms import FilesPlatform, LabelStudio
    from labelkit.project import Project
    from labelkit.rounds import Ledger
    from labelkit.selection import (
        ActiveLearner,
        Batch,
        Committee,
        LabelPlan,
        LearningCurves,
        found_share,
        plan_labels,
        pooled_weights,
        select,
        simulate_rounds,
        stop_at_plateau,
        stop_at_price,
        stop_at_recall,
        stop_at_width,
    )
    from labelkit.validation import ValidationReport, validate


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'labelkit' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
