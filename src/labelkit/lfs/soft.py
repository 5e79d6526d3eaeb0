"""Votes from probabilities and from grades on a scale: thresholds turned into rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from labelkit.errors import LFError
from labelkit.lfs.ballot import Ballot, vote
from labelkit.lfs.expression import Value
from labelkit.lfs.kinds import Constant, kind_of_constant
from labelkit.lfs.logic import Condition


def soft_vote(
    probability: Value,
    label: int,
    *,
    above: float,
    otherwise: int | None = None,
    below: float | None = None,
) -> Ballot:
    """A probability as a vote: for ``label`` where it is high, for ``otherwise`` where it is low.

    Parameters
    ----------
    probability : probability of ``label``, 0 … 1
    label : voted where the probability is at least ``above``
    above, below : thresholds, ``below`` < ``above``; between them it abstains
    otherwise : voted where the probability is at most ``below``

    Examples
    --------
    >>> from labelkit import col
    >>> from labelkit.lfs import soft_vote
    >>> print(soft_vote(col("p_click"), 1, above=0.8, otherwise=0, below=0.2))
    1 where p_click >= 0.8, else 0 where p_click <= 0.2
    """
    _value(probability, "soft_vote")
    if (otherwise is None) != (below is None):
        raise LFError("soft_vote takes otherwise=… and below=… together, or neither.")
    _probability(above, "above")
    ballot = vote(label, where=probability >= above)
    if otherwise is None or below is None:
        return ballot
    _probability(below, "below")
    if below >= above:
        raise LFError(f"soft_vote abstains between below and above: {below} is not under {above}.")
    if otherwise == label:
        raise LFError(f"soft_vote votes {label} above and below alike.")
    return ballot | vote(otherwise, where=probability <= below)


def most_probable(
    probabilities: Mapping[int, Value], *, above: float = 0.0, margin: float = 0.0
) -> Ballot:
    """The most probable of several classes, where it is probable enough.

    Parameters
    ----------
    probabilities : label → its probability
    above : least probability for a vote
    margin : by how much it must exceed each other's; at 0 it must be larger, so that ties abstain

    Examples
    --------
    >>> from labelkit import col
    >>> from labelkit.lfs import most_probable
    >>> print(most_probable({0: col("p_0"), 1: col("p_1")}, above=0.5))
    0 where p_0 >= 0.5 and p_0 > p_1, else 1 where p_1 >= 0.5 and p_1 > p_0
    """
    if len(probabilities) < 2:
        raise LFError("most_probable takes two or more labels with their probabilities.")
    for probability in probabilities.values():
        _value(probability, "most_probable")
    _probability(above, "above")
    _probability(margin, "margin")
    ballots = []
    for label, probability in probabilities.items():
        condition: Condition | None = (probability >= above) if above > 0 else None
        for other in probabilities.values():
            if other is not probability:
                lead = probability > other if margin == 0 else probability - other >= margin
                condition = lead if condition is None else condition & lead
        ballots.append(vote(label, where=condition))
    return _first(ballots)


def graded(value: Value, *, thresholds: Sequence[Constant], labels: Sequence[int | None]) -> Ballot:
    """A number as one of several grades: the label of the stretch in which it lies.

    Parameters
    ----------
    value : what is graded
    thresholds : t₁ < t₂ < … , where grades meet; a value at a threshold belongs to the upper one
    labels : one more than thresholds, from the lowest grade up; None abstains on its stretch

    Examples
    --------
    >>> from labelkit import col
    >>> from labelkit.lfs import graded
    >>> print(graded(col("stars"), thresholds=[2, 4], labels=[0, None, 1]))
    0 where stars < 2, else 1 where stars >= 4
    """
    _value(value, "graded")
    if isinstance(thresholds, str) or not thresholds or len(labels) != len(thresholds) + 1:
        raise LFError(
            f"graded takes thresholds and one label more than those; got {thresholds!r} and "
            f"{labels!r}."
        )
    for low, high in pairwise(thresholds):
        if kind_of_constant(low) != kind_of_constant(high) and not (
            kind_of_constant(low).is_number and kind_of_constant(high).is_number
        ):
            raise LFError(f"graded takes thresholds of one kind; got {thresholds!r}.")
        if not low < high:  # type: ignore[operator]
            raise LFError(f"graded takes rising thresholds; got {low!r} before {high!r}.")
    ballots = []
    for i, label in enumerate(labels):
        if label is None:
            continue
        if i == 0:
            condition = value < thresholds[0]
        elif i == len(thresholds):
            condition = value >= thresholds[-1]
        else:
            condition = (value >= thresholds[i - 1]) & (value < thresholds[i])
        ballots.append(vote(label, where=condition))
    if not ballots:
        raise LFError("graded votes nowhere: every label is None.")
    return _first(ballots)


def _first(ballots: Sequence[Ballot]) -> Ballot:
    return Ballot(tuple(rule for ballot in ballots for rule in ballot.rules))


def _value(value: object, name: str) -> None:
    if not isinstance(value, Value):
        raise LFError(f"{name} takes a value such as col('p'); got {value!r}.")


def _probability(number: object, name: str) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise LFError(f"{name} is a probability, from 0 to 1; got {number!r}.")
