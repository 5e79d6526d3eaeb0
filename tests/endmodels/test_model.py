"""EndModel: what it trains on, and that it is what scikit-learn alone would train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from labelkit.endmodels import EndModel, features
from labelkit.errors import EndModelError, NotFittedError, WeakEvidenceWarning

Exact = {"solver": "newton-cholesky", "tol": 1e-12}


def test_one_hot_soft_labels_train_as_hard_ones_do(make_world: Callable[..., Any]) -> None:
    world = make_world(k=3)
    one_hot = np.eye(3)[world.truth]
    direct = LogisticRegression(**Exact).fit(world.X, world.truth).predict_proba(world.X)
    for loss in ("hard", "expand"):
        for labels in (one_hot, world.truth):
            model = EndModel(LogisticRegression(**Exact), loss=loss, cross_fit=0)
            proba = model.fit(world.X, labels).predict_proba(world.X)
            np.testing.assert_allclose(proba, direct, rtol=0, atol=1e-10)


@pytest.mark.parametrize("loss", ["hard", "expand"])
def test_a_weight_is_so_many_repeated_rows(make_world: Callable[..., Any], loss: Any) -> None:
    world = make_world(n=200)
    times = np.random.default_rng(0).integers(0, 4, 200)
    again = np.repeat(np.arange(200), times)
    model = EndModel(LogisticRegression(**Exact), loss=loss, cross_fit=0)
    weighted = clone(model).fit(world.X, world.proba, sample_weight=times)
    repeated = clone(model).fit(world.X[again], world.proba[again])
    np.testing.assert_allclose(
        weighted.predict_proba(world.X), repeated.predict_proba(world.X), rtol=0, atol=1e-10
    )
    assert weighted.n_weightless_ == (times == 0).sum()


def test_soft_labels_with_the_right_probabilities_beat_hard_ones_in_log_loss(
    make_world: Callable[..., Any],
) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(4000, 3))
    p = 1 / (1 + np.exp(-X @ [1.0, -0.5, 0.2]))
    soft = np.column_stack([1 - p, p])
    loss = {}
    for how in ("hard", "expand"):
        q = EndModel(LogisticRegression(), loss=how, cross_fit=0).fit(X, soft)
        loss[how] = -(soft * np.log(q.predict_proba(X).clip(1e-12))).sum(axis=1).mean()
    entropy = -(soft * np.log(soft)).sum(axis=1).mean()
    assert loss["expand"] < entropy + 1e-3
    assert loss["hard"] > entropy + 0.1


def test_uncovered_and_narrow_examples_are_left_out_and_predicted(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(n=300)
    table = world.table().with_columns(
        p_0=pl.when(pl.col("item") % 10 == 1).then(0.52).otherwise("p_0"),
        p_1=pl.when(pl.col("item") % 10 == 1).then(0.48).otherwise("p_1"),
    )
    uncovered = np.arange(300) % 7 == 0
    narrow = (np.arange(300) % 10 == 1) & ~uncovered
    model = EndModel(LogisticRegression(), min_margin=0.1).fit(world.X, table)
    np.testing.assert_array_equal(model.trained_on_, ~uncovered & ~narrow)
    assert (model.n_uncovered_, model.n_narrow_) == (uncovered.sum(), narrow.sum())
    assert model.out_of_fold_proba_ is not None
    np.testing.assert_allclose(model.out_of_fold_proba_.sum(axis=1), 1)
    kept = EndModel(LogisticRegression(), uncovered="keep").fit(world.X, table)
    assert kept.trained_on_.all()
    assert kept.n_uncovered_ == 0


def test_no_query_stands_on_both_sides_of_a_fold(make_world: Callable[..., Any]) -> None:
    world = make_world(n=230)
    model = EndModel(LogisticRegression()).fit(world.X, world.table(per_query=7))
    folds = pl.DataFrame({"query": np.arange(230) // 7, "fold": model.fold_})
    assert folds.group_by("query").agg(pl.col("fold").n_unique())["fold"].max() == 1
    assert folds["fold"].n_unique() == 5


def test_out_of_fold_is_what_refitting_without_the_fold_predicts(
    make_world: Callable[..., Any],
) -> None:
    world = make_world()
    model = EndModel(LogisticRegression(**Exact), loss="expand").fit(world.X, world.table())
    held_out = model.fold_ == 2
    others = EndModel(LogisticRegression(**Exact), loss="expand", cross_fit=0).fit(
        world.X[~held_out], world.table().filter(pl.Series(~held_out))
    )
    np.testing.assert_allclose(
        model.out_of_fold_proba_[held_out], others.predict_proba(world.X[held_out]), atol=1e-10
    )


def test_a_model_that_memorises_is_found_out_of_fold(make_world: Callable[..., Any]) -> None:
    world = make_world(n=600, accuracy=0.7)
    wrong = world.proba.argmax(axis=1) != world.truth
    model = EndModel(RandomForestClassifier(30, random_state=0)).fit(world.X, world.table())
    trained = wrong & model.trained_on_
    inside = model.predict(world.X)[trained] == world.truth[trained]
    outside = model.out_of_fold_proba_.argmax(axis=1)[trained] == world.truth[trained]
    assert inside.mean() < 0.05  # it repeats the wrong labels
    assert outside.mean() > 0.5


def test_a_pipeline_sees_each_example_once(make_world: Callable[..., Any]) -> None:
    world = make_world(n=120, k=3)
    texts = [f"word{int(10 * x[0])} common {'rare' * (i % 5 == 0)}" for i, x in enumerate(world.X)]
    piped = EndModel(
        make_pipeline(TfidfVectorizer(), LogisticRegression(**Exact)), loss="expand", cross_fit=3
    ).fit(texts, world.proba)
    vectorizer = TfidfVectorizer().fit(texts)
    by_hand = EndModel(LogisticRegression(**Exact), loss="expand", cross_fit=3).fit(
        vectorizer.transform(texts), world.proba
    )
    np.testing.assert_array_equal(piped.estimator_[0].idf_, vectorizer.idf_)
    np.testing.assert_allclose(
        piped.predict_proba(texts),
        by_hand.predict_proba(vectorizer.transform(texts)),
        rtol=0,
        atol=1e-10,
    )


def test_a_pipeline_with_a_cache_is_fitted_all_the_same(
    make_world: Callable[..., Any], tmp_path: Any
) -> None:
    world = make_world()
    steps = StandardScaler(), LogisticRegression(**Exact)
    plain = EndModel(make_pipeline(*steps)).fit(world.X, world.proba)
    cached = EndModel(make_pipeline(*steps, memory=str(tmp_path))).fit(world.X, world.proba)
    np.testing.assert_array_equal(plain.predict_proba(world.X), cached.predict_proba(world.X))


def test_batches_of_an_additive_model_are_the_whole(make_world: Callable[..., Any]) -> None:
    world = make_world(k=4)
    X = np.abs(world.X).round(1)
    whole = EndModel(MultinomialNB(), loss="expand", cross_fit=0).fit(X, world.proba)
    parts = EndModel(MultinomialNB(), loss="expand", cross_fit=0, batch_rows=37)
    np.testing.assert_allclose(
        parts.fit(X, world.proba).predict_proba(X), whole.predict_proba(X), rtol=1e-9
    )


def test_batches_of_sgd_approach_the_optimum(make_world: Callable[..., Any]) -> None:
    world = make_world(n=2000)
    exact = EndModel(LogisticRegression(C=1 / (1e-3 * 2000)), loss="expand", cross_fit=0)
    sgd = SGDClassifier("log_loss", alpha=1e-3, average=True)
    near = EndModel(sgd, loss="expand", cross_fit=0, batch_rows=500, epochs=30)
    ours = near.fit(world.X, world.proba).predict_proba(world.X)
    np.testing.assert_allclose(
        ours, exact.fit(world.X, world.proba).predict_proba(world.X), atol=0.02
    )


def test_an_estimator_without_weights_is_refused_or_resampled(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(n=3000)
    model = EndModel(LinearDiscriminantAnalysis(), loss="expand", cross_fit=0)
    with pytest.raises(EndModelError, match="LinearDiscriminantAnalysis takes no sample_weight"):
        model.fit(world.X, world.proba)
    model.set_params(unweighted="resample").fit(world.X, world.proba)
    again = clone(model).fit(world.X, world.proba)
    np.testing.assert_array_equal(model.predict_proba(world.X), again.predict_proba(world.X))
    assert (model.predict(world.X) == world.truth).mean() > 0.85
    # Hard labels of one weight need none.
    EndModel(LinearDiscriminantAnalysis(), cross_fit=0).fit(world.X, world.proba)


def test_searching_inside_is_refused_and_searching_around_works(
    make_world: Callable[..., Any],
) -> None:
    world = make_world()
    inside = EndModel(LogisticRegressionCV(cv=3), loss="expand")
    with pytest.raises(EndModelError, match="copies of one example would stand on both sides"):
        inside.fit(world.X, world.proba)
    around = GridSearchCV(
        EndModel(LogisticRegression(), loss="expand", cross_fit=0),
        {"estimator__C": [1e-4, 1.0]},
    ).fit(world.X, world.proba)
    assert around.best_params_ == {"estimator__C": 1.0}
    # Expected accuracy cannot exceed what the soft labels grant their own most probable class.
    assert 0.6 < around.best_score_ <= 0.8


def test_balanced_class_weights_are_refused_with_copies(make_world: Callable[..., Any]) -> None:
    world = make_world()
    model = EndModel(LogisticRegression(class_weight="balanced"), loss="expand")
    with pytest.raises(EndModelError, match="have a row for every class"):
        model.fit(world.X, world.proba)


def test_a_class_that_is_never_the_most_probable_gets_probability_zero(
    make_world: Callable[..., Any],
) -> None:
    world = make_world()
    three = np.column_stack([world.proba * 0.9, np.full(len(world.X), 0.1)])
    model = EndModel(GaussianNB()).fit(world.X, three)
    assert model.predict_proba(world.X).shape == (400, 3)
    assert not model.predict_proba(world.X)[:, 2].any()
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])


def test_lopsided_soft_labels_are_warned_of(make_world: Callable[..., Any]) -> None:
    world = make_world()
    voted = world.proba.argmax(axis=1)
    sure_of_one = np.where(voted == 1, 0.98, 0.47)
    lopsided = np.column_stack([1 - sure_of_one, sure_of_one])
    with pytest.warns(WeakEvidenceWarning, match="probably surer of it"):
        EndModel(LogisticRegression(), loss="expand").fit(world.X, lopsided)
    EndModel(LogisticRegression(), loss="hard").fit(world.X, lopsided)


def test_all_engines_give_the_same(
    make_world: Callable[..., Any], engine: Callable[[pl.DataFrame], Any]
) -> None:
    world = make_world()
    table = world.table()
    columns = pl.DataFrame({f"x{j}": world.X[:, j] for j in range(4)})
    wide = pl.concat([table.select("query", "item"), columns], how="horizontal")
    # Features in another order than the labels: found by key.
    shuffled = wide.sample(fraction=1.0, shuffle=True, seed=1)
    weights = table.select("query", "item", positive=pl.col("item") % 3, negative=1.0)
    model = EndModel(LogisticRegression(**Exact))
    made = features(engine(shuffled), numeric=columns.columns)
    model.fit(made, engine(table), sample_weight=engine(weights.reverse()))
    weight = 1.0 + np.arange(400) % 3
    scaled = (world.X - world.X.mean(axis=0)) / world.X.std(axis=0)
    direct = EndModel(LogisticRegression(**Exact)).fit(
        scaled, table, sample_weight=weight / weight.mean()
    )
    np.testing.assert_allclose(model.out_of_fold_proba_, direct.out_of_fold_proba_, atol=1e-9)
    labeled = pl.DataFrame(_polars(model.label(made)))
    assert labeled.columns == ["query", "item", "p_0", "p_1", "label", "margin", "covered"]


def _polars(frame: Any) -> Any:
    import narwhals as nw

    return nw.from_native(frame, eager_only=True).to_polars()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "soft"}, "loss='soft' is none of 'hard', 'expand'"),
        ({"min_margin": 1.0}, "outside"),
        ({"min_proba": 0.6}, "outside"),
        ({"cross_fit": 1}, "0 for none, or 2 folds or more"),
        ({"batch_rows": 10}, "partial_fit takes"),
        ({"min_margin": 0.99}, "Nothing to learn: of 400 examples"),
    ],
)
def test_wrong_parameters_are_named(
    make_world: Callable[..., Any], change: dict[str, Any], message: str
) -> None:
    world = make_world()
    with pytest.raises(EndModelError, match=message):
        EndModel(LogisticRegression(), **change).fit(world.X, world.proba)


def test_wrong_labels_and_weights_are_counted(make_world: Callable[..., Any]) -> None:
    world = make_world()
    model, table = EndModel(LogisticRegression()), world.table()
    bad = world.proba.copy()
    bad[[3, 9]] = np.nan
    weights = table.head(399).select("query", "item", sample_weight=1.0)
    with pytest.raises(EndModelError, match=r"2 of 400 labels have no 2 .*first: row 3"):
        model.fit(world.X, bad)
    with pytest.raises(EndModelError, match="no key column 'item'"):
        model.fit(world.X, table.drop("item"))
    with pytest.raises(EndModelError, match="2 of 401 rows share their key"):
        model.fit(world.X, pl.concat([table, table.head(1)]))
    with pytest.raises(EndModelError, match="400 rows of features and 399 labels"):
        model.fit(world.X, table.head(399))
    with pytest.raises(EndModelError, match="1 of 400 labeled examples are not in the weights"):
        model.fit(world.X, table, sample_weight=weights)
    with pytest.raises(EndModelError, match="1 of 400 weights are negative or no number"):
        model.fit(world.X, table, sample_weight=np.r_[-1.0, np.ones(399)])
    with pytest.raises(EndModelError, match="3 groups"):
        model.fit(world.X, table, groups=np.arange(400) % 3)


def test_before_fit_and_without_probabilities(make_world: Callable[..., Any]) -> None:
    world = make_world()
    with pytest.raises(NotFittedError):
        EndModel(LogisticRegression()).predict(world.X)
    with pytest.raises(EndModelError, match="LinearSVC gives no probabilities"):
        EndModel(LinearSVC()).fit(world.X, world.proba)
    model = EndModel(LinearSVC(), cross_fit=0).fit(world.X, world.proba)
    assert (model.predict(world.X) == world.truth).mean() > 0.85
    with pytest.raises(EndModelError, match="cross_fit=0 made no out-of-fold"):
        model.comparison()
