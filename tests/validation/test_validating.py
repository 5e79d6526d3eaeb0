"""What ``validate`` promises about a report, and what it refuses."""

from __future__ import annotations

import duckdb
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

import labelkit as lk
from labelkit.errors import GoldError, WeakEvidenceWarning
from labelkit.validation import metrics

METRICS = [
    *("accuracy", "precision", "recall", "f1", "auc", "log_loss", "calibration_error", "ndcg@10"),
]


def world(n: int = 400, *, classes: int = 2, seed: int = 0) -> pl.DataFrame:
    """Weak labels of ``n`` examples, with the truth and a naive rate beside them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.7), size=n)
    truth = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, classes - 1)
    return pl.DataFrame(
        {
            "query": [f"q{i // 8}" for i in range(n)],
            "item": np.arange(n),
            **{f"p_{c}": p[:, c] for c in range(classes)},
            "label": p.argmax(axis=1),
            "truth": truth,
            "raw": np.where(rng.random(n) < 0.5, rng.random(n) * 0.6, 0.0),
        }
    )


def gold_of(pool: pl.DataFrame, **columns: object) -> pl.DataFrame:
    return pool.select("query", "item", label="truth").with_columns(**columns)


def table(report, labels: str = "weak labels") -> dict[str, dict]:
    frame = nw.from_native(report.frame).lazy().collect().to_polars()
    return {r["metric"]: r for r in frame.filter(pl.col("labels") == labels).to_dicts()}


def test_values_on_gold_that_covers_everything_are_scikit_learns():
    pool = world()
    report = lk.validate(pool, gold_of(pool))
    y, label, p = (pool[c].to_numpy() for c in ("truth", "label", "p_1"))
    got = {name: row["estimate"] for name, row in table(report).items()}
    assert list(got) == METRICS
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(y, label), rel=1e-12)
    assert got["precision"] == pytest.approx(sk.precision_score(y, label), rel=1e-12)
    assert got["recall"] == pytest.approx(sk.recall_score(y, label), rel=1e-12)
    assert got["f1"] == pytest.approx(sk.f1_score(y, label), rel=1e-12)
    assert got["auc"] == pytest.approx(sk.roc_auc_score(y, p), rel=1e-12)
    assert got["log_loss"] == pytest.approx(sk.log_loss(y, p), rel=1e-12)
    expected = metrics.ndcg(y, p, pool["query"].to_numpy())
    assert got["ndcg@10"] == pytest.approx(expected, rel=1e-12)


def test_multi_class_values_are_scikit_learns_macro_averages():
    pool = world(classes=4)
    got = {name: row["estimate"] for name, row in table(lk.validate(pool, gold_of(pool))).items()}
    y, label = pool["truth"].to_numpy(), pool["label"].to_numpy()
    p = pool.select(f"p_{c}" for c in range(4)).to_numpy()
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(y, label), rel=1e-12)
    assert got["f1"] == pytest.approx(sk.f1_score(y, label, average="macro"), rel=1e-12)
    assert got["precision"] == pytest.approx(
        sk.precision_score(y, label, average="macro"), rel=1e-12
    )
    assert got["auc"] == pytest.approx(sk.roc_auc_score(y, p, multi_class="ovr"), rel=1e-12)
    assert got["log_loss"] == pytest.approx(sk.log_loss(y, p), rel=1e-12)


def test_every_number_has_an_interval_around_it():
    pool = world()
    batch = lk.select(pool, 80, audit_share=0.5)
    gold = batch.frame.join(gold_of(pool).rename({"label": "truth"}), on=["query", "item"])
    gold = gold.select("query", "item", "inclusion_probability", label="truth")
    for given in (gold, gold_of(pool)):
        report = lk.validate(pool, given, baselines={"raw clicks": "raw"})
        for row in report.frame.to_dicts() + report.difference.to_dicts():
            assert row["low"] <= row["estimate"] <= row["high"]
            assert row["low"] < row["high"]
            assert 0 < row["effective_n"] <= row["n"] + 1e-9


def test_a_report_is_the_same_for_a_seed_and_any_row_order_of_the_gold_keys():
    pool, gold = world(), gold_of(world())[:150]
    one, two = (lk.validate(pool, gold, seed=4).frame for _ in range(2))
    assert one.rows() == two.rows()


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(lambda f: f.to_pandas(), id="pandas"),
        pytest.param(lambda f: f.to_arrow(), id="pyarrow"),
        pytest.param(lambda f: f.lazy(), id="polars lazy"),
        pytest.param(lambda f: duckdb.from_arrow(f.to_arrow()), id="duckdb"),
    ],
)
def test_all_engines_give_the_same_report_in_their_own_kind(engine):
    pool, gold = world(), gold_of(world())[:150]
    raw = pool.select("query", "item", score="raw")
    here = lk.validate(pool, gold, baselines={"raw clicks": raw})
    there = lk.validate(engine(pool), engine(gold), baselines={"raw clicks": engine(raw)})
    frame = nw.from_native(there.frame).lazy().collect().to_polars()
    assert (
        frame.drop("estimate", "low", "high").rows()
        == here.frame.drop("estimate", "low", "high").rows()
    )
    columns = ["estimate", "low", "high"]
    np.testing.assert_allclose(frame[columns].to_numpy(), here.frame[columns].to_numpy())
    if type(engine(pool)).__module__.startswith("pandas"):
        assert type(there.frame) is type(engine(pool))


# Targets


def test_gold_that_covers_everything_still_has_the_width_of_new_queries():
    pool = world()
    report = lk.validate(pool, gold_of(pool, inclusion_probability=1.0))
    row = table(report)["accuracy"]
    per_query = pool.group_by("query").agg((pl.col("label") == pl.col("truth")).mean().alias("a"))[
        "a"
    ]
    expected = 2 * 1.96 * per_query.std() / np.sqrt(len(per_query))
    assert row["high"] - row["low"] == pytest.approx(expected, rel=0.15)
    assert "population of values of 'query'" in report.target


def test_sampled_gold_speaks_about_the_pool_and_named_clusters_about_queries():
    pool = world()
    gold = gold_of(pool, inclusion_probability=0.5)[::2]
    assert lk.validate(pool, gold).target.startswith("The pool of 400 examples")
    report = lk.validate(pool, gold, cluster="query")
    assert report.target.startswith("The population of values of 'query'")
    assert "weighted by inclusion probability" in table(report)["accuracy"]["method"]


def test_gold_without_probabilities_is_said_to_be_taken_as_a_simple_random_sample():
    pool = world()
    report = lk.validate(pool, gold_of(pool)[:100])
    assert "taken as a simple random sample" in table(report)["accuracy"]["method"]


def test_a_certainty_stratum_alone_speaks_about_itself_and_warns():
    pool = world()
    with pytest.warns(WeakEvidenceWarning, match="300 of 400 weak labels have no gold"):
        report = lk.validate(pool, gold_of(pool, inclusion_probability=1.0)[:100])
    assert "had no chance" in report.target
    assert "chosen examples only" in table(report)["accuracy"]["method"]


def test_labels_that_are_not_the_pool_of_the_gold_do_not_lend_it_their_counts():
    pool = world()
    gold = gold_of(pool, inclusion_probability=0.01)[:100]
    report = lk.validate(pool, gold)
    assert "about 10,000 examples" in report.target
    assert "sizes estimated" in table(report)["accuracy"]["method"]


def test_an_audit_without_any_error_is_not_taken_for_perfection():
    """Plain linearised variance would be zero here, and so would be the interval."""
    n = 1000
    p = np.where(np.arange(n) < 100, 0.9, 0.1)
    pool = pl.DataFrame({"query": np.arange(n), "item": 0, "p_0": 1 - p, "p_1": p})
    chosen = np.arange(0, n, 20)
    gold = pl.DataFrame(
        {
            "query": chosen,
            "item": 0,
            "label": (p[chosen] > 0.5).astype(int),
            "inclusion_probability": 0.05,
        }
    )
    rows = table(lk.validate(pool, gold))
    assert rows["accuracy"]["estimate"] == rows["recall"]["estimate"] == 1
    # 45 audited negatives without an error: Jeffreys' upper end is 5.4 %, of 900; so recall may be
    # as low as about 100 / (100 + 49).
    assert rows["recall"]["high"] == 1
    assert 0.55 < rows["recall"]["low"] < 0.75


def test_ndcg_of_sampled_items_says_that_it_ranks_judged_items_only():
    pool = world()
    gold = lk.select(pool, 100, audit_share=0.5).frame
    gold = gold.join(pool.select("query", "item", "truth"), on=["query", "item"]).select(
        "query", "item", "inclusion_probability", label="truth"
    )
    assert "judged items only" in table(lk.validate(pool, gold))["ndcg@10"]["method"]


def test_grades_serve_ndcg_and_their_threshold_the_rest():
    pool = world()
    grades = pool.select("query", "item", relevance=pl.col("truth") * 3)
    rows = table(lk.validate(pool, grades))
    binary = table(lk.validate(pool, gold_of(pool)))
    assert rows["auc"]["estimate"] == binary["auc"]["estimate"]
    expected = metrics.ndcg(
        3 * pool["truth"].to_numpy(), pool["p_1"].to_numpy(), pool["query"].to_numpy()
    )
    assert rows["ndcg@10"]["estimate"] == pytest.approx(expected, rel=1e-12)


def test_rounds_in_the_gold_are_pooled():
    pool = world()
    first = lk.select(pool, 40, audit_share=0.5)
    second = lk.select(pool, 40, audit_share=0.5, exclude=first.frame)
    both = pl.concat([first.frame.with_columns(round=1), second.frame.with_columns(round=2)])
    gold = both.join(pool.select("query", "item", "truth"), on=["query", "item"]).select(
        "query", "item", "inclusion_probability", "round", label="truth"
    )
    report = lk.validate(pool, gold)
    truth = (pool["label"] == pool["truth"]).mean()
    row = table(report)["accuracy"]
    assert row["low"] < truth < row["high"]
    assert "40 certain, 40 sampled" in row["method"]


def test_round_ten_comes_after_round_two():
    pool = world()
    gold = gold_of(pool, inclusion_probability=0.2)[::5]
    names = pl.Series("round", ["round-2", "round-10"] * 40)
    numbers = pl.Series("round", [2, 10] * 40)
    by_name = lk.validate(pool, gold.with_columns(names)).frame
    assert by_name.rows() == lk.validate(pool, gold.with_columns(numbers)).frame.rows()


# Baselines


def test_a_baseline_is_read_naively_and_compared_on_the_same_gold():
    pool = world()
    report = lk.validate(pool, gold_of(pool), baselines={"raw clicks": "raw"})
    rows = table(report, "raw clicks")
    y, raw = pool["truth"].to_numpy(), pool["raw"].to_numpy()
    assert rows["accuracy"]["estimate"] == pytest.approx(np.mean((raw > 0) == y), rel=1e-12)
    assert rows["auc"]["estimate"] == pytest.approx(sk.roc_auc_score(y, raw), rel=1e-12)
    clipped = sk.log_loss(y, raw.clip(0.01, 0.99))
    assert rows["log_loss"]["estimate"] == pytest.approx(clipped, rel=1e-12)
    gaps = {r["metric"]: r for r in report.difference.to_dicts()}
    assert gaps["auc"]["estimate"] == pytest.approx(
        table(report)["auc"]["estimate"] - rows["auc"]["estimate"]
    )
    assert "weak labels are better than raw clicks" in gaps["auc"]["verdict"]
    assert "weak labels are better than raw clicks" in gaps["log_loss"]["verdict"]


def test_a_label_set_compared_with_itself_leaves_nobody_the_wiser():
    pool = world()
    report = lk.validate(pool, gold_of(pool), baselines={"itself": pool})
    for row in report.difference.to_dicts():
        assert row["estimate"] == row["low"] == row["high"] == 0
    assert all("nobody knows yet" in s for s in report.sentences)


def test_pairing_makes_a_difference_narrower_than_its_parts():
    pool = world()
    nearly = pool.with_columns(p_1=(pl.col("p_1") * 0.97)).select("query", "item", "p_1")
    report = lk.validate(pool, gold_of(pool), baselines={"nearly the same": nearly})
    gap = next(r for r in report.difference.to_dicts() if r["metric"] == "log_loss")
    row = table(report)["log_loss"]
    assert gap["high"] - gap["low"] < 0.5 * (row["high"] - row["low"])


def test_what_a_baseline_cannot_be_measured_by_is_null_with_a_reason():
    pool = world()
    labels_only = pool.select("query", "item", "label")
    report = lk.validate(pool, gold_of(pool), baselines={"bare": labels_only})
    row = table(report, "bare")["log_loss"]
    assert row["estimate"] is None
    assert row["low"] is None
    assert row["method"] == "the label set has no probabilities"
    gap = next(r for r in report.difference.to_dicts() if r["metric"] == "log_loss")
    assert "nobody knows yet, the label set has no probabilities" in gap["verdict"]


def test_too_few_rows_of_a_class_give_a_reason_instead_of_a_number():
    pool = world()
    gold = gold_of(pool.filter(pl.col("truth") == 0))[:50]
    rows = table(lk.validate(pool, gold))
    for metric in ("recall", "f1", "auc", "ndcg@10"):
        assert rows[metric]["estimate"] is None
        assert rows[metric]["high"] is None
        assert rows[metric]["method"].startswith("only 0")
    assert rows["accuracy"]["estimate"] is not None


# What it refuses


def test_gold_with_unknown_keys_is_refused_with_count_and_example():
    pool = world()
    with pytest.raises(GoldError, match=r"3 of 400 gold labels have a key that is not in the weak"):
        lk.validate(pool[3:], gold_of(pool))
    raw = pool.select("query", "item", score="raw")[2:]
    with pytest.raises(GoldError, match=r"2 of 400 .* not in baseline 'raw clicks'"):
        lk.validate(pool, gold_of(pool), baselines={"raw clicks": raw})


def test_gold_that_contradicts_or_repeats_itself_is_refused():
    pool = world()
    gold = gold_of(pool)[:50]
    twisted = gold[:2].with_columns(label=1 - pl.col("label"))
    with pytest.raises(GoldError, match=r"5 examples have more than one gold label, 2 of them"):
        lk.validate(pool, pl.concat([gold, twisted, gold[2:5]]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": 3}, r"400 of 400 values outside the classes 0 … 1\. Put grades"),
        ({"label": 0.5}, "outside the classes"),
        ({"label": pl.lit(None, dtype=pl.Int64)}, "400 of 400 rows without a value"),
        ({"label": pl.lit("yes")}, "is String, not numeric"),
        ({"inclusion_probability": 0.0}, r"outside \(0, 1\]"),
        ({"inclusion_probability": 1.2}, r"outside \(0, 1\]"),
        ({"inclusion_probability": float("nan")}, "rows without a value"),
        ({"relevance": -2}, "below 0"),
        ({"query": 5}, "none|no key would be found"),
    ],
)
def test_gold_that_cannot_be_meant_is_refused(columns, message):
    pool = world()
    given = {k: v if isinstance(v, pl.Expr) else pl.lit(v) for k, v in columns.items()}
    with pytest.raises(GoldError, match=message):
        lk.validate(pool, gold_of(pool).with_columns(**given))


def test_gold_of_one_query_cannot_speak_about_others():
    pool = world()
    with pytest.raises(GoldError, match="one value of 'query'"):
        lk.validate(pool, gold_of(pool)[:8])


def test_frames_without_the_needed_columns_are_refused_by_name():
    pool = world()
    with pytest.raises(GoldError, match="no key column 'item'"):
        lk.validate(pool, gold_of(pool).drop("item"))
    with pytest.raises(GoldError, match="neither 'label'"):
        lk.validate(pool, gold_of(pool).drop("label"))
    with pytest.raises(GoldError, match="empty: nothing was labeled"):
        lk.validate(pool, gold_of(pool)[:0])
    with pytest.raises(GoldError, match="no column 'p_0'"):
        lk.validate(pool.drop("p_0", "p_1"), gold_of(pool))
    with pytest.raises(GoldError, match="no column 'clicks'"):
        lk.validate(pool, gold_of(pool), baselines={"raw": "clicks"})
    with pytest.raises(GoldError, match="'raw' has no score, p_1 or label"):
        lk.validate(pool, gold_of(pool), baselines={"raw": pool.select("query", "item")})


def test_weak_labels_that_are_no_probabilities_are_refused():
    pool = world().with_columns(p_1=pl.lit(float("nan")))
    with pytest.raises(GoldError, match="400 of 400 weak labels have no probabilities"):
        lk.validate(pool, gold_of(world()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cluster": "user"}, "not a key column"),
        ({"k": 0}, "cut-off"),
        ({"level": 95}, "between 0 and 1"),
        ({"positive": 2}, "none of the classes"),
        ({"keys": ()}, "keys is empty"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(GoldError, match=message):
        lk.validate(world(), gold_of(world()), **arguments)


def test_examples_with_one_key_are_measured_but_not_ranked():
    pool = world().with_row_index("session").drop("query", "item")
    gold = pool.select("session", label=pl.int_range(pl.len()) % 2, inclusion_probability=0.5)
    report = lk.validate(pool, gold, keys=["session"]).frame
    found = {row["metric"]: row for row in report.to_dicts()}
    assert found["accuracy"]["estimate"] is not None
    assert found["ndcg@10"]["estimate"] is None, "a list of one is always in order"
    assert "one key (session) have no others" in found["ndcg@10"]["method"]
