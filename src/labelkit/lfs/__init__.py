"""Labeling functions (LFs): rules of thumb that vote on examples, or abstain.

What comes in: an evidence table (joined with item and query tables) and labeling functions.
What goes out: `Votes`, one int8 column per function, and their analysis.
It must never loop over rows (row functions are the one marked exception), and never read a row
before every function has been checked against the columns that are there.
"""

from labelkit.lfs.moments import Moments
from labelkit.lfs.patterns import ABSTAIN, Coding, Patterns
from labelkit.lfs.votes import LFFailure, Votes

__all__ = [
    "ABSTAIN",
    "Coding",
    "LFFailure",
    "Moments",
    "Patterns",
    "Votes",
]
