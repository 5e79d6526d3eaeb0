"""Is it the position alone? The test for trust bias as a finding."""

from __future__ import annotations

from labelkit.bias.propensities import Diagnosis
from labelkit.bias.trust_test import trust_test
from labelkit.errors import NotIdentifiable
from labelkit.logs import PositionCounts

NAME = "trust bias"
# An interval that reaches farther than this, a curve half as steep again per doubling and more,
# comes from too few clicks to call anything fine.
BLIND = 1.0


def trust_bias(counts: PositionCounts, *, false_alarm: float = 0.05, seed: int = 0) -> Diagnosis:
    """Whether the curve depends on how attractive an item is; see ``labelkit.bias.trust_test``.

    Parameters
    ----------
    false_alarm : share of logs of the position-based model that may be told to look, in (0, 1)
    """
    try:
        test = trust_test(counts, level=1 - false_alarm, seed=seed)
    except NotIdentifiable as error:
        return Diagnosis(NAME, "look", f"It cannot be tested: {error} Read a longer period.")
    span = f"{test.departure:+.2f} ({test.low:+.2f} to {test.high:+.2f})"
    if test.p_value > false_alarm and test.high - test.low > 2 * BLIND:
        return Diagnosis(
            NAME,
            "look",
            f"Nobody can tell: the curve's exponent moves by {span} per e-fold of attractiveness, "
            "and an interval that wide rules nothing out. Read a longer period.",
        )
    if test.p_value > false_alarm:
        return Diagnosis(
            NAME,
            "fine",
            "The curve is as steep for attractive items as for others, within chance: its exponent "
            f"moves by {span} per e-fold of attractiveness (p = {test.p_value:.2f}).",
        )
    what = (
        "less attractive items lose their clicks faster down the page, as where users trust the top"
        if test.departure < 0
        else "attractive items lose their clicks faster down the page, as where users stop when "
        "they are satisfied"
    )
    return Diagnosis(
        NAME,
        "look",
        f"The curve depends on the item: {what} (its exponent moves by {span} per e-fold of "
        f"attractiveness, p = {test.p_value:.2g}). Compare the rival click models; with gold "
        "labels, fit method='trust', which takes the background off.",
    )
