"""Snorkel's names for labeling functions, without Snorkel: for code that was written for it.

What comes in: functions, preprocessors and calls as Snorkel 0.10 has them.
What goes out: its label matrix L (n, m), -1 abstains, and its analysis of it.
It must never import Snorkel, and never be needed by the rest of labelkit.

::

    maps        @preprocessor, Mapper: what runs before a labeling function, remembered if asked
    functions   LabelingFunction(name, f, resources, pre), @labeling_function()
    appliers    LFApplier, PandasLFApplier, PandasParallelLFApplier, SparkLFApplier
    analysis    LFAnalysis, filter_unlabeled_dataframe

`labelkit.apply` takes these functions, and the real Snorkel's, beside its own.
"""

from labelkit.lfs.snorkel.analysis import LFAnalysis, filter_unlabeled_dataframe
from labelkit.lfs.snorkel.appliers import (
    ApplierMetadata,
    LFApplier,
    PandasLFApplier,
    PandasParallelLFApplier,
    SparkLFApplier,
)
from labelkit.lfs.snorkel.functions import LabelingFunction, labeling_function
from labelkit.lfs.snorkel.maps import (
    BaseMapper,
    BasePreprocessor,
    LambdaMapper,
    LambdaPreprocessor,
    Mapper,
    Preprocessor,
    get_hashable,
    lambda_mapper,
    preprocessor,
)

__all__ = [
    "ApplierMetadata",
    "BaseMapper",
    "BasePreprocessor",
    "LFAnalysis",
    "LFApplier",
    "LabelingFunction",
    "LambdaMapper",
    "LambdaPreprocessor",
    "Mapper",
    "PandasLFApplier",
    "PandasParallelLFApplier",
    "Preprocessor",
    "SparkLFApplier",
    "filter_unlabeled_dataframe",
    "get_hashable",
    "labeling_function",
    "lambda_mapper",
    "preprocessor",
]
