"""A purchase, a download, a booking."""

from __future__ import annotations

from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import col
from labelkit.lfs.templates.template import positive, template


@template(at_least=(1, 2, 3, 5))
def conversion(at_least: int = 1, *, relevant: int = 1) -> Ballot:
    """A purchase is rare, deliberate and costs money: nobody buys what does not answer the need.

    Purchases as the strongest of implicit signals in product search: Karmaker Santu et al. 2017,
    "On application of learning to rank for e-commerce search", SIGIR. They come late (Chapelle
    2014, "Modeling delayed feedback in display advertising", KDD), so that having none yet says
    little: this function never votes against an item.
    """
    positive("at_least", at_least)
    return vote(relevant, where=col("conversions") >= at_least)
