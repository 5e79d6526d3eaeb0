"""From the gains of rivals over the position-based model to a sentence, and what to make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        "alone: unclicked results just below or above a click weigh more against an item, and "
        "those far from any click less, than PBM's one weight per position has it."
    ),
}


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
) -> Verdict:
    """Is the position-based model a fair description of the log?

    Parameters
    ----------
    rivals : gains of the rival models
    baseline : gain of the click rate by position
    relevant_gain : the least share of PBM's log loss that is worth a thought
    size : the held-out data in words
    """
    clear = [g for g in rivals if g.low > 0 and g.share >= relevant_gain]
    best = max(rivals, key=lambda g: g.share)
    if clear:
        winner = max(clear, key=lambda g: g.share)
        others = [g.model for g in clear if g is not winner]
        also = f" ({' and '.join(others)} beat{'s' if len(others) == 1 else ''} it too)"
        text = (
            f"PBM is clearly beaten by {winner.model}{also if others else ''}, which removes "
            f"{winner.percent} of its log loss on {size}. {MEANING[winner.model]}"
        )
    elif not best.share == best.share or not best.low == best.low:
        text = f"Nobody knows which click model fits: {size} are too few to compare them."
    elif best.share >= relevant_gain:
        text = (
            f"Nobody knows yet whether PBM fits: {best.model} removes {best.percent} of its log "
            f"loss, but {size} are too few to rule out chance."
        )
    else:
        text = (
            "PBM describes the log as well as its rivals: the best of them, "
            f"{best.model}, removes {best.percent} of its log loss on {size}; "
            f"{relevant_gain:.0%} would matter."
        )
    if not baseline.high < 0:
        text += (
            " But PBM is not clearly better than click rates by position alone "
            f"({-baseline.share:.1%}, {-baseline.high:.1%} to {-baseline.low:.1%}): clicks on an "
            "item foretell little about its clicks on other pages, so few items have been shown "
            "often enough for a rate of their own."
        )
    return Verdict(bool(clear), text)
