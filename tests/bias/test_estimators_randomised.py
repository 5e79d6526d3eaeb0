"""Randomised traffic: shuffles and swaps are told apart, and each is read as it was drawn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.randomised import mixing
from labelkit.errors import LabelkitError, NotIdentifiable
from labelkit.logs import Ranker
from labelkit.logs.simulator import Swaps

TRUTH = 1 / np.arange(1, 11)
ONLY = (Ranker("only", quality=0.8),)


def swap_log(kind: str, seed: int = 1, n: int = 200_000) -> pl.DataFrame:
    swaps = Swaps(kind, share=1.0)  # type: ignore[arg-type]
    return lk.simulate(n, seed=seed, swaps=swaps, rankers=ONLY).frame


@pytest.mark.parametrize("kind", ["first", "adjacent"])
@pytest.mark.parametrize("named", [True, False])
def test_swaps_are_compared_within_pairs_where_raw_rates_mislead(kind: str, named: bool) -> None:
    frame = swap_log(kind)
    if not named:
        # All of the page is flagged, and nobody wrote down what was paired.
        frame = frame.drop("swapped_with").with_columns(randomised=pl.lit(1, pl.Int8))
    log = lk.read_log(frame)
    bias = lk.PositionBias().fit(log)
    assert bias.method_ == "randomised"
    curve = bias.curve_
    inside = (curve.low <= TRUTH) & (curve.high >= TRUTH)
    assert inside.sum() >= 8
    assert np.abs(np.log(curve.theta[:4] / TRUTH[:4])).max() < 0.25
    raw = lk.PositionBias("randomised", design="shuffle").fit(log).curve_.theta
    if not named:
        assert np.mean(np.log(raw[1:] / TRUTH[1:])) < -0.3
        assert "compared with itself" in bias.diagnostics_[0].message


def test_a_full_shuffle_is_recognised_and_its_rates_used() -> None:
    for seed in range(5):
        frame = lk.simulate(
            20_000, seed=seed, randomised_share=0.5, extras=("randomised",), rankers=ONLY
        ).frame
        log = lk.read_log(frame)
        assert mixing(log.randomised_counts).shuffled
    bias = lk.PositionBias("randomised").fit(log)
    asked = lk.PositionBias("randomised", design="shuffle").fit(log)
    np.testing.assert_array_equal(bias.curve_.theta, asked.curve_.theta)
    assert "full shuffle" in bias.diagnostics_[0].message


def test_pairs_that_never_meet_get_no_number() -> None:
    frame = swap_log("adjacent", n=50_000)
    # Only 1 with 2 and 4 with 5 were ever paired.
    pair = pl.col("swapped_with")
    upper = pl.min_horizontal("position", pair)
    kept = frame.with_columns(
        swapped_with=pl.when((pair > 0) & upper.is_in([1, 4])).then(pair).otherwise(0)
    )
    with pytest.warns(UserWarning, match="No swap with a click joins"):
        bias = lk.PositionBias("randomised").fit(lk.read_log(kept))
    assert np.isfinite(bias.curve_.theta).sum() == 2
    assert not bias.identifiable_
    none = frame.with_columns(clicked=pl.when(pair > 0).then(0).otherwise(pl.col("clicked")))
    with pytest.raises(NotIdentifiable, match="join no two positions by a click"):
        lk.PositionBias("randomised").fit(lk.read_log(none))


def test_a_pair_with_a_place_that_the_log_lacks_is_refused() -> None:
    frame = swap_log("first", n=20_000)
    shifted = frame.with_columns(
        swapped_with=pl.when(pl.col("swapped_with") > 0).then(pl.lit(11)).otherwise(0)
    )
    with pytest.raises(LabelkitError, match=r"'swapped_with'.*position 11, which the log"):
        lk.PositionBias("randomised").fit(lk.read_log(shifted))
    with pytest.raises(LabelkitError, match="design is one of auto, shuffle, swaps"):
        lk.PositionBias("randomised", design="fair").fit(  # type: ignore[arg-type]
            lk.read_log(frame)
        )
