"""Labeling functions (LFs): rules of thumb that vote on examples, or abstain.

What comes in: an evidence table (joined with item and query tables) and labeling functions.
What goes out: `Votes`, one int8 column per function, and their analysis.
It must never loop over rows (row functions are the one marked exception, in ``rows``), and never
read a row before every function has been checked against the columns that are there.

In the order in which an LF meets its data::

    expression   col("x"): columns, arithmetic, text
    over         … among its query's (windows, totals)    words  … its words (tokens)
    times        … its age and weekday (calendar)    lookups  lookup(table, …) (tables)
    questions    what a condition asks of values     kinds  … and of which values it can be asked
    intervals    interval("ctr") > …: surely, or unknown
    logic        &, |, ~ with unknowns
    ballot       vote(LABEL, where=…), first that does not abstain    soft  probabilities, grades
    stages       windows, words and joins, made as columns before the votes are
    function     @labeling_function      batches  … of many rows at once, in Python
    models       what scores an example, votes on it: labelkit.lfs.models
    discovery    load_lfs: a project's functions by module path
    applier      apply: check, then one query        keys   … every example once
    running      what needs Python, in batches       rows   … row by row where it must be
    processes    … in several processes              spark  … and on Spark's executors
    votes        Votes        patterns, moments      their sufficient statistics
    analysis     analyze      gold                   labels beside votes
    pairs        agreement of pairs, redundancy      buckets  votes × gold, and the examples
    clusters     differences, clustered by query     drift, changes  of two sets of votes
    overlap      text as evidence
    snorkel/     Snorkel's names for all this, for code that was written for it
    templates    ready functions for interaction logs, with thresholds to choose
    suggest      thresholds, and functions, that labels suggest
"""

from labelkit.lfs.analysis import LFCounts, against_gold, analyze, wilson
from labelkit.lfs.applier import apply, check_lfs, vote_exprs
from labelkit.lfs.ballot import Ballot, Rule, vote
from labelkit.lfs.batches import BatchFunction
from labelkit.lfs.buckets import bucket_examples, error_buckets
from labelkit.lfs.changes import changed_examples, vote_changes
from labelkit.lfs.discovery import load_lfs
from labelkit.lfs.drift import lf_drift
from labelkit.lfs.expression import Value, col
from labelkit.lfs.function import AnyLF, LabelingFunction, RowFunction, as_lf, labeling_function
from labelkit.lfs.gold import align_gold
from labelkit.lfs.intervals import Interval, interval
from labelkit.lfs.logic import Condition
from labelkit.lfs.lookups import lookup
from labelkit.lfs.moments import Moments
from labelkit.lfs.overlap import text_evidence
from labelkit.lfs.pairs import agreement, redundancy
from labelkit.lfs.patterns import ABSTAIN, Coding, Patterns
from labelkit.lfs.soft import graded, most_probable, soft_vote
from labelkit.lfs.stages import prepare
from labelkit.lfs.votes import LFFailure, Votes

__all__ = [
    "ABSTAIN",
    "AnyLF",
    "Ballot",
    "BatchFunction",
    "Coding",
    "Condition",
    "Interval",
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
    "agreement",
    "align_gold",
    "analyze",
    "apply",
    "as_lf",
    "bucket_examples",
    "changed_examples",
    "check_lfs",
    "col",
    "error_buckets",
    "graded",
    "interval",
    "labeling_function",
    "lf_drift",
    "load_lfs",
    "lookup",
    "most_probable",
    "prepare",
    "redundancy",
    "soft_vote",
    "text_evidence",
    "vote",
    "vote_changes",
    "vote_exprs",
    "wilson",
]
