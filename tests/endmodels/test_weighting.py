"""Importance weights from a log with known truth."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import labelkit as lk
from labelkit.endmodels import EndModel, features, soft_labels
from labelkit.endmodels.weighting import importance
from labelkit.errors import EndModelError


# The probabilities are the truth, and of a rare class.
@pytest.mark.filterwarnings("ignore:The soft labels give class")
def test_weights_of_a_log_are_found_by_key_and_average_to_one() -> None:
    simulated = lk.simulate(n_impressions=20_000, seed=1)
    log = lk.read_log(simulated.frame)
    weights = lk.example_weights(log, lk.PositionBias("power").fit(log))
    truth = simulated.truth.attractiveness.join(
        weights.select("query", "item"), on=["query", "item"], how="semi"
    )
    labels = truth.select("query", "item", p_0=1 - pl.col("attractiveness"), p_1="attractiveness")
    given = importance(weights, soft_labels(labels))
    known = labels.join(weights, on=["query", "item"], how="left", maintain_order="left")
    total = (known["positive"] + known["negative"]).to_numpy()
    assert given.mean() == pytest.approx(1)
    np.testing.assert_allclose(given, total / total.mean())
    # A feature that tells the truth: the soft fit follows it, weighted by what the log knows.
    made = features(truth, numeric=["attractiveness"])
    model = EndModel(LogisticRegression(C=1e6), loss="expand", cross_fit=0, min_proba=0.0)
    model.fit(made, labels, sample_weight=weights)
    q = model.predict_proba(made)[:, 1]
    # The weighted score equation of the intercept: fitted and soft shares agree.
    assert given @ q == pytest.approx(given @ labels["p_1"].to_numpy(), rel=1e-3)
    batch = lk.select(model.label(made), n=20, seed=0)
    assert len(batch.frame) == 20


def test_what_cannot_be_weights_is_refused() -> None:
    labels = pl.DataFrame({"query": ["a", "b"], "item": [1, 1], "p_0": [0.2, 0.9]}).with_columns(
        p_1=1 - pl.col("p_0")
    )
    soft = soft_labels(labels)
    keyed = labels.select("query", "item")
    with pytest.raises(EndModelError, match="'positive' and 'negative'"):
        importance(keyed.with_columns(weight=1.0), soft)
    with pytest.raises(EndModelError, match="1 of 2 weights are negative or no number"):
        importance(keyed.with_columns(sample_weight=pl.Series([None, 1.0], dtype=pl.Float64)), soft)
    with pytest.raises(EndModelError, match="All weights are 0"):
        importance(keyed.with_columns(sample_weight=0.0), soft)
    with pytest.raises(EndModelError, match="labels in an array have none"):
        importance(keyed.with_columns(sample_weight=1.0), soft_labels(soft.proba))
    other = keyed.with_columns(pl.col("item").cast(pl.String), sample_weight=1.0)
    with pytest.raises(EndModelError, match=r"item.* is Int64 in the labels and String"):
        importance(other, soft)
    with pytest.raises(EndModelError, match=r"shape \(3,\), but there are 2 labels"):
        importance(np.ones(3), soft)
