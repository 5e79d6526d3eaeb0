"""What people asked next."""

from __future__ import annotations

from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(times_usual=(1.0, 1.25, 1.5, 2.0), at_least=(1, 2, 3, 5))
def reformulation(times_usual: float = 1.25, at_least: int = 2, *, irrelevant: int = 0) -> Ballot:
    """Pages that showed it left people to ask again in other words, more often than this query's
    pages do: it was not what they wanted.

    Impressions on pages without a satisfied click after which the query was changed, per
    impression, against the query's usual; at least ``at_least`` of them. Hassan et al. 2013,
    "Beyond clicks: query reformulation as a predictor of search satisfaction", CIKM. All items of
    a page share its fate, so one page tells little; and a new task is no reformulation.
    """
    positive("times_usual", times_usual)
    positive("at_least", at_least)
    usual = col("reformulated").mean(over="query") / col("impressions").mean(over="query")
    return vote(
        irrelevant,
        where=(col("reformulated") >= at_least)
        & (col("reformulated") / col("impressions") > times_usual * usual),
    )
