"""Crowds: answers in long form, in and out, and every rule that the documentation states."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from labelkit.errors import GoldError, LabelModelError, NotFittedError
from labelkit.labelmodels import CrowdModel
from labelkit.labelmodels.crowds.answers import Answers
from labelkit.labelmodels.crowds.choice import STRUCTURES
from labelkit.labelmodels.crowds.hierarchy import Known, fit_hierarchy

NAMES = {"item": "task", "worker": "who", "label": "said"}


def crowd(seed: int = 0, *, n: int = 300, m: int = 20, each: int = 5, k: int = 3) -> tuple:
    """Answers of workers with one accuracy each, and the truth (n,)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    accuracy = rng.beta(4, 2, m)
    item = np.repeat(np.arange(n), each)
    worker = np.concatenate([rng.permutation(m)[:each] for _ in range(n)])
    right = rng.random(len(item)) < accuracy[worker]
    wrong = (truth[item] + rng.integers(1, k, len(item))) % k
    frame = pl.DataFrame({"task": item, "who": worker, "said": np.where(right, truth[item], wrong)})
    return frame, truth, accuracy


@pytest.fixture(scope="module")
def answers() -> pl.DataFrame:
    return crowd()[0]


def test_labels_beat_majority_vote_and_accuracies_are_found() -> None:
    frame, truth, accuracy = crowd(n=1000)
    model = CrowdModel().fit(frame, **NAMES)
    majority = CrowdModel(method="majority").fit(frame, **NAMES)
    right = [(fit.label()["said"].to_numpy() == truth).mean() for fit in (model, majority)]
    assert model.method_.startswith("onecoin")
    assert right[0] > right[1] + 0.01
    assert np.abs(model.workers_["accuracy"].to_numpy() - accuracy).mean() < 0.05


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "pyarrow", "duckdb"])
def test_every_engine_gives_the_same_labels_whatever_the_row_order(answers, kind) -> None:
    shuffled = answers.sample(fraction=1, shuffle=True, seed=1)
    frame = {
        "polars": lambda: shuffled,
        "lazy": shuffled.lazy,
        "pandas": shuffled.to_pandas,
        "pyarrow": shuffled.to_arrow,
        "duckdb": lambda: duckdb.from_arrow(shuffled.to_arrow()),
    }[kind]()
    expected = CrowdModel().fit(answers, **NAMES)
    model = CrowdModel().fit(frame, **NAMES)
    found = model.label()
    if kind in ("pyarrow", "duckdb"):
        assert isinstance(found, pa.Table)
    assert pl.DataFrame(found).equals(expected.label())
    assert pl.DataFrame(model.workers_).equals(expected.workers_)


@pytest.mark.parametrize("method", STRUCTURES)
def test_every_step_raises_the_evidence(answers, method) -> None:
    numbered = Answers.of(answers["task"], answers["who"], answers["said"])
    fit = fit_hierarchy(numbered, STRUCTURES[method])
    assert np.diff(fit.bounds).min() > -1e-6
    assert fit.converged


def test_labels_may_be_text_and_permuting_their_names_permutes_the_result(answers) -> None:
    named = answers.with_columns(pl.col("said").replace_strict({0: "c", 1: "a", 2: "b"}))
    plain = CrowdModel(method="dawid_skene").fit(answers, **NAMES)
    text = CrowdModel(method="dawid_skene").fit(named, **NAMES)
    assert text.classes_ == ["a", "b", "c"]
    for name, number in (("p_0", "p_1"), ("p_1", "p_2"), ("p_2", "p_0")):
        np.testing.assert_allclose(text.label()[name], plain.label()[number], atol=1e-9)
    back = text.label()["said"].replace_strict({"c": 0, "a": 1, "b": 2}, return_dtype=pl.Int64)
    assert back.equals(plain.label()["said"])


def test_repeated_answers_of_one_worker_share_one_vote() -> None:
    frame = pl.DataFrame(
        {"task": [1, 1, 1, 1, 2], "who": list("aaabb"), "said": ["y", "y", "y", "n", "n"]}
    )
    model = CrowdModel(method="majority").fit(frame, **NAMES)
    assert model.n_repeated_ == 2
    assert model.label()["n_answers"].to_list() == [2, 1]
    # One worker said y three times, one said n: they are tied, and n is commoner among all items.
    row = model.label().row(0, named=True)
    assert row["p_0"] == pytest.approx(row["p_1"])
    assert row["said"] == "n"


def test_nulls_and_minus_one_are_no_answers(answers) -> None:
    extra = pl.DataFrame({"task": [0, 1], "who": [0, 1], "said": [-1, None]}, schema=answers.schema)
    model = CrowdModel().fit(pl.concat([answers, extra]), **NAMES)
    assert model.n_skipped_ == 2
    assert model.label().equals(CrowdModel().fit(answers, **NAMES).label())


def test_known_items_are_clamped_and_workers_are_judged_by_them() -> None:
    # Two camps of equal size contradict each other: only gold can tell which is right.
    task = np.repeat(np.arange(200), 6)
    who = np.tile(np.arange(6), 200)
    truth = np.random.default_rng(0).integers(0, 2, 200)
    said = np.where(who < 3, truth[task], 1 - truth[task])
    frame = pl.DataFrame({"task": task, "who": who, "said": said})
    gold = pl.DataFrame({"task": np.arange(25), "said": truth[:25]})
    model = CrowdModel(method="dawid_skene").fit(frame, gold=gold, **NAMES)
    assert model.n_gold_ == 25
    assert (model.label()["said"].to_numpy() == truth).all()
    accuracy = model.workers_["accuracy"].to_numpy()
    assert (accuracy[:3] > 0.9).all()
    assert (accuracy[3:] < 0.1).all()


def test_enough_gold_chooses_by_held_out_loss() -> None:
    frame, truth, _ = crowd(n=200)
    gold = pl.DataFrame({"task": np.arange(60), "said": truth[:60]})
    model = CrowdModel().fit(frame, gold=gold, **NAMES)
    assert "held-out gold items" in model.reason_


def test_two_workers_are_too_few_for_anything_but_majority(answers) -> None:
    model = CrowdModel(3).fit(answers.filter(pl.col("who") < 2), **NAMES)
    assert model.method_ == "majority"
    assert "only 2 workers" in model.reason_


def test_few_answers_per_item_learn_no_class_balance(answers) -> None:
    model = CrowdModel(3).fit(answers.group_by("task").head(2), **NAMES)
    assert model.method_ == "onecoin_uniform"


def test_a_model_that_is_read_back_says_the_same(answers, tmp_path) -> None:
    model = CrowdModel().fit(answers, **NAMES)
    model.save(tmp_path / "crowd.npz")
    again = CrowdModel.load(tmp_path / "crowd.npz")
    assert again.label().equals(model.label())
    assert again.workers_.equals(model.workers_)
    assert again.confusions_.equals(model.confusions_)
    assert again.reason_ == model.reason_
    np.testing.assert_array_equal(again.class_balance_interval_, model.class_balance_interval_)


def test_rare_workers_shrink_to_the_population(answers) -> None:
    newcomer = pl.DataFrame({"task": [0], "who": [99], "said": [0]}, schema=answers.schema)
    table = CrowdModel(method="dawid_skene").fit(pl.concat([answers, newcomer]), **NAMES).workers_
    accuracy = table["accuracy"].to_numpy()
    assert abs(accuracy[-1] - accuracy[:-1].mean()) < 0.15
    assert table["high"][-1] - table["low"][-1] > 0.4


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"who": [1, None, 2]}, LabelModelError, "'who' has 1 of 3 rows without a value .*row 2"),
        ({"task": [1.0, 2.5, 3.0]}, LabelModelError, "'task' has 1 of 3 rows .*float.*2.5"),
        ({"task": [1.0, 2.0**60, 3.0]}, LabelModelError, "'task' has 1 of 3 rows .*as text"),
        ({"said": ["a", "a", "a"]}, LabelModelError, "'said' holds 1 different labels"),
        ({"said": [None, None, None]}, LabelModelError, "None of the 3 rows has an answer"),
    ],
)
def test_bad_tables_are_refused_with_column_count_and_example(change, error, message) -> None:
    columns = {"task": [1, 2, 3], "who": [1, 2, 3], "said": ["a", "b", "a"]} | change
    with pytest.raises(error, match=message):
        CrowdModel().fit(pl.DataFrame(columns), **NAMES)


def test_gold_that_contradicts_itself_or_is_of_another_type_is_refused(answers) -> None:
    twice = pl.DataFrame({"task": [1, 1], "said": [0, 1]})
    with pytest.raises(GoldError, match="1 of 1 gold items have two different labels"):
        CrowdModel().fit(answers, gold=twice, **NAMES)
    text = pl.DataFrame({"task": ["1"], "said": [0]})
    with pytest.raises(GoldError, match="'task' is Int64 in the answers and String in gold"):
        CrowdModel().fit(answers, gold=text, **NAMES)


def test_misuse_is_named(answers) -> None:
    with pytest.raises(NotFittedError):
        CrowdModel().label()
    with pytest.raises(LabelModelError, match="method='glad' is none of"):
        CrowdModel(method="glad").fit(answers, **NAMES)  # type: ignore[arg-type]
    with pytest.raises(LabelModelError, match="'worker' is not in the table"):
        CrowdModel().fit(answers, item="task", label="said")
    with pytest.raises(LabelModelError, match="holds 3 different labels"):
        CrowdModel(2).fit(answers, **NAMES)


def test_gold_items_stay_as_they_are_for_every_structure(answers) -> None:
    numbered = Answers.of(answers["task"], answers["who"], answers["said"])
    known = Known(np.array([0, 1, 2]), np.array([2, 2, 2]))
    for structure in STRUCTURES.values():
        assert (fit_hierarchy(numbered, structure, known).proba[:3, 2] > 1 - 1e-12).all()


@pytest.mark.parametrize(
    ("name", "best_peer"),
    [
        # The best of crowd-kit 1.4.1: see benchmarks/labelmodels.py crowds.
        ("crowd_ms", 79.9),
        ("crowd_rte", 92.8),
        ("crowd_trec11_relevance", 70.0),
        ("crowd_zencrowd_us", 90.4),
    ],
)
def test_auto_is_within_a_point_of_the_best_peer_on_published_crowds(
    shared_data, name, best_peer
) -> None:
    text = {"task": pl.String, "worker": pl.String}
    frame = pl.read_csv(shared_data / name / "labels.csv.gz", schema_overrides=text)
    gold = pl.read_csv(shared_data / name / "gold.csv.gz", schema_overrides=text)
    label = CrowdModel().fit(frame, item="task").label()
    both = gold.join(label, on="task", suffix="_found")
    assert 100 * (both["label"] == both["label_found"]).mean() >= best_peer - 1
