"""`BatchFunction`: votes of many rows at once, held to the same contract as any other LF."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelkit import labeling_function
from labelkit.errors import LFError
from labelkit.lfs import BatchFunction, as_lf, load_lfs

EXAMPLES = pl.DataFrame({"item": [1, 2, 3], "score": [0.1, 0.5, 0.9]})


def batch_function(vote=None, name="scored", **more):
    given = {"columns": frozenset({"score"}), "labels": frozenset({0, 1}), "version": "1"} | more
    return BatchFunction(name, vote=vote or by_half, rule="1 where score > 0.5, else 0", **given)


def by_half(batch):
    return (batch["score"].to_numpy() > 0.5).astype(np.int8)


def test_it_votes_on_the_columns_that_it_names_and_sees_no_other():
    seen = []

    def look(batch):
        seen.append(batch.columns)
        return by_half(batch)

    votes = batch_function(look)(EXAMPLES)
    assert votes.tolist() == [0, 0, 1]
    assert votes.dtype == np.int8
    assert seen == [["score"]]


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        ([0, 1], r"shape \(2,\).* for 3 rows"),
        ([[0], [1], [1]], r"shape \(3, 1\)"),
        ([0.0, 1.0, 1.0], "type float64"),
        ([0, 7, 7], r"voted 7 on row 1 of a batch \(and on 1 more\); it may vote \[0, 1\] or -1"),
        ([0, -2, 1], "voted -2 on row 1"),
    ],
)
def test_what_is_no_vote_stops_with_the_name(votes, message):
    with pytest.raises(LFError, match=rf"'scored' .*{message}"):
        batch_function(lambda batch: np.array(votes), where_defined="f.py:3")(EXAMPLES)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"version": ""}, "no version"), ({"labels": frozenset({-1})}, r"votes \[-1\]")],
)
def test_a_function_without_version_or_with_an_impossible_label_is_refused(given, message):
    with pytest.raises(LFError, match=message):
        batch_function(**given)


def test_under_the_decorator_it_has_name_reason_source_and_line():
    @labeling_function
    def scored_by_model():
        """The model has seen more than we have."""
        return batch_function(name="")

    assert scored_by_model.name == "scored_by_model"
    assert scored_by_model.doc == "The model has seen more than we have."
    assert "def scored_by_model" in scored_by_model.source
    assert "test_batches.py:" in scored_by_model.where_defined
    assert scored_by_model(EXAMPLES).tolist() == [0, 0, 1]


def test_without_a_name_it_is_no_lf():
    with pytest.raises(LFError, match=r"`1 where score > 0\.5, else 0` has no name"):
        as_lf(batch_function(name=""))


def test_a_module_names_it_by_its_variable(tmp_path):
    (tmp_path / "lfs.py").write_text(
        "import numpy as np\n"
        "from labelkit.lfs import BatchFunction\n"
        "scored = BatchFunction('', frozenset({'score'}), frozenset({1}),\n"
        "    lambda batch: np.ones(len(batch), dtype=np.int8), rule='1 always', version='1')\n"
    )
    (found,) = load_lfs(["lfs"], tmp_path)
    assert found.name == "scored"
