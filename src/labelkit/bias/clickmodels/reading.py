"""Users who read downwards and stop only after clicks: what DCM and DBN share.

P(click | examined) = a_e. After a click the user reads on with probability λ_g, g the group of the
click (its position in DCM, its example in DBN); without a click, always.

Rows down to the last click of a page were examined, and so were all rows of a page without a
click. Below the last click it is not known whether the user read on; the papers' closed forms
take it that nobody did, which makes a too high and λ too low: on pages drawn from a DCM they
describe held-out clicks worse than the position-based model. EM takes what is not known as such.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.pages import Pages
from labelkit.bias.clickmodels.smoothing import BetaPrior, fit_beta_prior
from labelkit.bias.clickmodels.squarem import FINE, ROUGH, EMFit, EMStep, cross_entropy, squarem

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def p_examined(pages: Pages, attraction: FloatArray, read_on: FloatArray) -> FloatArray:
    """P(row is examined | clicks above), (n,).

    After the skipped rows i below the last click, by Bayes,
    λ Π(1 − a_i) / (1 − λ + λ Π(1 − a_i)); 1 where there is no click above.

    Parameters
    ----------
    attraction : (n,) a, in [0, 1)
    read_on : (n,) λ of each row, were it clicked
    """
    if not len(pages):
        return np.zeros(0)
    skipped = np.log1p(-np.minimum(attraction, 1 - 1e-12))
    before = np.concatenate([[0.0], np.cumsum(skipped)[:-1]])
    survival = np.exp(before - before[pages.stretch_start])
    row = pages.click_above
    go_on = np.where(row < 0, 1.0, read_on[row])
    return np.asarray(go_on * survival / (1 - go_on + go_on * survival))


@dataclass(frozen=True)
class Tails:
    """The rows below the last click of each page that has such rows.

    ::

        example   (r,) of each row, pages one after the other
        tail      (r,) the tail 0 … T-1 that a row belongs to
        position, clicked_example  (T,) of the last click above the tail
        weight    every tail stands for this many (tails may be those of a sample of pages)
    """

    example: IntArray
    tail: IntArray
    position: IntArray
    clicked_example: IntArray
    weight: float

    @classmethod
    def of(cls, pages: Pages, weight: float = 1.0) -> Tails:
        """The tails of pages all of whose examples are known."""
        lowest = np.flatnonzero(np.append(pages.first[1:], True)[: len(pages)])
        above = pages.click_above[lowest]
        # A page clicked on its lowest row, or not at all, has no tail.
        has = ~pages.clicked[lowest] & (above >= 0)
        number = np.cumsum(pages.first) - 1
        rows = np.flatnonzero(has[number] & (np.arange(len(pages)) > above[number]))
        click = above[has]
        tail = (np.cumsum(has) - 1)[number[rows]]
        return cls(pages.example[rows], tail, pages.position[click], pages.example[click], weight)

    @cached_property
    def starts(self) -> IntArray:
        """First row of each tail, (T,)."""
        return np.flatnonzero(np.diff(self.tail, prepend=-1))

    def __len__(self) -> int:
        return len(self.position)


@dataclass(frozen=True)
class ReadingData:
    """What EM sees.

    ::

        clicks, reached  (E,) clicks, and impressions at or above the last click of their page
        went_on          (G,) clicks below which there was another
        group            (T,) group of each tail's click
        a_prior          of every a
        on_prior         of every λ
    """

    clicks: FloatArray
    reached: FloatArray
    went_on: FloatArray
    tails: Tails
    group: IntArray
    a_prior: BetaPrior
    on_prior: BetaPrior

    @cached_property
    def n_tails(self) -> FloatArray:
        """Last clicks with rows below, (G,)."""
        counted = np.bincount(self.group, minlength=len(self.went_on))
        return np.asarray(counted * self.tails.weight)


def expect(
    data: ReadingData, attraction: FloatArray, read_on: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Expected tail rows examined (E,), expected tails read (G,), and Σ log P(tail unclicked)."""
    tails = data.tails
    if not len(tails):
        return np.zeros(len(attraction)), np.zeros(len(read_on)), 0.0
    survival = np.exp(np.add.reduceat(np.log1p(-attraction)[tails.example], tails.starts))
    go_on = read_on[data.group]
    unclicked = 1 - go_on + go_on * survival
    read = tails.weight * go_on * survival / unclicked
    rows = np.bincount(tails.example, read[tails.tail], len(attraction)).astype(np.float64)
    by_group = np.bincount(data.group, read, len(read_on)).astype(np.float64)
    return rows, by_group, float(tails.weight * np.log(unclicked).sum())


def em_step(data: ReadingData, attraction: FloatArray, read_on: FloatArray) -> EMStep:
    """One EM step from a (E,) and λ (G,); its rates are a and λ in one array."""
    rows, read, tail_likelihood = expect(data, attraction, read_on)
    a, on = data.a_prior, data.on_prior
    n_e = a.strength + data.reached + rows
    n_g = on.strength + data.went_on + data.n_tails
    seen = a.strength * a.mean + data.clicks
    went = on.strength * on.mean + data.went_on + read
    objective = float(
        data.clicks @ np.log(attraction)
        + (data.reached - data.clicks) @ np.log1p(-attraction)
        + data.went_on @ np.log(read_on)
        + tail_likelihood
        + a.strength * np.sum(cross_entropy(attraction, a.mean))
        + on.strength * np.sum(cross_entropy(read_on, on.mean))
    )
    score = np.abs(seen - n_e * attraction).sum() + np.abs(went - n_g * read_on).sum()
    return EMStep(np.concatenate([seen / n_e, went / n_g]), objective, float(score))


def fit_reading(
    data: ReadingData, *, attraction: FloatArray, read_on: FloatArray, tolerance: float = FINE
) -> tuple[EMFit, ReadingData]:
    """Maximum a posteriori of a and λ, and the data with the priors that were used.

    ``rates`` holds a (E,), then λ (G,). The priors come from what the closed form takes for known;
    once they are moved to what EM expects, and EM goes on: the strength of λ's prior stays, since
    expected reading varies less over groups than reading does.
    """
    size = len(attraction)
    n_clicks = max(float(data.clicks.sum()), 1.0)

    def fit(data: ReadingData, start: FloatArray, tolerance: float) -> EMFit:
        def step(rates: FloatArray) -> EMStep:
            return em_step(data, rates[:size], rates[size:])

        return squarem(step, start, bound=tolerance * n_clicks)

    first = fit(data, np.concatenate([attraction, read_on]), ROUGH)
    rows, read, _ = expect(data, first.rates[:size], first.rates[size:])
    went, known = float((data.went_on + read).sum()), float((data.went_on + data.n_tails).sum())
    moved = replace(
        data,
        a_prior=fit_beta_prior(data.clicks, data.reached + rows),
        on_prior=BetaPrior((went + 0.5) / (known + 1), data.on_prior.strength),
    )
    return fit(moved, first.rates, tolerance), moved
