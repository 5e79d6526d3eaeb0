"""Whether an annotator's accuracy has changed over time, asked after every answer if need be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.errors import RoundError

_BETS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
_JUMP = 0.01


@dataclass(frozen=True)
class Drift:
    """What the test has seen of one annotator.

    Parameters
    ----------
    alarm : evidence has reached its bound at some time
    evidence : largest value of the martingale so far; 1 at the start
    bound : what it takes: ``n_annotators / false_alarm``
    since : number of answers (1-based) at which the alarm was raised, None without one
    n_answers : answers looked at
    before, after : share of right answers in the first and the second half of what was looked at
    """

    alarm: bool
    evidence: float
    bound: float
    since: int | None
    n_answers: int
    before: float | None
    after: float | None


def drift(
    right: npt.ArrayLike, *, false_alarm: float = 0.05, n_annotators: int = 1, seed: int = 0
) -> Drift:
    """Test that an annotator is right as often as ever, without saying how often that is.

    Parameters
    ----------
    right : (n,) whether each answer with a known truth was right, in time
    false_alarm : probability that anyone who does not change is ever accused, over all looks and
        all ``n_annotators``, in (0, 1)
    n_annotators : how many are tested alike
    seed : of the random breaking of ties

    Notes
    -----
    A conformal test martingale. If accuracy is constant, answers are exchangeable, and the share of
    earlier answers that are more often wrong, with ties broken at random, is uniform and
    independent of the past. Bets against that (the Simple Jumper) win only by chance, so the
    probability of ever reaching 1/a is at most a (Ville), however often one looks.

    It tells change, not cause: if the questions became harder, all annotators drift. Hidden gold
    questions and the audit sample are drawn alike over time; informative examples are not.

    References
    ----------
    Vovk, Gammerman & Shafer (2022), Algorithmic Learning in a Random World, ch. 8. Vovk et al.
    (2021), Retrain or not retrain: conformal test martingales for change-point detection.
    """
    answers = np.asarray(right, dtype=bool)
    if answers.ndim != 1:
        raise RoundError(f"right is one row of answers; got shape {answers.shape}.")
    if not 0 < false_alarm < 1 or n_annotators < 1:
        raise RoundError(
            f"false_alarm = {false_alarm} and n_annotators = {n_annotators}: a probability, and "
            "at least 1."
        )
    bound = n_annotators / false_alarm
    path = _martingale(answers, np.random.default_rng(seed))
    over = np.flatnonzero(path >= bound)
    half = len(answers) // 2
    return Drift(
        alarm=bool(len(over)),
        evidence=float(path.max(initial=1.0)),
        bound=bound,
        since=int(over[0]) + 1 if len(over) else None,
        n_answers=len(answers),
        before=float(answers[:half].mean()) if half else None,
        after=float(answers[half:].mean()) if half else None,
    )


def _martingale(
    right: npt.NDArray[np.bool_], random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Wealth (n,) after each answer."""
    n = np.arange(1, len(right) + 1)
    n_wrong = np.cumsum(~right)
    # A wrong answer is stranger than a right one; among equals, chance decides.
    u = random.random(len(right))
    p = np.where(right, n_wrong + u * (n - n_wrong), u * n_wrong) / n
    wealth = np.full(len(_BETS), 1 / len(_BETS))
    path = np.empty(len(right))
    for t, value in enumerate(p):
        wealth = (1 - _JUMP) * wealth + _JUMP * wealth.mean()
        wealth *= 1 + _BETS * (value - 0.5)
        path[t] = wealth.sum()
    return path
