"""Another calibration of given soft labels: temperature, Platt or isotonic, by held-out loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from labelkit.errors import GoldError, LabelModelError
from labelkit.labelmodels.calibration import CalibrationPrior, calibrate
from labelkit.labelmodels.posterior import normalised
from labelkit.labelmodels.reliability import Reliability, reliability
from labelkit.labelmodels.statistics import FloatArray

if TYPE_CHECKING:
    import polars as pl

CalibrationMethod: TypeAlias = Literal["none", "temperature", "platt", "isotonic"]
Labels: TypeAlias = npt.NDArray[np.signedinteger]
Curve: TypeAlias = Callable[[FloatArray], FloatArray]

N_FOLDS = 5
# Probabilities are taken for no nearer to 0 than this before their logarithm is scaled.
_SMALLEST = 1e-6
# Scale and shifts as gold says, no prior worth speaking of; or the scale alone.
_PLATT = CalibrationPrior(scale_sd=10.0, imbalance=0.0, shift_sd=10.0, trust_precision=1e6)
_TEMPERATURE = CalibrationPrior(scale_sd=10.0, imbalance=0.0, shift_sd=1e-4, trust_precision=1e6)
# What isotonic regression is mixed with, in imagined gold labels of the probabilities as they
# were: a step of probability 0 would cost infinitely much.
_IMAGINED = 1.0


@dataclass(frozen=True)
class Recalibration:
    """A curve from soft labels to better ones, and what it is worth on gold it did not see.

    Parameters
    ----------
    method : "none", "temperature", "platt" or "isotonic"
    losses : frame with ``method``, ``log_loss`` on held-out gold, ``error`` (its standard error)
    before, after : reliability of the labels as they were, and of the recalibrated ones, the
        latter by curves that had not seen the label
    """

    method: CalibrationMethod
    losses: pl.DataFrame
    before: Reliability
    after: Reliability
    curve: Curve

    def apply(self, proba: FloatArray) -> FloatArray:
        """Recalibrated probabilities (n, k)."""
        return self.curve(proba)


def recalibrate(
    proba: FloatArray,
    label: Labels,
    weight: FloatArray | None = None,
    *,
    method: CalibrationMethod | Literal["auto"] = "auto",
    seed: int = 0,
) -> Recalibration:
    """Calibrate soft labels ``proba`` (g, k) on gold ``label`` (g,) that they have not seen.

    Parameters
    ----------
    weight : (g,) 1 / inclusion probability, for isotonic regression, losses and reliability;
        1 unless given
    method : "temperature" (Guo et al. 2017), "platt" (one scale, one shift a class; Platt 1999),
        "isotonic" (one class against the rest, normalised; Zadrozny & Elkan 2002), "none", or
        "auto": the one with the least log loss over five folds of gold
    seed : of the folds

    Raises
    ------
    GoldError
        There are fewer than ten gold labels, so that folds mean nothing.
    LabelModelError
        The method is unknown.

    Notes
    -----
    `VoteModel.fit` with gold calibrates already, and better where there is little gold: it shrinks,
    and knows the votes. This is for soft labels from elsewhere, or a curve of one's own choice.
    Isotonic regression needs hundreds of labels (Niculescu-Mizil & Caruana 2005).
    """
    import polars as pl

    known = get_args(CalibrationMethod)
    if method != "auto" and method not in known:
        raise LabelModelError(f"method={method!r} is none of {', '.join(known)}, auto.")
    g = len(label)
    if g < 2 * N_FOLDS:
        raise GoldError(f"Recalibration needs {2 * N_FOLDS} gold labels or more; there are {g}.")
    w = np.ones(g) if weight is None else weight / weight.mean()
    fold = np.arange(g) % N_FOLDS
    np.random.default_rng(seed).shuffle(fold)
    held_out: dict[CalibrationMethod, FloatArray] = {}
    for name in known if method == "auto" else tuple({"none": 0, method: 0}):
        unseen = np.empty_like(proba)
        for number in range(N_FOLDS):
            rest, out = fold != number, fold == number
            unseen[out] = _curve(name, proba[rest], label[rest], w[rest])(proba[out])
        held_out[name] = unseen
    losses = {
        name: -np.log(np.maximum(p[np.arange(g), label], _SMALLEST)) for name, p in held_out.items()
    }
    mean = {name: float(w @ loss / g) for name, loss in losses.items()}
    best = min(mean, key=lambda name: mean[name]) if method == "auto" else method
    error = [
        float(np.sqrt(np.square(w * (loss - mean[name])).sum())) / g
        for name, loss in losses.items()
    ]
    table = pl.DataFrame({"method": list(mean), "log_loss": list(mean.values()), "error": error})
    return Recalibration(
        best,
        table,
        reliability(proba, label, weight),
        reliability(held_out[best], label, weight),
        _curve(best, proba, label, w),
    )


def _curve(method: CalibrationMethod, proba: FloatArray, label: Labels, w: FloatArray) -> Curve:
    if method == "none":
        return lambda p: p
    if method == "isotonic":
        return _isotonic(proba, label, w)
    prior = _PLATT if method == "platt" else _TEMPERATURE
    found = calibrate(_log(proba), label.astype(np.intp), priors=[prior])
    return lambda p: normalised(found.scale * _log(p) + found.shift)


def _isotonic(proba: FloatArray, label: Labels, w: FloatArray) -> Curve:
    from sklearn.isotonic import IsotonicRegression

    curves = []
    for y in range(proba.shape[1]):
        curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        curves.append(curve.fit(proba[:, y], label == y, sample_weight=w))
    effective = float(w.sum() ** 2 / np.square(w).sum())

    def apply(p: FloatArray) -> FloatArray:
        stepped = np.column_stack([c.predict(p[:, y]) for y, c in enumerate(curves)])
        mixed = (effective * stepped + _IMAGINED * p) / (effective + _IMAGINED)
        return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))

    return apply


def _log(proba: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(proba, _SMALLEST)))
