"""What people asked next: votes on the columns of ``labelkit.lfs.session_evidence``."""

from __future__ import annotations

from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(share=(0.5, 0.6, 0.75, 0.9), clicks=(1, 2, 3, 5))
def reformulation(share: float = 0.75, clicks: int = 2, *, irrelevant: int = 0) -> Ballot:
    """Most people who clicked it went on to ask in other words: it was not what they wanted.

    ``share`` of the clicks that were followed by another query in the same session, of at least
    ``clicks``. Hassan et al. 2013, "Beyond clicks: query reformulation as a predictor of search
    satisfaction", CIKM. A session about several needs reformulates without dissatisfaction.
    """
    positive("share", share)
    positive("clicks", clicks)
    return vote(
        irrelevant,
        where=(col("clicks") >= clicks)
        & (col("clicks_then_reformulated") / col("clicks") >= share),
    )


@template(share=(0.3, 0.5, 0.75), clicks=(1, 2, 3, 5))
def ended_the_search(share: float = 0.5, clicks: int = 2, *, relevant: int = 1) -> Ballot:
    """Who stops searching after a click has often found it: no page and no query came after.

    ``share`` of the clicks that were the last of their session, of at least ``clicks``. Last
    clicks as satisfaction: the dynamic Bayesian network of Chapelle & Zhang 2009, WWW. A session
    also ends when people give up, or when the log was cut.
    """
    positive("share", share)
    positive("clicks", clicks)
    return vote(
        relevant,
        where=(col("clicks") >= clicks) & (col("clicks_ending_session") / col("clicks") >= share),
    )
