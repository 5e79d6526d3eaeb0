from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import pytest

from labelkit.errors import RoundError
from labelkit.platforms import ScriptedAnnotator
from labelkit.platforms.scripted import ScriptedAnswer
from labelkit.rounds.people import assign, mix_gold, overlap_plan, quality


def test_overlap_is_a_random_sample_of_the_share_asked_for():
    plans = np.stack([overlap_plan(50, share=0.2, k=3, seed=seed) == 3 for seed in range(2000)])
    assert (plans.sum(axis=1) == 10).all()
    # Each example has probability 0.2: four standard errors of 2000 draws.
    assert np.abs(plans.mean(axis=0) - 0.2).max() < 4 * np.sqrt(0.2 * 0.8 / 2000)


def test_dealing_gives_each_task_different_people_and_all_equal_loads():
    wanted = overlap_plan(101, share=0.3, k=3, seed=1)
    dealt = assign(wanted, ["a", "b", "c", "d"], seed=2)
    assert [len(set(people)) for people in dealt] == wanted.tolist()
    loads = Counter(person for people in dealt for person in people)
    assert max(loads.values()) - min(loads.values()) <= 1


def test_more_answers_than_people_are_refused():
    with pytest.raises(RoundError, match="wants 3 answers of different people, and there are 2"):
        assign([1, 3], ["a", "b"])


@pytest.fixture
def mixed(batch):
    known = pl.DataFrame({"query": ["k"] * 20, "item": list(range(100, 120)), "label": [0, 1] * 10})
    return mix_gold(batch, known, keys=("query", "item"), share=0.25, seed=3)


def test_hidden_gold_judges_annotators_and_becomes_no_gold(mixed, batch, ledger, platform):
    hidden = mixed.filter(pl.col("known_label").is_not_null())
    assert (len(hidden), len(mixed)) == (4, 16)
    round_ = ledger.open_round(mixed, platform=platform)
    round_.push()
    truth = {
        (q, i): i % 2 if known is None else known
        for q, i, known in mixed.select("query", "item", "known_label").iter_rows()
    }
    ScriptedAnnotator(truth, name="good").answer(round_)
    round_.pull()
    assert sorted(ledger.gold()["item"]) == sorted(batch["item"])
    (row,) = quality(ledger.annotations()).iter_rows(named=True)
    assert (row["n_answers"], row["n_known"], row["known_accuracy"]) == (16, 4, 1.0)
    assert 0.3 < row["known_low"] < 0.6


def test_nothing_on_the_platform_tells_a_hidden_gold_question(mixed, ledger, platform):
    ledger.open_round(mixed, platform=platform, name="quiz").push()
    for path in platform.folder("quiz").iterdir():
        assert "known" not in path.read_text(encoding="utf-8")
        assert "gold" not in path.read_text(encoding="utf-8").lower().replace("label gold", "")


def test_too_few_known_answers_are_refused(batch):
    known = batch.head(3).select("query", "item", label=pl.lit(1))
    with pytest.raises(RoundError, match="0 answers are known outside the batch"):
        mix_gold(batch, known, keys=("query", "item"), share=0.2)


def test_a_known_label_outside_the_label_set_is_refused(mixed, ledger, platform):
    bad = mixed.with_columns(known_label=pl.col("known_label") + 5)
    with pytest.raises(RoundError, match=r"'known_label' is outside 0 … 1 in 4 of 16 rows"):
        ledger.open_round(bad, platform=platform)


def test_two_annotators_are_judged_by_the_crowd_model(ledger, batch, platform):
    round_ = ledger.open_round(batch, platform=platform)
    round_.push()
    truth = {(q, i): i % 2 for q, i in batch.select("query", "item").iter_rows()}
    for seed, (name, rate) in enumerate({"a": 0.0, "b": 0.0, "c": 0.5}.items()):
        person = ScriptedAnnotator(truth, name=name, error_rate=rate, seed=seed)
        names = round_.spec.label_names
        answers = [
            ScriptedAnswer(t.key, str(t.task_id), names[person.label(t.example, cardinality=2)])
            for t in round_.tasks()
        ]
        platform.submit(str(round_.project), round_.spec, answers, annotator=name)
    round_.pull()
    found = {row["annotator"]: row for row in quality(ledger.annotations()).iter_rows(named=True)}
    assert found["a"]["crowd_accuracy"] > found["c"]["crowd_accuracy"]
    assert found["a"]["known_accuracy"] is None
