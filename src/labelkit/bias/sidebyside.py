"""Every estimator that a log can carry, side by side: a curve that they share is no artefact."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelkit.bias.estimator import PositionBias
from labelkit.bias.methods import METHODS
from labelkit.bias.propensities import Diagnosis, Propensities
from labelkit.engine import NativeFrame
from labelkit.errors import LabelkitError, PositivityWarning
from labelkit.logs import InteractionLog

if TYPE_CHECKING:
    import polars as pl

FloatArray = npt.NDArray[np.float64]

# A curve that the user gives is no estimate.
ESTIMATORS = tuple(name for name in METHODS if name != "given")


@dataclass(frozen=True)
class EstimatorComparison:
    """Curves of several estimators on one log.

    Parameters
    ----------
    fits : method → its curve, for those that the log could carry
    refused : method → why the log could not carry it
    diagnosis : whether they agree
    """

    fits: Mapping[str, Propensities]
    refused: Mapping[str, str]
    diagnosis: Diagnosis

    @property
    def frame(self) -> pl.DataFrame:
        """``method``, ``position``, ``propensity``, ``low``, ``high``, ``interval`` (how found)."""
        import polars as pl

        parts: list[pl.DataFrame] = [
            curve.frame()
            .select("position", "propensity", "low", "high")
            .with_columns(method=pl.lit(name), interval=pl.lit(curve.interval))
            for name, curve in self.fits.items()
        ]
        columns = ["method", "position", "propensity", "low", "high", "interval"]
        if not parts:
            numbers = dict.fromkeys(columns[2:5], pl.Float64)
            schema = {"method": pl.String, "position": pl.Int64, **numbers, "interval": pl.String}
            return pl.DataFrame(schema=schema)
        return pl.concat(parts).select(columns)


def compare_estimators(
    log: InteractionLog,
    *,
    main: Propensities | None = None,
    methods: Sequence[str] = ESTIMATORS,
    gold: NativeFrame | None = None,
    smoothing: float = 1.0,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> EstimatorComparison:
    """Fit every estimator that the log can carry.

    Parameters
    ----------
    main : the curve that is in use: the others are held against it, if it has no context
    methods : which to try
    gold : for "trust", as in ``PositionBias.fit``
    smoothing, n_bootstrap, seed : as in ``PositionBias``
    """
    fits: dict[str, Propensities] = {}
    refused: dict[str, str] = {}
    for method in methods:
        if main is not None and main.method == method and not main.context:
            fits[method] = main
            continue
        try:
            with warnings.catch_warnings():
                # What it has to say about positions is said by the curve in use already.
                warnings.simplefilter("ignore", PositivityWarning)
                bias = PositionBias(
                    method,  # type: ignore[arg-type]  # a key of the table of estimators
                    smoothing=smoothing,
                    n_bootstrap=n_bootstrap,
                    seed=seed,
                ).fit(log, gold=gold if method == "trust" else None)
        except LabelkitError as error:
            refused[method] = str(error)
        else:
            fits[method] = bias.curve_
    reference = main if main is not None and not main.context else None
    if reference is None and fits:
        reference = next(iter(fits.values()))
    return EstimatorComparison(fits, refused, _agreement(fits, reference))


def _agreement(fits: Mapping[str, Propensities], main: Propensities | None) -> Diagnosis:
    name = "agreement of estimators"
    others = {
        method: curve
        for method, curve in fits.items()
        if main is not None and curve is not main and method != main.method
    }
    if main is None or not others:
        return Diagnosis(
            name,
            "look",
            "No second estimator can be run on this log: its curve stands alone. A share of "
            "randomised traffic (map 'randomised') would give one that needs no model.",
        )
    worst: tuple[float, str, int, float, float] | None = None
    n_looks = len(others) * len(main.positions)
    for method, curve in others.items():
        common, here, there = np.intersect1d(
            main.positions, curve.positions, assume_unique=True, return_indices=True
        )
        # Intervals that do not even touch; both rest on the same clicks, so this is no close call.
        reach = _reach(main, n_looks)[here] + _reach(curve, n_looks)[there]
        gap = np.abs(np.log(main.theta[here]) - np.log(curve.theta[there]))
        apart = np.nan_to_num(gap - reach, nan=-np.inf)
        k = int(np.argmax(apart))
        if apart[k] > 0 and (worst is None or apart[k] > worst[0]):
            ours, theirs = float(main.theta[here[k]]), float(curve.theta[there[k]])
            worst = (float(apart[k]), method, int(common[k]), ours, theirs)
    listed = ", ".join(others)
    if worst is None:
        return Diagnosis(
            name, "fine", f"The intervals of {main.method} meet those of {listed} everywhere."
        )
    _, method, position, ours, theirs = worst
    return Diagnosis(
        name,
        "look",
        f"At position {position} {main.method} says {ours:.3f} and {method} {theirs:.3f}, and "
        "their intervals do not meet, even widened for so many comparisons: one of them assumes "
        "what this log does not keep; see the curves side by side, and prefer randomised traffic "
        "where there is some.",
    )


def _reach(curve: Propensities, n_looks: int) -> FloatArray:
    """Half the width of the interval of log θ, simultaneous over ``n_looks``, (S,)."""
    from scipy.special import stdtrit

    quantile = float(stdtrit(curve.df, 1 - (1 - curve.level) / (2 * n_looks)))
    return np.asarray(quantile * curve.standard_error)
