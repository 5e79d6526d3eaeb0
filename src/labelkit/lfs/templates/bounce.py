"""Clicked, and left at once."""

from __future__ import annotations

from labelkit.errors import LFError
from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(seconds=(3, 5, 10, 15, 20))
def bounce(
    seconds: float | None = 10, *, share: float | None = None, irrelevant: int = 0
) -> Ballot:
    """Everybody who clicked was back within seconds: the title promised what the page lacks. Yet
    a click is a good sign in itself, so this holds only of items clicked less than usual.

    ``share`` asks that so many of the clicks were quick for this query (its lower quartile of
    dwell); with ``seconds=None`` it asks for that alone. Quick backs as dissatisfaction: Sculley
    et al. 2009, "Predicting bounce rates in sponsored search advertisements", KDD; that what is
    quick depends on the topic: Kim et al. 2014, WSDM.
    """
    parts = (col("clicks") > 0) & (col("ctr") < col("ctr").mean(over="query"))
    if seconds is None and share is None:
        raise LFError("seconds=None and share=None leave nothing to vote on.")
    if seconds is not None:
        positive("seconds", seconds)
        parts = parts & (col("dwell_max") < seconds)
    if share is not None:
        positive("share", share)
        parts = parts & (col("bounces") / col("clicks") >= share)
    return vote(irrelevant, where=parts)
