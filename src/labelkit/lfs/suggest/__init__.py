"""Thresholds and whole labeling functions learned from labels, for a person to accept.

What comes in: examples, the votes that there are, and gold (or weak labels). What goes out:
proposals as readable code, each with an accuracy that was measured on labels not used to find it.
It must never accept anything by itself, nor give an accuracy without an interval.

In the order in which data meets them::

    judged      labels beside examples: target, weight, query
    share       how often something is right, with an interval for few and weighted rows
    thresholds  learn_thresholds: those of a template
    terms       conditions on the columns      search  the best of them, and of their pairs
    suggesting  suggest: one half proposes, the other judges
    candidate   what a rule is worth, and its Python
    suggestions all of them, as a table and as code
"""

from labelkit.lfs.suggest.candidate import HEADER, Candidate
from labelkit.lfs.suggest.share import Share
from labelkit.lfs.suggest.suggesting import suggest
from labelkit.lfs.suggest.suggestions import Suggestions
from labelkit.lfs.suggest.thresholds import LearnedThresholds, learn_thresholds

__all__ = [
    "HEADER",
    "Candidate",
    "LearnedThresholds",
    "Share",
    "Suggestions",
    "learn_thresholds",
    "suggest",
]
