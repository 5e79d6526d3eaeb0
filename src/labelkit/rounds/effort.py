"""What people's answers take: seconds per label, as the platform timed them.

Imports SQLAlchemy, so it is itself imported only when a ledger is opened.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from labelkit.rounds.tables import answers

# A page left open over lunch is not work. Ten times the median is beyond any honest hesitation.
_LONGEST = 10.0


def seconds_per_label(connection: sa.Connection) -> float | None:
    """Mean time of the answers that count, in seconds; None while the platform timed none."""
    query = sa.select(answers.c.lead_time_s).where(
        answers.c.is_current.is_(True),
        answers.c.status == "answered",
        answers.c.lead_time_s.is_not(None),
    )
    return mean_time([float(value) for value in connection.scalars(query)])


def mean_time(seconds: Sequence[float]) -> float | None:
    """Mean of times, none counted for more than ten times the median; None without a positive one.

    >>> mean_time([10, 20, 30, 86_400])
    77.5
    """
    times = np.array([s for s in seconds if s > 0])
    if not len(times):
        return None
    return float(np.minimum(times, _LONGEST * np.median(times)).mean())
