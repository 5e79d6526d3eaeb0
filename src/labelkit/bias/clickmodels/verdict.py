"""From the gains of rivals over the position-based model to a sentence, and what to make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# What it means for the labels when a model describes the log better than the position-based one.
STOPPING = (
    "Users read from the top and stop after a result that satisfies, so a low position is seen "
    "only where nothing above satisfied: under PBM, results below strong ones look worse than they "
    "are. An unclicked result above a click was seen and passed over, which is evidence against "
    "it; an unclicked result below the last click is no evidence of irrelevance."
)
MEANING = {
    "cascade": STOPPING,
    "DCM": STOPPING,
    "DBN": STOPPING + " The last click of a page says more for its result than earlier clicks.",
    "UBM": (
        "Whether a result is seen depends on where the click above it was, not on its position "
        "alone: PBM's one weight per position misjudges impressions by the clicks beside them."
    ),
}


def below_a_click(ratio: float) -> str:
    """What UBM found directly below clicks: examination there ÷ that with no click above."""
    if ratio >= 1:
        return (
            f" Directly below a click, results were seen {ratio:.1f} times as often as at the same "
            "position with no click above: unclicked there, they are stronger evidence against an "
            "item than PBM takes them for, and unclicked on a page without clicks, weaker."
        )
    return (
        f" Directly below a click, results were seen {ratio:.2f} times as often as at the same "
        "position with no click above: unclicked there, they are weaker evidence against an item "
        "than PBM takes them for, and unclicked on a page without clicks, stronger."
    )


@dataclass(frozen=True)
class Gain:
    """What a model gains over the position-based model on held-out pages.

    ``share`` of PBM's log loss that it removes, with the interval ``low`` to ``high``, simultaneous
    over all rivals.
    """

    model: str
    share: float
    low: float
    high: float

    @property
    def percent(self) -> str:
        return f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%})"


def simplest_of_the_best(gains: Sequence[Gain], relevant_gain: float) -> Gain:
    """The first model that comes within a relevant gain of the highest."""
    highest = max(gain.share for gain in gains)
    return next(gain for gain in gains if gain.share > highest - relevant_gain)


@dataclass(frozen=True)
class Verdict:
    """``beaten``: PBM is clearly beaten; ``text`` says by what and what that means."""

    beaten: bool
    text: str


def judge(
    rivals: Sequence[Gain],
    baseline: Gain,
    *,
    relevant_gain: float,
    size: str,
    below_click: float = float("nan"),
) -> Verdict:
    """Is the position-based model a fair description of the log?

    Parameters
    ----------
    rivals : gains of the rival models, the simplest first
    baseline : gain of the click rate by position
    relevant_gain : the least share of PBM's log loss that is worth a thought
    size : the held-out data in words
    below_click : see ``below_a_click``; NaN if not known
    """
    clear = [g for g in rivals if g.low > 0 and g.share >= relevant_gain]
    top = max(rivals, key=lambda g: g.share)
    if clear:
        winner = simplest_of_the_best(clear, relevant_gain)
        others = [g.model for g in clear if g is not winner]
        text = (
            f"PBM is clearly beaten by {winner.model}{_too(others)}, which removes "
            f"{winner.percent} of its log loss on {size}. {MEANING[winner.model]}"
        )
        if winner.model == "UBM" and below_click == below_click:
            text += below_a_click(below_click)
    elif any(np.isnan([g.low for g in rivals])):
        text = f"Nobody knows which click model fits: {size} are too few to compare them."
    elif top.share >= relevant_gain:
        text = (
            f"Nobody knows yet whether PBM fits: {top.model} removes {top.percent} of its log "
            f"loss, but {size} are too few to rule out chance."
        )
    else:
        text = (
            "PBM describes the log as well as its rivals: the best of them, "
            f"{top.model}, removes {top.percent} of its log loss on {size}; "
        )
        text += (
            f"{relevant_gain:.1%}, which would matter, is not ruled out."
            if top.high >= relevant_gain
            else f"{relevant_gain:.1%} would matter."
        )
    if not baseline.high < 0:
        text += (
            " Note that PBM is not clearly better than click rates by position alone "
            f"({-baseline.share:.1%}, {-baseline.high:.1%} to {-baseline.low:.1%}): clicks on an "
            "item foretell little about its clicks on other pages, so few items have been shown "
            "often enough for a rate of their own."
        )
    return Verdict(bool(clear), text)


def _too(names: Sequence[str]) -> str:
    if not names:
        return ""
    *most, last = names
    listed = f"{', '.join(most)} and {last}" if most else last
    return f" ({listed} beat{'' if most else 's'} it too)"
