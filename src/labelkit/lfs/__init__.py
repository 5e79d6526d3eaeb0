"""Labeling functions (LFs): rules of thumb that vote on examples, or abstain.

What comes in: an evidence table (joined with item and query tables) and labeling functions.
What goes out: `Votes`, one int8 column per function, and their analysis.
It must never loop over rows (row functions are the one marked exception, in ``rows``), and never
read a row before every function has been checked against the columns that are there.

In the order in which an LF meets its data::

    expression   col("x"): columns, arithmetic, text
    questions    what a condition asks of values     kinds  … and of which values it can be asked
    logic        &, |, ~ with unknowns
    ballot       vote(LABEL, where=…), first that does not abstain
    function     @labeling_function
    discovery    load_lfs: a project's functions by module path
    applier      apply: check, then one query        rows   … and row by row where it must be
    votes        Votes        patterns, moments      their sufficient statistics
    analysis     analyze      gold                   labels beside votes
    overlap      text as evidence
    templates    ready functions for interaction logs, with thresholds to choose
    suggest      thresholds, and functions, that labels suggest
"""

from labelkit.lfs.analysis import LFCounts, against_gold, analyze, wilson
from labelkit.lfs.applier import apply, check_lfs, vote_exprs
from labelkit.lfs.ballot import Ballot, Rule, vote
from labelkit.lfs.discovery import load_lfs
from labelkit.lfs.expression import Value, col
from labelkit.lfs.function import AnyLF, LabelingFunction, RowFunction, as_lf, labeling_function
from labelkit.lfs.gold import align_gold
from labelkit.lfs.logic import Condition
from labelkit.lfs.moments import Moments
from labelkit.lfs.overlap import text_evidence
from labelkit.lfs.patterns import ABSTAIN, Coding, Patterns
from labelkit.lfs.votes import LFFailure, Votes

__all__ = [
    "ABSTAIN",
    "AnyLF",
    "Ballot",
    "Coding",
    "Condition",
    "LFCounts",
    "LFFailure",
    "LabelingFunction",
    "Moments",
    "Patterns",
    "RowFunction",
    "Rule",
    "Value",
    "Votes",
    "against_gold",
    "align_gold",
    "analyze",
    "apply",
    "as_lf",
    "check_lfs",
    "col",
    "labeling_function",
    "load_lfs",
    "text_evidence",
    "vote",
    "vote_exprs",
    "wilson",
]
