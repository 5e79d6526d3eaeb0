"""The click after which nothing more was clicked."""

from __future__ import annotations

from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(share=(0.3, 0.5, 0.75, 0.9), at_least=(1, 2, 3, 5))
def last_click(share: float = 0.5, at_least: int = 2, *, relevant: int = 1) -> Ballot:
    """Who clicks nothing more on a page has often found what was sought.

    At least ``share`` of its clicks, and ``at_least`` in number, were the last of their page. Last
    clicks as satisfaction: the dynamic Bayesian network of Chapelle & Zhang 2009, "A dynamic
    Bayesian network click model for web search ranking", WWW. People also stop when they give up.
    """
    positive("share", share)
    positive("at_least", at_least)
    return vote(
        relevant,
        where=(col("last_clicks") >= at_least) & (col("last_clicks") / col("clicks") >= share),
    )
