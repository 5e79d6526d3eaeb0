"""Numbers and texts as a matrix: gaps, scales, other rows, columns that LFs read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from labelkit.endmodels import EndModel, features
from labelkit.errors import EndModelError
from labelkit.lfs import col, labeling_function, vote

FRAME = pl.DataFrame(
    {
        "query": ["a", "a", "b", "b"],
        "item": [1, 2, 1, 2],
        "price": [1.0, None, 3.0, 8.0],
        "sold": [True, False, True, True],
        "title": ["red shoes", None, "blue shoes", "hat"],
    }
)


def test_gaps_become_medians_and_flags(engine: Callable[[pl.DataFrame], Any]) -> None:
    made = features(engine(FRAME), numeric=["price", "sold"], scale=False)
    assert made.names == ("price", "sold", "price is missing")
    np.testing.assert_array_equal(made.matrix, [[1, 1, 0], [3, 0, 1], [3, 1, 0], [8, 1, 0]])


def test_text_is_what_scikit_learn_makes_of_it(engine: Callable[[pl.DataFrame], Any]) -> None:
    made = features(engine(FRAME), text=["title"], vectorizer=TfidfVectorizer())
    direct = TfidfVectorizer().fit_transform(["red shoes", "", "blue shoes", "hat"])
    np.testing.assert_array_equal(made.matrix.toarray(), direct.toarray())
    assert made.names == ("title: blue", "title: hat", "title: red", "title: shoes")


def test_numbers_stand_before_text_and_are_scaled() -> None:
    made = features(FRAME, numeric=["price"], text=["title"])
    assert made.matrix.shape == (4, 6)
    dense = made.matrix.toarray()
    assert dense[:, 0].mean() == pytest.approx(0)
    assert dense[:, 0].std() == pytest.approx(1)
    assert len(made.names) == 6


def test_other_rows_get_the_same_recipe() -> None:
    made = features(FRAME, numeric=["price"], text=["title"])
    other = pl.DataFrame(
        {"query": ["z"], "item": [7], "price": [float("nan")], "title": ["red unknown"]}
    )
    again = made.like(other).matrix.toarray()[0]
    filled = np.array([1, 3, 3, 8.0])
    assert again[0] == pytest.approx((3.0 - filled.mean()) / filled.std())
    assert again[1] == 1.0
    assert again[made.names.index("title: red")] == 1.0
    np.testing.assert_array_equal(made.like(FRAME).matrix.toarray(), made.matrix.toarray())


def test_a_constant_column_says_nothing() -> None:
    frame = FRAME.with_columns(price=pl.lit(0.1))
    np.testing.assert_allclose(features(frame, numeric=["price"]).matrix, 0, atol=1e-12)


def test_hashed_text_needs_no_vocabulary() -> None:
    made = features(FRAME, text=["title"], vectorizer=HashingVectorizer(n_features=16))
    assert made.matrix.shape == (4, 16)
    assert len(made.names) == 16


@labeling_function
def cheap() -> Any:
    """A labeling function that reads the price."""
    return vote(1, where=col("price") < 2)


def test_columns_that_labeling_functions_read_are_flagged_or_left_out() -> None:
    flagged = features(FRAME, numeric=["price", "sold"], text=["title"], lfs=[cheap])
    assert flagged.read_by_lfs == ("price",)
    left = features(FRAME, numeric=["price", "sold"], lfs=[cheap], read_by_lfs="exclude")
    assert left.names == ("sold",)
    assert left.read_by_lfs == ()
    with pytest.raises(EndModelError, match="No column is left"):
        features(FRAME, numeric=["price"], lfs=[cheap], read_by_lfs="exclude")
    labels = FRAME.select("query", "item", p_0=pl.Series([0.9, 0.2, 0.8, 0.3])).with_columns(
        p_1=1 - pl.col("p_0")
    )
    assert EndModel(LogisticRegression(), cross_fit=0).fit(flagged, labels).read_by_lfs_ == (
        "price",
    )


def test_a_row_function_that_tells_no_columns_is_refused() -> None:
    from labelkit.lfs import labeling_function as decorate

    @decorate
    def rowwise(x: Any) -> int:
        return 1 if x.price > 2 else -1

    with pytest.raises(EndModelError, match="'rowwise' does not say which columns it reads"):
        features(FRAME, numeric=["price"], lfs=[rowwise])


@pytest.mark.parametrize(
    ("frame", "columns", "message"),
    [
        (FRAME, {"numeric": ["prize"]}, "There is no column 'prize'"),
        (FRAME, {"numeric": ["title"]}, "not numeric"),
        (FRAME, {"text": ["price"]}, "not text"),
        (FRAME, {"numeric": ["price", "price"]}, "named twice"),
        (FRAME, {}, "No column is left"),
        (FRAME.head(0), {"numeric": ["price"]}, "no rows"),
        (
            FRAME.with_columns(price=pl.Series([1.0, float("inf"), 2.0, 3.0])),
            {"numeric": ["price"]},
            "1 infinite values of 4",
        ),
        (
            FRAME.with_columns(price=pl.lit(None, dtype=pl.Float64)),
            {"numeric": ["price"]},
            "has no value in any of 4 rows",
        ),
        (FRAME.with_columns(title=pl.lit("")), {"text": ["title"]}, "give no features"),
        (FRAME.with_columns(item=1), {"numeric": ["price"]}, "4 of 4 rows share their key"),
    ],
)
def test_unusable_columns_are_named(
    frame: pl.DataFrame, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(EndModelError, match=message):
        features(frame, **columns)
