"""The eye went past it on the way to another item."""

from __future__ import annotations

from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(times=(1, 2, 3, 5, 8))
def passed_over(times: int = 2, *, irrelevant: int = 0) -> Ballot:
    """A click further down shows that the eye went past this item; passed over several times and
    never chosen is more than an oversight.

    "Click > skip above" was right in 80 % of pairs against explicit judgments (Joachims 2002,
    "Optimizing search engines using clickthrough data"; Joachims et al. 2005, SIGIR).
    """
    positive("times", times)
    return vote(irrelevant, where=(col("skips") >= times) & (col("clicks") == 0))
