"""Suggested rules: planted ones are found, chance is not, and what is written votes the same."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.errors import GoldError, LFError
from labelkit.lfs import load_lfs
from labelkit.lfs.suggest import suggest
from labelkit.lfs.suggest.terms import find_terms, has_word

WORDS = ["free", "WIN", "über", "of", "cat", "東京", "ラ", "co-op", "snake_case", "don't"]


def make(seed, n=1_600):
    """Relevant: a known pair of conditions, or a word; one label in twelve turned round."""
    rng = np.random.default_rng(seed)
    x, clicks = rng.normal(size=(n, 4)), rng.poisson(1.2, n)
    said = rng.random((n, len(WORDS))) < 0.25
    frame = pl.DataFrame(
        {"query": np.arange(n) // 8, "item": np.arange(n), "clicks": clicks}
        | {f"x{j}": x[:, j] for j in range(4)}
    ).with_columns(
        title=pl.Series([" ".join(np.array(WORDS)[s]) for s in said]),
        brand=pl.Series(rng.choice(["a", "b", 'say "c"', "back\\slash"], n)),
        in_stock=pl.Series(rng.random(n) < 0.5),
        first_seen=pl.datetime(2025, 1, 1),
    )
    planted = ((clicks >= 2) & (x[:, 1] > 0)) | said[:, 1]
    label = planted ^ (rng.random(n) < 1 / 12)
    gold = frame.select("query", "item", label=pl.Series(label.astype(int)))
    return frame, gold, planted


@pytest.fixture(scope="module")
def world():
    return make(1)


@pytest.fixture(scope="module")
def found(world):
    examples, gold, _ = world
    return suggest(examples, None, gold.sample(500, seed=2), n=8)


def test_planted_rules_are_found_and_worth_accepting(found):
    rules = [c.lf.rule for c in found.worth]
    assert any("win" in rule for rule in rules), found.frame
    assert any("x1 >=" in rule and "clicks" in rule for rule in rules), found.frame
    assert "worth a look" in found.summary


def test_the_frame_says_what_a_person_decides_by(found):
    frame = found.frame
    assert frame.height == len(found.candidates) == found.n_judged <= 8
    assert (frame["low"] <= frame["accuracy"]).all()
    assert (frame["accuracy"] <= frame["high"]).all()
    assert frame["basis"].unique().to_list() == ["gold"]
    assert (frame["coverage"] == frame["new_coverage"]).all(), "nobody votes yet"
    assert frame["lf"].n_unique() == frame.height


def test_intervals_hold_the_truth_of_each_rule(found, world):
    examples, gold, _ = world
    votes = lk.apply([c.lf for c in found.candidates], examples)
    analysis = lk.analyze(votes, gold=gold)
    for candidate, accuracy in zip(found.candidates, analysis["accuracy"], strict=True):
        assert candidate.accuracy.low <= accuracy <= candidate.accuracy.high


def test_labels_without_relation_to_the_columns_bring_nothing_worth_accepting(world):
    examples, gold, _ = world
    chance = gold.with_columns(label=pl.col("label").shuffle(seed=4)).sample(500, seed=2)
    found = suggest(examples, None, chance, n=8)
    assert not found.worth
    assert "none is worth accepting" in found.summary
    assert set(found.frame["verdict"]) <= {"unsure"}


@pytest.mark.parametrize("seed", range(4))
def test_accepted_code_loads_and_votes_identically_to_the_last_cell(tmp_path, seed):
    examples, gold, _ = make(seed + 10, 800)
    found = suggest(examples, None, gold, n=30, seed=seed)
    assert found.candidates
    path = tmp_path / "suggested.py"
    path.write_text(found.code(found.candidates, label_names=["no", "yes"]), encoding="utf-8")
    loaded = load_lfs(["suggested"], tmp_path)
    assert [lf.name for lf in loaded] == [c.lf.name for c in found.candidates]
    assert [lf.rule for lf in loaded] == [c.lf.rule for c in found.candidates]
    ours = lk.apply([c.lf for c in found.candidates], examples).matrix
    assert (lk.apply(loaded, examples).matrix == ours).all()
    assert all(c.accuracy.n <= len(gold) for c in found.candidates)


def test_every_kind_of_condition_is_written_so_that_it_loads_and_votes_the_same(tmp_path):
    examples, *_ = make(7, 400)
    holes = pl.when(pl.col("item") % 7 == 0).then(None)
    examples = examples.with_columns(
        holes.otherwise(pl.col(name)).alias(name) for name in ("x0", "title", "in_stock", "brand")
    )
    rows = np.arange(len(examples))
    found = find_terms(examples, rows, keys=("query", "item"), columns=None, fewest=3)
    assert {"brand", "in_stock", "clicks", "clicks per query", "title: win"} <= {
        term.feature for term in found.terms
    }
    lines = ["from labelkit import col, labeling_function, vote\n"]
    for i, term in enumerate(found.terms):
        lines.append(f"@labeling_function\ndef f{i}():\n    return vote(1, where={term.code})\n")
    (tmp_path / "all.py").write_text("\n".join(lines), encoding="utf-8")
    votes = lk.apply(load_lfs(["all"], tmp_path), examples)
    differ = ((votes.matrix == 1) != found.holds).any(axis=0)
    assert not differ.any(), [found.terms[i].code for i in np.flatnonzero(differ)]


@pytest.mark.parametrize(
    ("word", "text", "holds"),
    [
        ("win", "You WIN!", True),
        ("win", "window", False),
        ("win", "twin", False),
        ("win", "snake_win_case", True),
        ("über", "ÜBER-gut", True),
        ("東", "東京", True),
        ("co", "co-op", True),
        ("win", None, False),
    ],
)
def test_a_word_is_a_run_of_letters_and_digits_whatever_its_case(word, text, holds):
    frame = pl.DataFrame(
        {"query": [1], "item": [1], "title": [text]}, schema_overrides={"title": pl.String}
    )
    condition, _ = has_word("title", word)
    lf = lk.labeling_function(name="says")(lambda: lk.vote(1, where=condition))
    assert (lk.apply([lf], frame).matrix[0, 0] == 1) == holds


@pytest.fixture(scope="module")
def present(world):
    """Two functions that settle most of the word's examples, and disagree on some."""
    examples, *_ = world
    lfs = [
        lk.labeling_function(name="old_word")(
            lambda: lk.vote(1, where=has_word("title", "win")[0])
        ),
        lk.labeling_function(name="pessimist")(lambda: lk.vote(0, where=lk.col("x1") < -0.5)),
    ]
    return lk.apply(lfs, examples)


def test_what_present_functions_say_already_is_not_suggested_again(world, present):
    examples, gold, _ = world
    found = suggest(examples, present, gold.sample(600, seed=2), n=8)
    assert not any(c.lf.rule == "1 where title matches /win/" for c in found.candidates)
    assert (found.frame["redundancy"] < 0.8).all()
    assert any("clicks" in c.lf.rule and c.label == 1 for c in found.worth), found.frame
    for c in found.candidates:
        votes = lk.apply([c.lf], examples).matrix[:, 0] != -1
        silent = (present.matrix == -1).all(axis=1)
        disputed = (present.matrix[:, 0] == 1) & (present.matrix[:, 1] == 0)
        assert c.new_coverage == pytest.approx((votes & silent).mean())
        assert c.conflicts == pytest.approx((votes & disputed).mean())
        assert c.closest in ("", "old_word", "pessimist")


def test_without_gold_weak_labels_are_extended_and_said_to_be_unchecked(world, present):
    examples, *_ = world
    labels = lk.LabelModel().fit(present).label(present)
    found = suggest(examples, present, labels=labels, n=6)
    assert found.basis == "weak labels"
    assert not found.worth
    assert "nobody has checked" in found.summary
    assert found.n_targets == int(labels["covered"].sum())
    assert "label model's own opinion" in found.candidates[0].lf.doc


def test_order_of_rows_engine_and_gold_do_not_matter_and_the_seed_does(world, present):
    examples, gold, _ = world
    some = gold.sample(500, seed=2)
    first = suggest(examples, present, some, n=6, seed=5).frame
    assert first.equals(suggest(examples.to_pandas(), present, some.to_pandas(), n=6, seed=5).frame)
    assert first.equals(
        suggest(examples, present, some.sample(fraction=1, shuffle=True, seed=1), n=6, seed=5).frame
    )
    assert not first.equals(suggest(examples, present, some, n=6, seed=6).frame)


def test_more_than_two_classes_are_suggested_for():
    rng = np.random.default_rng(2)
    n = 900
    grade = rng.integers(0, 3, n)
    examples = pl.DataFrame(
        {"query": np.arange(n) // 6, "item": np.arange(n), "x": grade + rng.normal(0, 0.3, n)}
    )
    gold = examples.select("query", "item", label=pl.Series(grade))
    found = suggest(examples, None, gold, n=8, cardinality=3)
    assert {c.label for c in found.worth} == {0, 1, 2}


def test_columns_can_be_chosen_and_keys_and_times_are_never_used(world):
    examples, gold, _ = world
    found = suggest(examples, None, gold, n=6, columns=["x0", "x1", "clicks"])
    assert set().union(*(c.lf.columns for c in found.candidates)) <= {"x0", "x1", "clicks", "query"}
    with pytest.raises(LFError, match="no column 'clics'"):
        suggest(examples, None, gold, columns=["clics"])
    with pytest.raises(LFError, match="No column has a condition"):
        suggest(examples, None, gold, columns=["first_seen"])


def test_too_few_labels_are_refused(world):
    examples, gold, _ = world
    with pytest.raises(GoldError, match=r"Too few gold labels.*30 of"):
        suggest(examples, None, gold.head(30))
    one_class = gold.with_columns(label=pl.lit(1))
    with pytest.raises(GoldError, match="by class 0, 1600"):
        suggest(examples, None, one_class)
    with pytest.raises(GoldError, match="give one"):
        suggest(examples, None)


def test_votes_of_other_examples_are_refused(world, present):
    examples, gold, _ = world
    with pytest.raises(LFError, match="1,600 of 1,600 examples have no votes"):
        suggest(
            examples.with_columns(item=pl.col("item") + 10_000),
            present,
            gold.with_columns(item=pl.col("item") + 10_000),
        )
