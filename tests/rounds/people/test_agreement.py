"""Agreement beside its peers, at its edges, and on a published worked example."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from labelkit.errors import RoundError
from labelkit.rounds.people import agreement, pairwise

# Krippendorff's (2011) example of four observers, with answers missing; Gwet's book uses it too.
FOUR = [
    [1, 1, None, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
    [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [None, 5, 5, 5], [None, None, 1, 1],
    [None, None, 3, None],
]  # fmt: skip


def counts_of(rows, k):
    table = np.zeros((len(rows), k))
    for i, row in enumerate(rows):
        for value in row:
            if value is not None:
                table[i, value - 1] += 1
    return table


def by_name(counts, **kwargs):
    return {found.measure: found for found in agreement(counts, **kwargs)}


def test_the_worked_example_of_four_observers_gives_the_published_numbers():
    found = by_name(counts_of(FOUR, 5))
    assert found["alpha"].estimate == pytest.approx(0.74342, abs=1e-5)
    assert found["kappa"].estimate == pytest.approx(0.76117, abs=1e-5)
    assert found["ac1"].estimate == pytest.approx(0.77544, abs=1e-5)
    # The limits that Gwet's irrCAC prints for κ and AC1.
    assert found["kappa"].low == pytest.approx(0.424, abs=1e-3)
    assert found["ac1"].low == pytest.approx(0.461, abs=1e-3)
    assert found["ac1"].high == 1.0
    assert found["alpha"].low < 0.74342 < found["alpha"].high
    assert (found["alpha"].n_items, found["alpha"].n_answers) == (11, 40)


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_alpha_is_that_of_the_package_krippendorff(scale):
    krippendorff = pytest.importorskip("krippendorff")
    random = np.random.default_rng(3)
    counts = random.multinomial(4, [0.4, 0.3, 0.2, 0.1], size=40).astype(float)
    counts[:10] = random.multinomial(2, [0.1, 0.1, 0.4, 0.4], size=10)
    theirs = krippendorff.alpha(
        value_counts=counts.astype(int), value_domain=np.arange(4), level_of_measurement=scale
    )
    assert by_name(counts, scale=scale)["alpha"].estimate == pytest.approx(theirs, abs=1e-12)


def test_kappa_is_that_of_statsmodels():
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    counts = np.random.default_rng(1).multinomial(3, [0.5, 0.3, 0.2], size=50)
    assert by_name(counts)["kappa"].estimate == pytest.approx(inter_rater.fleiss_kappa(counts))


def test_no_disagreement_in_ten_examples_does_not_prove_that_there_is_none():
    counts = np.repeat([[2, 0], [0, 2]], 5, axis=0)
    for found in agreement(counts):
        assert found.estimate == 1
        assert found.high == 1
        assert found.low < 0.7


def test_too_few_examples_with_two_answers_give_no_number_and_say_why():
    for found in agreement([[1, 0], [2, 0], [0, 1]]):
        assert found.estimate is None
        assert "only 1 examples" in found.method


def test_one_class_throughout_says_nothing_beyond_chance():
    found = by_name([[2, 0]] * 8)
    assert found["observed"].estimate == 1
    assert found["alpha"].estimate is None
    assert found["kappa"].estimate is None


def test_counts_that_are_none_are_refused():
    with pytest.raises(RoundError, match="at least two classes"):
        agreement([[1], [2]])


def test_pairs_of_annotators_are_compared_on_what_both_answered():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    answers = [("a", "1", 0), ("a", "2", 1), ("a", "3", 1), ("b", "1", 0), ("b", "2", 1),
               ("b", "3", 0), ("c", "3", 0)]  # fmt: skip
    frame = pl.DataFrame(
        [("r", example, person, label, at) for person, example, label in answers],
        schema=["round", "example", "annotator", "label", "at"],
        orient="row",
    )
    found = pairwise(frame)
    assert found.row(0, named=True) == {
        "first": "a", "second": "b", "n_common": 3,
        "observed": pytest.approx(2 / 3), "kappa": pytest.approx(0.4),
    }  # fmt: skip
    assert len(found) == 3
