"""`model_vote`: estimators and callables, checked before any row is read."""

from __future__ import annotations

import joblib
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from labelkit import files
from labelkit.errors import LFError
from labelkit.lfs.models import load_estimator, model_vote
from labelkit.lfs.models.thresholds import ProbabilityRule, ScoreRule

X = pl.DataFrame({"a": np.arange(40.0), "b": np.tile([0.0, 1.0], 20)})
Y = (X["a"].to_numpy() > 19.5).astype(int)
LOGISTIC = LogisticRegression().fit(X.to_numpy(), Y)


def schema(frame):
    return nw.from_native(frame).schema


class TestEstimators:
    def test_without_thresholds_it_votes_what_is_predicted(self):
        lf = model_vote(LOGISTIC, ["a", "b"])
        assert lf(X).tolist() == LOGISTIC.predict(X.to_numpy()).tolist()
        assert lf.labels == {0, 1}

    def test_above_votes_the_likeliest_class_where_it_is_likely_enough(self):
        p = LOGISTIC.predict_proba(X.to_numpy())[:, 1]
        expected = np.where(p >= 0.9, 1, np.where(1 - p >= 0.9, 0, -1))
        assert set(expected.tolist()) == {-1, 0, 1}
        assert model_vote(LOGISTIC, ["a", "b"], above=0.9)(X).tolist() == expected.tolist()

    def test_a_label_may_have_its_own_threshold(self):
        p = LOGISTIC.predict_proba(X.to_numpy())[:, 1]
        expected = np.where(p >= 0.99, 1, np.where(1 - p >= 0.6, 0, -1))
        votes = model_vote(LOGISTIC, ["a", "b"], above={1: 0.99, 0: 0.6})(X)
        assert votes.tolist() == expected.tolist()

    def test_below_makes_it_a_score_of_the_second_class(self):
        p = LOGISTIC.predict_proba(X.to_numpy())[:, 1]
        expected = np.where(p >= 0.3, 1, np.where(p <= 0.01, 0, -1))
        votes = model_vote(LOGISTIC, ["a", "b"], above=0.3, below=0.01)(X)
        assert votes.tolist() == expected.tolist()

    def test_classes_with_names_become_labels_and_one_that_is_left_out_is_never_voted(self):
        model = LogisticRegression().fit(X.to_numpy(), np.array(["ham", "spam"])[Y])
        with pytest.raises(LFError, match=r"classes are \['ham', 'spam'\]: say which label"):
            model_vote(model, ["a", "b"])
        lf = model_vote(model, ["a", "b"], labels={"spam": 3})
        assert lf.labels == {3}
        assert lf(X).tolist() == np.where(Y, 3, -1).tolist()

    def test_three_classes(self):
        y = np.repeat([0, 1, 2], [13, 13, 14])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=100)).fit(X.to_numpy(), y)
        p = model.predict_proba(X.to_numpy())
        votes = model_vote(model, ["a", "b"], above=0.8)(X)
        assert votes.tolist() == np.where(p.max(1) >= 0.8, p.argmax(1), -1).tolist()
        with pytest.raises(LFError, match="below is for two classes"):
            model_vote(model, ["a", "b"], above=0.8, below=0.1)

    def test_a_decision_function_is_a_score(self):
        model = LinearSVC().fit(X.to_numpy(), Y)
        s = model.decision_function(X.to_numpy())
        votes = model_vote(model, ["a", "b"], above=1.0, below=-1.0)(X)
        assert votes.tolist() == np.where(s >= 1, 1, np.where(s <= -1, 0, -1)).tolist()

    def test_a_regressor_gives_a_score(self):
        model = LinearRegression().fit(X.to_numpy(), Y)
        s = model.predict(X.to_numpy())
        votes = model_vote(model, ["a", "b"], above=0.8, below=0.2, labels={1: 2, 0: 1})(X)
        assert votes.tolist() == np.where(s >= 0.8, 2, np.where(s <= 0.2, 1, -1)).tolist()

    def test_a_text_pipeline_on_one_column(self):
        texts = ["green tea", "black tea", "loud song", "old song"] * 5
        model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 1, 0, 0] * 5)
        lf = model_vote(model, "title", above=0.6)
        frame = pl.DataFrame({"title": ["tea time", "a song", "nothing known", None]})
        assert lf(frame).tolist() == [1, 0, -1, -1]
        with pytest.raises(LFError, match="takes one column of text"):
            lf.check(schema(pl.DataFrame({"title": [1]})))

    def test_columns_are_put_in_the_order_in_which_it_was_fitted(self):
        fitted = LogisticRegression().fit(X.to_pandas(), Y)
        assert model_vote(fitted, ["b", "a"])(X.select("b", "a")).tolist() == Y.tolist()
        with pytest.raises(LFError, match=r"fitted on the columns \['a', 'b'\], not on \['a'\]"):
            model_vote(fitted, ["a"])

    @pytest.mark.parametrize("kind", ["null", "nan"])
    def test_a_missing_feature_abstains_unless_the_model_knows_it(self, kind):
        gap = X.with_columns(
            a=pl.when(pl.col("a") == 30)
            .then(None if kind == "null" else float("nan"))
            .otherwise(pl.col("a"))
        )
        expected = Y.copy()
        expected[30] = -1
        assert model_vote(LOGISTIC, ["a", "b"])(gap).tolist() == expected.tolist()
        trees = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2).fit(X.to_numpy(), Y)
        passed = model_vote(trees, ["a", "b"], missing="pass")(gap)
        assert passed[30] == trees.predict([[np.nan, 0.0]])[0]
        assert passed[30] != -1

    def test_votes_do_not_depend_on_how_rows_are_batched(self):
        lf = model_vote(LOGISTIC, ["a", "b"], above=0.8)
        one_by_one = [int(lf(X.slice(i, 1))[0]) for i in range(len(X))]
        assert one_by_one == lf(X).tolist()
        assert lf(X.head(0)).tolist() == []

    def test_the_version_follows_the_fit(self):
        again = LogisticRegression().fit(X.to_numpy(), Y)
        other = LogisticRegression().fit(X.to_numpy(), 1 - Y)
        version = model_vote(LOGISTIC, ["a", "b"]).version
        assert model_vote(again, ["a", "b"]).version == version
        assert model_vote(other, ["a", "b"]).version != version
        assert model_vote(LOGISTIC, ["a", "b"], above=0.7).version != version


class TestCallables:
    def test_a_score(self):
        lf = model_vote(lambda x: x["a"] / 40, ["a"], above=0.75, below=0.25, version="1")
        a = X["a"].to_numpy() / 40
        assert lf(X).tolist() == np.where(a >= 0.75, 1, np.where(a <= 0.25, 0, -1)).tolist()

    def test_probabilities(self):
        def three(x):
            a = x["a"].to_numpy() / 40
            return np.column_stack([a, (1 - a) / 2, (1 - a) / 2])

        lf = model_vote(three, ["a"], labels={0: 0, 1: 1, 2: 2}, above=0.5, version="1")
        # Where the second and third class are equally likely, neither is.
        assert lf(X).tolist() == np.where(X["a"].to_numpy() / 40 >= 0.5, 0, -1).tolist()

    def test_classes_from_a_list_of_texts(self):
        lf = model_vote(
            lambda texts: ["tea" if "tea" in t else "other" for t in texts],
            "title",
            labels={"tea": 1, "other": 0},
            version="1",
        )
        assert lf(pl.DataFrame({"title": ["tea", "x", None]})).tolist() == [1, 0, -1]

    @pytest.mark.parametrize(
        ("answers", "more", "message"),
        [
            (np.full((40, 2), 1.5), {"above": 0.5}, "80 values outside 0 … 1"),
            (np.full((40, 3), 0.3), {"above": 0.5}, "gives 3 probabilities a row; 2 classes"),
            (np.array(["x"] * 40), {"above": 0.5}, "is a number"),
            (np.full(40, 7), {}, "gave 7, which is none of its classes"),
            (np.full(3, 1), {}, "3 answers for 40 rows"),
        ],
    )
    def test_what_it_gives_is_checked(self, answers, more, message):
        lf = model_vote(lambda x: answers, ["a"], version="1", name="m", **more)
        with pytest.raises(LFError, match=f"'m'.*{message}"):
            lf(X)


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        (LogisticRegression(), {}, "is not fitted"),
        (LogisticRegression, {}, "is a class"),
        ("model.pkl", {}, "holds code.*load_estimator"),
        (3, {}, "is no model"),
        (lambda x: x, {}, "version="),
        (LOGISTIC, {"columns": ["a"]}, "fitted on 2 features; 1 columns"),
        (LOGISTIC, {"columns": ["a", "a"]}, "each once"),
        (LOGISTIC, {"labels": {5: 1}}, r"labels names \[5\]"),
        (LOGISTIC, {"above": 0.2, "below": 0.4}, "both ways"),
        (LOGISTIC, {"above": {7: 0.4}}, "one threshold for each label"),
        (LOGISTIC, {"labels": {0: 0, 1: 200}}, "labels are whole numbers"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_written(model, more, message):
    with pytest.raises(LFError, match=message):
        model_vote(model, more.pop("columns", ["a", "b"]), **more)


def test_text_is_not_numbers_and_is_told_before_any_row_is_read():
    lf = model_vote(LOGISTIC, ["a", "b"], name="m")
    with pytest.raises(LFError, match=r"'m' \(.*test_scores.py:\d+\): column 'b' is text"):
        lf.check(schema(X.with_columns(b=pl.lit("x"))))


class TestLoading:
    def test_a_stored_model_is_loaded_only_if_it_is_the_one_meant(self, tmp_path):
        path = tmp_path / "model.joblib"
        joblib.dump(LOGISTIC, path)
        good = files.sha256(path)
        assert model_vote(load_estimator(path, sha256=good), ["a", "b"])(X).tolist() == Y.tolist()
        with pytest.raises(LFError, match=f"SHA-256 is {good}, not 00"):
            load_estimator(path, sha256="00")
        with pytest.raises(LFError, match="no model at"):
            load_estimator(tmp_path / "none", sha256=good)

    def test_another_files_code_does_not_run(self, tmp_path):
        path, trace = tmp_path / "evil.pkl", tmp_path / "ran"
        path.write_bytes(b"cbuiltins\nopen\n(V" + str(trace).encode() + b"\nVw\ntR.")
        with pytest.raises(LFError, match="Loading it runs code"):
            load_estimator(path, sha256="0" * 64)
        assert not trace.exists()


def test_nan_scores_and_probabilities_abstain():
    assert ScoreRule(1, 0, 0.5, 0.5 - 1e-9).votes(np.array([np.nan, 1.0])).tolist() == [-1, 1]
    rule = ProbabilityRule.of([0, 1], 0.5)
    assert rule.votes(np.array([[np.nan, 0.9], [0.1, 0.9]])).tolist() == [-1, 1]


def test_a_constant_model_says_so_without_a_feature_to_read():
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((4, 1)), [0, 0, 0, 1])
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    assert model_vote(dummy, ["a"], above=0.7)(pl.from_pandas(frame)).tolist() == [0, 0]
