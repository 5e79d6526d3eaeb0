"""Labeling functions: what the decorator records, and what it refuses."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import narwhals as nw
import polars as pl
import pytest

from labelkit import col, labeling_function, vote
from labelkit.errors import LFError
from labelkit.lfs import LabelingFunction, RowFunction, as_lf


@labeling_function
def bought():
    """A purchase is rare and deliberate."""
    return vote(1, where=col("conversions") > 0)


@labeling_function(name="renamed")
def something_else():
    return vote(0, where=col("ctr_high") < 0.02) | vote(1, where=col("ctr_low") > 0.5)


def test_a_labeling_function_records_what_a_report_needs():
    assert isinstance(bought, LabelingFunction)
    assert bought.name == "bought"
    assert bought.doc == "A purchase is rare and deliberate."
    assert bought.columns == {"conversions"}
    assert bought.labels == {1}
    assert bought.rule == "1 where conversions > 0"
    assert bought.source.startswith("@labeling_function\ndef bought():")
    file, line = bought.where_defined.rsplit(":", 1)
    assert "def bought" in "".join(
        Path(file).read_text().splitlines()[int(line) - 1 : int(line) + 1]
    )
    assert something_else.name == "renamed"
    assert something_else.labels == {0, 1}
    with pytest.raises(FrozenInstanceError):
        bought.name = "x"


def test_labeling_functions_compose_and_are_renamed():
    both = bought | something_else
    assert both.name == "bought_or_renamed"
    assert both.columns == {"conversions", "ctr_high", "ctr_low"}
    assert str(both).endswith("1 where conversions > 0, else 0 where ctr_high < 0.02, "
                              "else 1 where ctr_low > 0.5")  # fmt: skip
    assert both.named("x").name == "x"

    @labeling_function
    def composed():
        return bought | something_else

    assert composed.rule == both.rule


def test_a_vote_without_condition_is_the_last_resort():
    lf = as_lf(bought).named("x")
    frame = pl.DataFrame({"conversions": [1, None]})
    fallback = LabelingFunction("x", lf.ballot | vote(0))
    table = nw.from_native(frame)
    assert table.select(fallback.to_expr(table.schema))["x"].to_list() == [1, 0]


def test_a_function_of_one_row_is_kept_as_it_is():
    @labeling_function
    def long_title(x):
        """Long titles say more."""
        return 1 if len(x.title) > 10 else -1

    assert isinstance(long_title, RowFunction)
    assert long_title.doc == "Long titles say more."
    assert as_lf(long_title) is long_title
    assert as_lf(lambda x: 0).name == "<lambda>"


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (-1, "no vote for ABSTAIN"),
        (-2, "from 0 to 126"),
        (1.5, "whole number"),
        (True, "whole number"),
        ("relevant", "whole number"),
        (200, "from 0 to 126"),
    ],
)
def test_a_vote_is_for_a_class(label, message):
    with pytest.raises(LFError, match=message):
        vote(label, where=col("x") > 1)


def test_what_is_no_labeling_function_is_named_with_its_line():
    with pytest.raises(
        LFError, match=r"'f' \(.*test_function\.py:\d+\) returns True instead of vote"
    ):

        @labeling_function
        def f():
            return True

    with pytest.raises(LFError, match=r"'g' \(.*test_function\.py:\d+\): `x > 1` is a condition"):

        @labeling_function
        def g():
            if col("x") > 1:
                return vote(1)
            return vote(0)

    with pytest.raises(LFError, match="takes 2 arguments"):

        @labeling_function
        def h(a, b):
            return 1

    with pytest.raises(LFError, match="stands above a function"):
        labeling_function("name")
    for thing in (vote(1, where=col("x") > 1), 3, "f", int):
        with pytest.raises(LFError, match=r"without a name|not a labeling function"):
            as_lf(thing)


def test_a_missing_column_is_named_with_the_line_near_matches_and_the_source_in_the_log():
    schema = nw.from_native(pl.DataFrame(schema={"conversion": pl.Int8, "ctr": pl.Float64})).schema
    with pytest.raises(
        LFError,
        match=r"'bought' \(.*:\d+\): the examples have no column 'conversions' "
        r"\(evidence has it when the log has conversion\); did you mean 'conversion'\?",
    ):
        bought.to_expr(schema)
