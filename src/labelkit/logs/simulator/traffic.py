"""Who comes, on what, how often, and who is no person: ``Device``, ``Sessions``, ``Bots``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import LogError
from labelkit.logs.simulator.rows import BoolArray, IntArray, PageClicks


@dataclass(frozen=True)
class Device:
    """A device class, whose pages are read in their own way; what attracts is the same on all.

    Parameters
    ----------
    name : as it stands in the column ``device``
    clicks : how its pages are clicked; None is as the log's own click model
    share : its weight among the sessions
    """

    name: str
    clicks: PageClicks | None = None
    share: float = 1.0

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise LogError(f"A device needs share > 0; got {self.share} for {self.name!r}.")


@dataclass(frozen=True)
class Sessions:
    """Sessions of several pages, in which a person asks again, is content, or looks steadily.

    Parameters
    ----------
    pages : mean number of pages (geometric), ≥ 1, if nothing ends a session earlier
    repeat : P(the next page is for the same query), in [0, 1]; else any query by its popularity
    ends_content : P(a page with a click is the session's last), in [0, 1]. Above 0, asking again
        is a sign that nothing fitted
    steady : share of sessions that look equally deep on every page: all their examinations rest
        on one draw. P(click) of an impression stays what it was, but impressions of a session are
        no longer independent, and intervals that take them for it are too narrow
    gap_s : mean seconds between pages (exponential)
    """

    pages: float = 3.0
    repeat: float = 0.3
    ends_content: float = 0.0
    steady: float = 0.0
    gap_s: float = 40.0

    def __post_init__(self) -> None:
        shares = (self.repeat, self.ends_content, self.steady)
        if not self.pages >= 1 or not self.gap_s > 0 or not all(0 <= s <= 1 for s in shares):
            raise LogError(
                "Sessions need pages ≥ 1, gap_s > 0, and repeat, ends_content and steady in "
                f"[0, 1]; got {self}."
            )
        if self.steady > 0 and self.ends_content > 0:
            # Whoever looks deep clicks, and is gone: later pages would be read by the shallow.
            raise LogError(
                "Sessions with both steady and ends_content have no one θ_k: those who look deep "
                "leave first. Set one of them to 0."
            )


@dataclass(frozen=True)
class Bots:
    """Sessions that are no person's: they see many pages, fast, and click blindly.

    Parameters
    ----------
    share : share of sessions, in [0, 1]; their share of impressions is larger by ``pages``
    click_rate : P(click) of every impression: 0 crawls, 1 clicks on everything
    pages : mean number of pages of a session (geometric), ≥ 1
    gap_s : mean seconds between pages (exponential)
    """

    share: float = 0.01
    click_rate: float = 1.0
    pages: float = 30.0
    gap_s: float = 1.0

    def __post_init__(self) -> None:
        rates = (self.share, self.click_rate)
        if not self.pages >= 1 or not self.gap_s > 0 or not all(0 <= r <= 1 for r in rates):
            raise LogError(
                f"Bots need share and click_rate in [0, 1], pages ≥ 1 and gap_s > 0; got {self}."
            )

    def are(self, sessions: npt.NDArray[np.integer], seed: int) -> BoolArray:
        """Which sessions are bots: a function of their number and the seed, so never stored."""
        level = mixed(sessions, seed) >> np.uint64(11)
        return np.asarray(level.astype(np.float64) * 2.0**-53 < self.share)


def mixed(numbers: npt.NDArray[np.integer] | IntArray, seed: int) -> npt.NDArray[np.uint64]:
    """Whole numbers scattered over 64 bits: SplitMix64 (Steele, Lea, Flood 2014) at each."""
    start = np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    z = start + numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
