"""Text evidence: overlap with the query's words, similarity to the query's other items."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from labelkit.errors import LFError
from labelkit.lfs.overlap import text_evidence


@pytest.fixture
def shown():
    return pl.DataFrame(
        {
            "query": ["q1", "q1", "q1", "q2", "q3"],
            "item": [1, 2, 3, 1, 9],
            "query_text": ["Red shoes", "Red shoes", "red SHOES!", "…", "東京 ramen"],
            "title": ["Red leather shoes", "Shoes", "Garden tools", "Anything", "東京ラーメン"],
            "snippet": ["all our red shoes", "blue shoes", None, "goes", "Ramen in Tokyo"],
        }
    )


def test_overlap_is_the_share_of_the_querys_words_in_each_field(shown):
    out = text_evidence(shown)
    assert out.select("title_overlap", "snippet_overlap", "overlap").rows() == [
        (1.0, 1.0, 1.0),
        (0.5, 0.5, 0.5),
        (0.0, None, 0.0),
        (None, None, None),  # no word was asked for
        (pytest.approx(2 / 3), pytest.approx(1 / 3), 0.5),  # 東, 京 and ramen
    ]


def test_an_item_that_resembles_its_neighbours_is_nearer_than_one_that_does_not(shown):
    out = text_evidence(shown)
    first, second, odd, alone, other = out["similarity"]
    assert first > odd == 0.0
    assert second > odd
    assert alone is None  # no other item of the query
    assert other is None


def test_similarity_is_the_mean_cosine_with_the_others_as_scikit_learn_would_have_it():
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(30)]
    frame = pl.DataFrame(
        {
            "query": np.repeat([1, 2], 8),
            "item": list(range(16)),
            "query_text": "w1 w2",
            "title": [" ".join(rng.choice(words, 12)) for _ in range(16)],
        }
    )
    weights = frame.select("query", "item").with_columns(ctr=pl.Series(rng.random(16)))
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(frame["title"]).toarray()
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, 0.0)
    cosines *= np.equal.outer(frame["query"].to_numpy(), frame["query"].to_numpy())
    others = np.equal.outer(frame["query"].to_numpy(), frame["query"].to_numpy()) & ~np.eye(
        16, dtype=bool
    )
    for given_weights, w in ((None, np.ones(16)), (weights, weights["ctr"].to_numpy())):
        out = text_evidence(frame, fields=["title"], weights=given_weights)
        np.testing.assert_allclose(out["similarity"], cosines @ w / (others @ w), atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    n = 40
    texts = [" ".join(rng.choice(list("abcdefgh"), 4)) for _ in range(n)]
    frame = pl.DataFrame(
        {
            "query": rng.integers(0, 4, n),
            "item": rng.integers(0, 6, n),
            "query_text": rng.choice(["a b", "c", "d e f", ""], n),
            "title": texts,
            "snippet": rng.permutation(texts),
        }
    )
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    assert text_evidence(frame).equals(text_evidence(shuffled))
    values = text_evidence(frame).drop("query", "item").drop_nulls().to_numpy()
    assert ((values >= 0) & (values <= 1)).all()


def test_results_come_back_in_the_users_kind_of_frame(shown):
    expected = text_evidence(shown)
    assert isinstance(text_evidence(shown.to_pandas()), type(shown.to_pandas()))
    assert pl.from_arrow(text_evidence(shown.to_arrow())).equals(expected)
    assert text_evidence(shown.lazy()).equals(expected)


def test_a_missing_column_a_null_key_and_a_negative_weight_are_named(shown):
    with pytest.raises(LFError, match=r"lacks \['body'\]"):
        text_evidence(shown, fields=["body"])
    with pytest.raises(LFError, match="1 rows of the shown texts have a null"):
        text_evidence(shown.with_columns(item=pl.Series([1, 2, None, 4, 5])))
    with pytest.raises(LFError, match="'ctr' of the weights has negative"):
        text_evidence(shown, weights=shown.select("query", "item", ctr=pl.lit(-1.0)))
