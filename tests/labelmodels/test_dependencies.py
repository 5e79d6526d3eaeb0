"""LFs that err together: residuals of pairs, and what is done about them."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.labelmodels import LabelModel, VoteRates
from labelkit.labelmodels.dependencies import (
    PairResiduals,
    dependence,
    effective_discounts,
    holm,
)
from labelkit.labelmodels.statistics import VoteStatistics, as_votes


def test_residuals_are_observed_less_expected_counts() -> None:
    # Two classes known for certain: expectations are plain products within the classes.
    L = np.array([[1, 1], [1, -1], [-1, 1], [0, 0], [0, 0], [0, -1], [-1, 1]], dtype=np.int8)
    statistics = VoteStatistics.of(as_votes(L, 2))
    sure = np.where(statistics.rows.max(axis=1)[:, None] == [0, 1], 1.0, 0.0)
    residuals = PairResiduals.of(statistics, sure)
    # Class 1 holds rows 0, 1, 2, 6: LF 0 votes 1 on two of four, LF 1 on three of four.
    assert residuals.observed[1, 3] == 1
    assert residuals.expected[1, 3] == pytest.approx(4 * (2 / 4) * (3 / 4))
    # Class 0 holds rows 3, 4, 5: LF 0 votes 0 on all, LF 1 on two of three.
    assert residuals.observed[0, 2] == 2
    assert residuals.expected[0, 2] == pytest.approx(3 * 1 * (2 / 3))


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_copies_share_a_vote_and_correlated_functions_a_part_of_it() -> None:
    copies = np.eye(4, dtype=bool)
    copies[0, 1] = copies[1, 0] = True
    found = np.zeros((4, 4))
    found[2, 3] = found[3, 2] = 0.25
    np.testing.assert_allclose(effective_discounts(copies, found), [0.5, 0.5, 0.8, 0.8])


def test_functions_that_repeat_another_half_of_the_time_are_found_and_discounted(simulate) -> None:
    simulated = simulate(4000, accuracy=(0.7, 0.7, 0.75, 0.8, 0.7, 0.75), coverage=0.7)
    L = simulated.L.copy()
    again = np.random.default_rng(0).random(len(L)) < 0.5
    L[:, 1] = np.where(again, L[:, 0], L[:, 1])
    model = VoteRates().fit(L)
    pairs = model.dependence_.together & (model.dependence_.correlation > 0.2)
    assert np.argwhere(np.triu(pairs)).tolist() == [[0, 1]]
    assert 0.55 < model.discount_[0] < 0.8
    np.testing.assert_allclose(model.discount_[2:], 1)
    table = LabelModel(method="rates").fit(L).diagnose().pairs
    assert table.row(0, named=True)["lf"] == "lf_0"
    assert table.row(0, named=True)["other"] == "lf_1"


def test_a_vote_that_was_expected_hardly_ever_is_judged_by_its_poisson_tail() -> None:
    # Twelve joint votes where chance expects 0.07: no normal approximation, and still a finding.
    L = np.full((2000, 3), -1, dtype=np.int8)
    L[:12, 0] = L[:12, 1] = 1
    L[1000:, 2] = 0
    statistics = VoteStatistics.of(as_votes(L, 2))
    flat = np.full((len(statistics.rows), 2), 0.5)
    found = dependence(PairResiduals.of(statistics, flat), 3)
    assert found.together[0, 1]
    assert found.p_value[0, 1] < 1e-6
    assert not found.together[0, 2]
