"""Clicked, and left at once."""

from __future__ import annotations

from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(seconds=(3, 5, 10, 15, 20))
def bounce(seconds: float = 10, *, irrelevant: int = 0) -> Ballot:
    """Everybody who clicked was back within seconds: the title promised what the page lacks. Yet
    a click is a good sign in itself, so this holds only of items clicked less than usual.

    Quick backs as dissatisfaction: Sculley et al. 2009, "Predicting bounce rates in sponsored
    search advertisements", KDD; Kim et al. 2014, WSDM.
    """
    positive("seconds", seconds)
    usual = col("ctr").mean(over="query")
    return vote(
        irrelevant,
        where=(col("clicks") > 0) & (col("dwell_max") < seconds) & (col("ctr") < usual),
    )
