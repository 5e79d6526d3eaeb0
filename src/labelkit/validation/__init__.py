"""How good labels are, measured on gold, every number with an interval.

What comes in: label sets (weak labels, naive baselines) and gold with inclusion probabilities.
What goes out: a ``ValidationReport``: metrics with intervals, and paired differences in words.
It must never give a number without an interval, speak about examples that had no chance of being
drawn, or look at gold while making labels.

In the order in which data meets them:

- ``metrics``     accuracy, precision, recall, F1, AUC, log loss, calibration error, NDCG (NumPy)
- ``ranking``     NDCG query by query, ties shared
- ``gold``        gold labels, checked
- ``labelsets``   weak labels and baselines, aligned by key
- ``units``       gold rows and the prior's pseudo-rows, with what every label set says about them
- ``replicates``  what the gold stands for, and how it might have been otherwise
- ``estimators``  metrics under replicates: estimate and draws
- ``report``      ``ValidationReport`` and its sentences
- ``validating``  ``validate``
"""

from __future__ import annotations

from labelkit.validation.report import ValidationReport
from labelkit.validation.validating import validate

__all__ = ["ValidationReport", "validate"]
