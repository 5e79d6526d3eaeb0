"""Search: which terms, and which pairs of terms, find a label. All pairs at once, by products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelkit.lfs.suggest.terms import Terms

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

# Pairs are made of so many of the best terms of a label: 300 · 299 / 2 products.
_MOST_IN_PAIRS = 300
# A second condition must be worth being read: it raises the quality by this factor.
_EARNED = 1.15
# Rules that share more of their rows than this are one rule.
_ALIKE = 0.6


@dataclass(frozen=True)
class Found:
    """A rule that the search proposes.

    Parameters
    ----------
    label : what it votes
    parts : places of its one or two terms
    quality : standard errors by which its accuracy exceeds the floor, discounted where it votes
        only on what is settled already
    """

    label: int
    parts: tuple[int, ...]
    quality: float


@dataclass(frozen=True)
class Sample:
    """What the search looks at: ``n`` rows, ``t`` terms, ``k`` classes.

    ::

        holds   (n, t) bool
        target  (n, k) probability of each class
        weight  (n,)   > 0
        value   (n,)   1 where a vote is wanted, less where the present functions agree already
        floor   (k,)   accuracy that a rule must exceed to be worth anything
    """

    holds: BoolArray
    target: FloatArray
    weight: FloatArray
    value: FloatArray
    floor: FloatArray


def search(terms: Terms, sample: Sample, *, fewest: float, most: int) -> list[Found]:
    """The best rules, unlike each other, best first.

    Parameters
    ----------
    fewest : effective rows that a rule must vote on
    most : rules to return

    Notes
    -----
    Subgroup discovery by the binomial quality √n (p - p₀) of Klösgen (1996, "Explora"), in
    standard errors. Every pair of the best terms is scored, by four matrix products a label, where
    a tree would follow one greedy path.
    """
    found = []
    for label in range(sample.target.shape[1]):
        single, _, accuracy = _quality(sample, label, None, fewest)
        order = np.argsort(-single, kind="stable")
        best = order[single[order] > 0][:_MOST_IN_PAIRS]
        found += [Found(label, (int(i),), float(single[i])) for i in best]
        if len(best) > 1:
            found += _pairs(terms, sample, label, best, single, accuracy, fewest)
    found.sort(key=lambda rule: (-rule.quality, len(rule.parts), rule.parts))
    return list(_unlike(found, sample.holds, most))


def _pairs(
    terms: Terms,
    sample: Sample,
    label: int,
    best: npt.NDArray[np.intp],
    single: FloatArray,
    accuracy: FloatArray,
    fewest: float,
) -> Iterator[Found]:
    quality, _, both = _quality(sample, label, best, fewest)
    parents = np.maximum(single[best][:, None], single[best][None, :])
    purer = both > np.maximum(accuracy[best][:, None], accuracy[best][None, :])
    worth = np.triu((quality > _EARNED * parents) & purer, k=1)
    for a, b in np.argwhere(worth):
        i, j = int(best[a]), int(best[b])
        yield Found(label, (min(i, j), max(i, j)), float(quality[a, b]))


def _quality(
    sample: Sample, label: int, best: npt.NDArray[np.intp] | None, fewest: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Quality, effective rows and accuracy of single terms (t,), or of pairs of ``best`` (b, b)."""
    w, floor = sample.weight, float(sample.floor[label])
    right = w * sample.target[:, label]
    if best is None:
        holds = sample.holds.astype(np.float64)

        def total(x: FloatArray) -> FloatArray:
            return np.asarray(x @ holds)
    else:
        holds = sample.holds[:, best].astype(np.float64)

        def total(x: FloatArray) -> FloatArray:
            return np.asarray((holds * x[:, None]).T @ holds)

    mass = total(w)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = total(right) / mass
        effective = mass**2 / total(w**2)
        wanted = total(w * sample.value) / mass
        spread = np.sqrt(floor * (1 - floor) / effective)
        quality = (accuracy - floor) / spread * np.sqrt(wanted)
    return np.where(effective >= fewest, quality, -np.inf), effective, accuracy


def _unlike(found: list[Found], holds: BoolArray, most: int) -> Iterator[Found]:
    """The best of each family of rules that meet nearly the same rows."""
    chosen: list[tuple[int, BoolArray]] = []
    for rule in found:
        met: BoolArray = np.asarray(holds[:, list(rule.parts)].all(axis=1))
        twin = any(
            label == rule.label and (met & other).sum() > _ALIKE * (met | other).sum()
            for label, other in chosen
        )
        if not twin:
            chosen.append((rule.label, met))
            yield rule
        if len(chosen) == most:
            return
