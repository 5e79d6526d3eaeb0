"""Looked at, and not wanted."""

from __future__ import annotations

from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(expected_clicks=(0.5, 1.0, 1.5, 2.0, 3.0))
def examined_but_skipped(expected_clicks: float = 1.0, *, irrelevant: int = 0) -> Ballot:
    """Looked at so often that an ordinary item of this query would have had its click by now.

    ``expected_clicks`` = effective exposure × the query's mean debiased click rate. Under the
    position-based model an ordinary item stays unclicked with probability exp(-expected_clicks):
    0.37 at 1, 0.14 at 2, 0.05 at 3 (Richardson et al. 2007).
    """
    positive("expected_clicks", expected_clicks)
    usual = col("ctr").mean(over="query")
    return vote(
        irrelevant,
        where=(col("clicks") == 0) & (col("exposure") * usual >= expected_clicks),
    )
