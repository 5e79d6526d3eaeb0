"""Reliability and recalibration of soft labels from anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.errors import GoldError, LabelModelError
from labelkit.labelmodels import recalibrate, reliability


def soft_labels(seed: int, g: int, k: int = 2, power: float = 1.0, shift: float = 0.0):
    """True probabilities, drawn labels, and what an over- or underconfident model says."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(k, 0.7), g)
    label = (truth.cumsum(axis=1) < rng.random((g, 1))).sum(axis=1).clip(0, k - 1)
    said = np.maximum(truth, 1e-4) ** power * np.exp(shift * np.arange(k))
    return said / said.sum(axis=1, keepdims=True), label


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic", "auto"])
@pytest.mark.parametrize("k", [2, 4])
def test_overconfident_labels_become_honest(method, k) -> None:
    said, label = soft_labels(0, 1500, k, power=3.0)
    found = recalibrate(said, label, method=method)
    loss = dict(found.losses.select("method", "log_loss").iter_rows())
    assert loss[found.method] < loss["none"] - 0.1
    assert found.before.low > 0.03
    assert found.after.error < found.before.error / 2
    fresh, truth = soft_labels(1, 1500, k, power=3.0)
    assert reliability(found.apply(fresh), truth).error < reliability(fresh, truth).error / 2
    np.testing.assert_allclose(found.apply(fresh).sum(axis=1), 1)


def test_a_temperature_is_found_again() -> None:
    said, label = soft_labels(2, 6000, 3, power=2.0)
    honest, _ = soft_labels(2, 6000, 3)
    found = recalibrate(said, label, method="temperature").apply(said)
    assert np.abs(found - honest).max() < 0.05


def test_auto_leaves_honest_labels_nearly_as_they_are_and_takes_platt_for_shifted_ones() -> None:
    said, label = soft_labels(3, 2000)
    assert np.abs(recalibrate(said, label).apply(said) - said).mean() < 0.02
    said, label = soft_labels(3, 2000, shift=2.0)
    assert recalibrate(said, label).method == "platt"


def test_weights_stand_for_copies() -> None:
    said, label = soft_labels(4, 400, power=2.0)
    twice = np.r_[np.arange(400), np.arange(200)]
    weight = np.where(np.arange(400) < 200, 2.0, 1.0)
    weighted = reliability(said, label, weight)
    copied = reliability(said[twice], label[twice])
    assert weighted.effective_n < 400 < copied.effective_n
    assert weighted.error == pytest.approx(copied.error, abs=0.02)


def test_too_little_gold_and_unknown_methods_are_refused() -> None:
    said, label = soft_labels(5, 8)
    with pytest.raises(GoldError, match="needs 10 gold labels or more; there are 8"):
        recalibrate(said, label)
    with pytest.raises(GoldError, match="two gold labels or more; there are 1"):
        reliability(said[:1], label[:1])
    said, label = soft_labels(5, 80)
    with pytest.raises(LabelModelError, match="'beta' is none of none, temperature"):
        recalibrate(said, label, method="beta")  # type: ignore[arg-type]
