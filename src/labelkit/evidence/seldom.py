"""A warning where examples were shown about once, so that nothing tells how much they differ."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from labelkit.engine import collect
from labelkit.errors import WeakEvidenceWarning
from labelkit.evidence.sums import ExampleSums

# Impressions an example below which intervals were seen to cover less than they say: 94-96 % at
# 2.1, 85-95 % at 1.2, 63-96 % at 1.06 (simulated; docs/methods/evidence.md).
ENOUGH = 2.0
# A handful of rows is an illustration, of which nobody expects that its intervals cover.
FEW = 100


def warn_if_seldom_shown(sums: ExampleSums, unit: Sequence[str], *, stacklevel: int) -> None:
    """Say that intervals rest on a spread that these examples cannot show.

    The spread of the prior is learned from examples that were shown more than once. With fewer than
    two impressions each there is next to nothing to learn it from.

    Parameters
    ----------
    sums : computed, those that the prior is fitted to
    stacklevel : frames between the caller to blame and this function's caller
    """
    shown = collect(sums.table.select("impressions"))["impressions"]
    n = len(shown)
    if n < FEW or int(shown.sum()) >= ENOUGH * n:
        return
    once = int((shown == 1).sum())
    kind = " and ".join(unit)
    warnings.warn(
        f"{once:,} of {n:,} examples ({kind}) were shown only once, {int(shown.sum()) / n:.2f} "
        "times on average: from fewer than 2 impressions each nobody can tell how much they "
        "differ, and ctr_low and ctr_high need not cover (63-96 % instead of 95 % in simulated "
        "logs). Let functions read clicks, skips, dwell or conversions, choose a unit that was "
        "shown more often, or give evidence a prior that was fitted elsewhere.",
        WeakEvidenceWarning,
        stacklevel=stacklevel + 1,
    )
