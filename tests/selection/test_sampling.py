"""Probability samples and the pooling of rounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit.selection import pooled_weights, probability_ever_drawn
from labelkit.selection.design import AUDITS, by_score, expected_probability
from labelkit.selection.sampling import (
    allocate,
    inclusion_probabilities,
    poisson,
    stratified,
    systematic_pps,
)

measures = st.lists(st.floats(0.01, 100), min_size=1, max_size=40).map(np.array)


@given(measures, st.data())
@settings(max_examples=200, deadline=None)
def test_inclusion_probabilities_sum_to_the_size_and_follow_the_measure(measure, data):
    size = data.draw(st.integers(0, len(measure)))
    pi = inclusion_probabilities(measure, size)
    assert pi.sum() == pytest.approx(size)
    assert ((pi >= 0) & (pi <= 1 + 1e-12)).all()
    assert (np.diff(pi[np.argsort(measure)]) >= -1e-12).all()
    uncertain = (pi < 1 - 1e-9) & (pi > 0)
    if uncertain.any():
        ratio = pi[uncertain] / measure[uncertain]
        assert ratio.max() == pytest.approx(ratio.min())


@given(measures, st.data())
@settings(max_examples=200, deadline=None)
def test_a_systematic_sample_has_its_size_and_no_unit_twice(measure, data):
    size = data.draw(st.integers(0, len(measure)))
    sample = systematic_pps(measure, size, np.random.default_rng(0))
    assert len(set(sample.units.tolist())) == len(sample.units) == size


def test_the_probability_of_any_round_is_one_minus_missing_all():
    ever = probability_ever_drawn([0.5, 1.0, 0.0], [0.5, 0.0, 0.0], [0.2, 0.0, 0.3])
    assert ever == pytest.approx([0.8, 1.0, 0.3])
    with pytest.raises(ValueError, match="Round 2"):
        probability_ever_drawn([0.5], [1.5])
    with pytest.raises(ValueError, match="No round"):
        probability_ever_drawn()


def test_one_round_is_weighted_by_one_over_its_probability():
    pooled = pooled_weights([1.0, 0.5, 0.1])
    assert pooled.weight.tolist() == [1, 2, 10]
    assert pooled.share.tolist() == [1]


def test_rounds_share_by_what_their_design_promises_and_earlier_labels_count_in_later_rounds():
    pooled = pooled_weights([1.0, 0.5, 1.0, 0.25, 0.25, 0.25], [1, 1, 2, 2, 2, 2])
    first, second = 1 / (0.5 / 0.5**2), 1 / (3 * 0.75 / 0.25**2)
    share = first / (first + second)
    assert pooled.precision == pytest.approx(first + second)
    assert pooled.share == pytest.approx([share, 1 - share])
    later = 1 - share
    assert pooled.weight == pytest.approx(
        [1, share / 0.5 + later, later, later / 0.25, later / 0.25, later / 0.25]
    )


def test_a_round_that_samples_twice_as_many_of_many_weighs_twice_as_much():
    n = 10_000
    pooled = pooled_weights(
        np.r_[np.full(20, 20 / n), np.full(40, 40 / n)], np.repeat([1, 2], [20, 40])
    )
    assert pooled.share == pytest.approx([1 / 3, 2 / 3], abs=0.002)


def test_rounds_that_drew_for_certain_only_do_not_speak_about_the_rest():
    pooled = pooled_weights([1.0, 0.5, 0.5, 1.0], [1, 1, 1, 2])
    assert pooled.share.tolist() == [1, 0]
    assert pooled.weight.tolist() == [1, 2, 2, 0]
    assert pooled_weights([1.0, 1.0], [1, 2]).weight.tolist() == [1, 1]


counts = st.lists(st.integers(1, 30), min_size=1, max_size=8).map(np.array)


@given(counts, st.data())
@settings(max_examples=200, deadline=None)
def test_an_allocation_gives_out_all_labels_and_no_stratum_more_than_it_holds(available, data):
    size = data.draw(st.integers(0, int(available.sum())))
    wanted = np.array(data.draw(st.lists(st.floats(0.01, 50), min_size=len(available),
                                         max_size=len(available))))  # fmt: skip
    sizes = allocate(wanted, available, size, fewest=2)
    assert sizes.sum() == size
    assert ((sizes >= 0) & (sizes <= available)).all()
    if size >= np.minimum(available, 2).sum():
        assert (sizes >= np.minimum(available, 2)).all()


def test_an_allocation_follows_what_is_wanted():
    sizes = allocate(np.array([1.0, 3.0, 6.0]), np.array([100, 100, 100]), 50, fewest=2)
    assert sizes.tolist() == [5, 15, 30]
    full = allocate(np.array([1.0, 1.0, 98.0]), np.array([100, 100, 10]), 50, fewest=2)
    assert full.tolist() == [20, 20, 10]


def test_strata_get_exactly_their_sizes_and_none_may_go_empty():
    stratum = np.repeat([0, 1, 2], [50, 30, 20]).astype(np.int64)
    drawn = stratified(stratum, np.array([5, 3, 4]), np.random.default_rng(0))
    assert np.bincount(stratum[drawn.units]).tolist() == [5, 3, 4]
    assert len(np.unique(drawn.units)) == 12
    expected = np.array([5 / 50, 3 / 30, 4 / 20])[stratum[drawn.units]]
    np.testing.assert_array_equal(drawn.probability, expected)
    with pytest.raises(ValueError, match="1 of 3 strata would get no label"):
        stratified(stratum, np.array([5, 0, 4]), np.random.default_rng(0))


def test_poisson_draws_the_wanted_number_on_average_only():
    measure = np.random.default_rng(0).random(500) + 0.1
    sizes = [len(poisson(measure, 50, np.random.default_rng(s)).units) for s in range(400)]
    assert np.mean(sizes) == pytest.approx(50, abs=1.5)
    assert np.var(sizes) > 20


def test_score_strata_keep_ties_together():
    p = np.repeat([0.01, 0.2, 0.4], [70, 20, 10])
    strata = by_score(np.column_stack([1 - p, p]))
    assert all(len(np.unique(strata[p == value])) == 1 for value in np.unique(p))


@pytest.mark.parametrize("audit", AUDITS)
def test_every_audit_promises_as_many_labels_as_it_was_asked_for(audit):
    p = np.random.default_rng(1).dirichlet([0.2, 0.3, 1.0], 300)
    pi = expected_probability(audit, p, 40)
    assert pi.sum() == pytest.approx(40)
    drawn = AUDITS[audit](p, 40, np.random.default_rng(2))
    np.testing.assert_allclose(drawn.probability, pi[drawn.units])
