"""Features are chosen by clicks alone, and no two of them say the same."""

from __future__ import annotations

import inspect

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from labelkit.demo import signals


@pytest.fixture
def features() -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    rate = rng.random(500)
    good = rate + 0.3 * rng.random(500)
    table = pl.DataFrame(
        {
            "noise": rng.random(500),
            "good": good,
            "its_copy": 2 * good + 0.01 * rng.random(500),
            "turned": -rate + rng.random(500),
            "constant": np.zeros(500),
        }
    )
    return table, rate


def test_agreement_is_spearmans_correlation_with_the_rate(features):
    table, rate = features
    chosen = signals.choose(table, rate, n=1)[0]
    assert chosen.feature == "good"
    assert chosen.agreement == pytest.approx(spearmanr(table["good"], rate).statistic)


def test_a_copy_of_a_chosen_feature_and_a_constant_are_passed_over(features):
    table, rate = features
    chosen = [signal.feature for signal in signals.choose(table, rate, n=4)]
    assert chosen == ["good", "turned", "noise"]


def test_percentiles_rise_with_clicks_even_when_the_feature_falls(features):
    table, rate = features
    chosen = signals.choose(table, rate, n=2)
    percentiles = signals.as_percentiles(table, chosen)
    assert percentiles.columns == ["signal_1", "signal_2"]
    assert all(spearmanr(percentiles[name], rate).statistic > 0.5 for name in percentiles.columns)
    assert percentiles.min_horizontal().min() > 0
    assert percentiles.max_horizontal().max() < 1


def test_nothing_but_features_and_clicks_goes_in():
    assert list(inspect.signature(signals.choose).parameters)[:2] == ["features", "rate"]
