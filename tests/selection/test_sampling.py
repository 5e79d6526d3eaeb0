"""Probability samples and the pooling of rounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit.selection import pooled_weights, probability_ever_drawn
from labelkit.selection.sampling import inclusion_probabilities, systematic_pps

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


def test_rounds_share_by_their_sampled_labels_and_earlier_labels_count_in_later_rounds():
    pooled = pooled_weights([1.0, 0.5, 1.0, 0.25, 0.25, 0.25], [1, 1, 2, 2, 2, 2])
    assert pooled.share.tolist() == [0.25, 0.75]
    assert pooled.weight == pytest.approx([1, 0.5 + 0.75, 0.75, 3, 3, 3])


def test_rounds_that_drew_for_certain_only_do_not_speak_about_the_rest():
    pooled = pooled_weights([1.0, 0.5, 0.5, 1.0], [1, 1, 1, 2])
    assert pooled.share.tolist() == [1, 0]
    assert pooled.weight.tolist() == [1, 2, 2, 0]
    assert pooled_weights([1.0, 1.0], [1, 2]).weight.tolist() == [1, 1]
