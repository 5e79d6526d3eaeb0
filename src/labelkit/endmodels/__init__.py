"""End models: classifiers of features that learn from weak labels, and speak where no LF votes.

What comes in: weak labels (probabilities), features of the same examples, and importance weights.
What goes out: a trained scikit-learn classifier, out-of-fold probabilities, and doubtful labels.
It must never look at gold, let one query stand on both sides of a fold, or compare a model with
labels that it was fitted to.

In the order in which data meets them::

    alignment    rows of one table found in another by key
    softlabels   probabilities from a table or an array
    weighting    importance weights from a log, or one's own
    features     numbers and texts as a matrix; columns that LFs read
    expansion    soft labels as weighted rows
    fitting      any scikit-learn estimator on weighted rows; Pipelines, batches, resampling
    crossfit     out-of-fold probabilities
    tables       probabilities as a table of labels
    comparison   where end model and labels part
    issues       labels that confident learning doubts (extra: cleanlab)
    model        EndModel
"""

from labelkit.endmodels.comparison import Comparison, compare
from labelkit.endmodels.features import Features, features
from labelkit.endmodels.issues import LabelIssues, label_issues
from labelkit.endmodels.model import EndModel
from labelkit.endmodels.softlabels import SoftLabels, soft_labels

__all__ = [
    "Comparison",
    "EndModel",
    "Features",
    "LabelIssues",
    "SoftLabels",
    "compare",
    "features",
    "label_issues",
    "soft_labels",
]
