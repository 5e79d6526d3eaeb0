"""Ways to weight clicks: what an example's positive and negative evidence add up to.

With weight w = min(1/θ, clip), propensity θ and background β, over the impressions of example e:

==================  ========================  ==========================  =====================
scheme              positive                  total                       rate
==================  ========================  ==========================  =====================
unweighted          Σ c                       n                           Σ c / n; biased
ips                 Σ (c − β)/θ               n                           Joachims et al. 2017
clipped             Σ w (c − β)               n                           Strehl et al. 2010
self_normalised     Σ w (c − β)               Σ w θ                       Swaminathan & Joachims
                                                                          2015
doubly_robust       Σ w (c − β) + m Σ(1−wθ)   n                           Dudík et al. 2014,
                                                                          Oosterhuis 2023
==================  ========================  ==========================  =====================

Self-normalising divides by what the weights of examined impressions are expected to add up to
rather than by n, and so repairs per example what clipping takes. At ``clip=1`` it is "clicks over
expected clicks", the estimate of least variance. Doubly robust gives to a baseline m what clipping
takes; without clipping wθ = 1, and it is IPS whatever the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from labelkit.bias.weights.slots import SlotCounts, check_clip
from labelkit.errors import LabelkitError

FloatArray = npt.NDArray[np.float64]

Scheme = Literal["unweighted", "ips", "clipped", "self_normalised", "doubly_robust"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)


@dataclass(frozen=True)
class ExampleSums:
    """What a scheme makes of each example, each (n_examples,).

    ::

        impressions  n at slots whose propensity is known
        clicks       C of these
        positive     weight of the label 1, ≥ 0
        total        weight of the example; 0 where nothing is known
        noise        variance of ``positive`` given what was shown: chance of the clicks alone
        weight       Σ w c
        squares      Σ w² c
    """

    impressions: FloatArray
    clicks: FloatArray
    positive: FloatArray
    total: FloatArray
    noise: FloatArray
    weight: FloatArray
    squares: FloatArray

    @property
    def rate(self) -> FloatArray:
        """Estimated attractiveness positive/total; NaN where nothing is known, may exceed 1."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.positive / self.total)

    @property
    def variance(self) -> FloatArray:
        """Variance of ``rate`` by the chance of clicks."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.noise / self.total**2)

    @property
    def ess(self) -> FloatArray:
        """Effective sample size (Σw)²/Σw² of the clicks (Kish 1965); 0 without a click."""
        return np.asarray(self.weight**2 / np.where(self.squares > 0, self.squares, 1.0))

    @property
    def negative(self) -> FloatArray:
        """Weight of the label 0: what ``positive`` leaves of ``total``, at least 0."""
        return np.maximum(self.total - self.positive, 0.0)


def click_weights(cells: SlotCounts, scheme: Scheme, clip: float) -> FloatArray:
    """The weight of a click in each cell, (c,)."""
    if scheme not in SCHEMES:
        raise LabelkitError(f"Unknown scheme {scheme!r}; there are {', '.join(SCHEMES)}.")
    if scheme == "unweighted":
        return np.ones(len(cells.theta))
    bound = np.inf if scheme == "ips" else check_clip(clip)
    return np.asarray(np.minimum(1 / cells.theta, bound))


def weigh(
    cells: SlotCounts, scheme: Scheme, *, clip: float, baseline: FloatArray | None = None
) -> ExampleSums:
    """Weights of every example under a scheme.

    Parameters
    ----------
    clip : largest weight; "unweighted" and "ips" do not look at it
    baseline : (n_examples,) m in [0, 1] for "doubly_robust"; see :func:`leave_one_out`. It must not
        have seen the example's own clicks

    Notes
    -----
    ``noise`` is Σ w² c(n − c)/(n − 1), the binomial variance without bias, and Σ w² c for a cell
    with one impression.
    """
    w = click_weights(cells, scheme, clip)
    n, c = cells.n, cells.clicks
    corrected = c if scheme == "unweighted" else c - cells.beta * n
    positive = cells.by_example(w * corrected)
    impressions = cells.by_example(n)
    total = impressions
    if scheme == "self_normalised":
        total = cells.by_example(w * cells.theta * n)
    elif scheme == "doubly_robust":
        m = leave_one_out(cells) if baseline is None else np.asarray(baseline, dtype=np.float64)
        if m.shape != impressions.shape or not np.all((m >= 0) & (m <= 1)):
            raise LabelkitError(
                f"baseline holds one rate in [0, 1] for each of {len(impressions):,} examples; "
                f"got shape {m.shape}, {int(np.sum(~((m >= 0) & (m <= 1)))):,} outside [0, 1]."
            )
        positive = positive + m * cells.by_example((1 - w * cells.theta) * n)
    chance = np.where(n > 1, c * (n - c) / np.maximum(n - 1, 1), c)
    return ExampleSums(
        impressions=impressions,
        clicks=cells.by_example(c),
        # A background may exceed the clicks by chance; a weight is not negative.
        positive=np.maximum(positive, 0.0),
        total=total,
        noise=cells.by_example(w**2 * chance),
        weight=cells.by_example(w * c),
        squares=cells.by_example(w**2 * c),
    )


def leave_one_out(cells: SlotCounts) -> FloatArray:
    """Baseline of each example from the other examples of its query, (n_examples,) in [0, 1].

    (C_q − C_e + s·γ̄)/(E_q − E_e + s): the debiased click rate of the rest of the query, drawn
    towards that of the rest of the log, γ̄, with the weight of one example's mean exposure s.
    No example's clicks enter its own baseline.
    """
    query = np.zeros(cells.n_examples, dtype=np.int64)
    query[cells.example] = cells.query
    clicks = np.maximum(cells.by_example(cells.clicks - cells.beta * cells.n), 0.0)
    exposure = cells.by_example(cells.theta * cells.n)
    size = int(query.max(initial=0)) + 1
    clicks_q = np.bincount(query, clicks, size)[query] - clicks
    exposure_q = np.bincount(query, exposure, size)[query] - exposure
    strength = float(exposure.mean()) if exposure.sum() > 0 else 1.0
    rest = (clicks.sum() - clicks) / np.maximum(exposure.sum() - exposure, 1e-12)
    mean = (clicks_q + strength * rest) / (exposure_q + strength)
    return np.asarray(np.clip(np.nan_to_num(mean), 0.0, 1.0))
