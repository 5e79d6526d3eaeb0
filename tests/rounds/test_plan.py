from __future__ import annotations

import duckdb
import polars as pl
import pytest

from labelkit.errors import RoundError
from labelkit.rounds.plan import plan_round

KEYS = ("query", "item")
LABELS = ("irrelevant", "relevant")


def plan(batch, items=None, **options):
    return plan_round(batch, items, **{"keys": KEYS, "label_names": LABELS, **options})


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "duckdb", "lazy"])
def test_a_batch_is_the_same_round_on_every_engine(batch, items, kind):
    convert = {
        "pandas": lambda frame: frame.to_pandas(),
        "pyarrow": lambda frame: frame.to_arrow(),
        "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
        "lazy": lambda frame: frame.lazy(),
    }[kind]
    assert plan(convert(batch), convert(items)).fingerprint == plan(batch, items).fingerprint


def test_the_order_of_rows_does_not_make_another_round(batch, items):
    shuffled = batch.sample(fraction=1, shuffle=True, seed=3)
    assert plan(shuffled, items).fingerprint == plan(batch, items).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        pl.col("inclusion_probability") * 0.5,
        pl.lit("audit").alias("stratum"),
        pl.col("item") + 1,
        pl.col("p_0") * 0.9,
    ],
)
def test_another_draw_is_another_round(batch, change):
    assert plan(batch.with_columns(change)).fingerprint != plan(batch).fingerprint


def test_another_text_is_another_round(batch, items):
    other = items.with_columns(pl.col("title") + "!")
    assert plan(batch, other).fingerprint != plan(batch, items).fingerprint


def test_people_see_the_keys_and_the_fields_of_the_items(batch, items):
    made = plan(batch, items)
    assert [field.caption for field in made.fields] == ["query", "item", "title"]
    assert made.tasks[4].payload == {"query": "q1", "item": "4", "title": "Title 4"}


def test_tasks_are_shown_in_the_order_of_rank(batch):
    made = plan(batch)
    shown = [task.rank for task in sorted(made.tasks, key=lambda task: task.push_order)]
    assert shown == sorted(shown)


def test_columns_with_odd_names_get_a_place_each(batch):
    items = pl.DataFrame(
        {"item": list(range(12)), "1. title": ["a"] * 12, "1  title": ["b"] * 12, "labelkit_key": 1}
    )
    fields = plan(batch, items).fields
    names = [field.name for field in fields]
    assert len(set(names)) == len(names) == 5
    assert all(name.isidentifier() and name != "labelkit_key" for name in names)


def test_values_are_shown_as_text_and_missing_ones_as_a_dash(batch):
    items = pl.DataFrame(
        {"item": list(range(12)), "price": [float("nan")] + [9.5] * 11, "note": [None] * 12},
        schema_overrides={"note": pl.String},
    )
    assert plan(batch, items).tasks[0].payload["price"] == "—"
    assert plan(batch, items).tasks[1].payload["price"] == "9.5"
    assert plan(batch, items).tasks[1].payload["note"] == "—"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b.drop("inclusion_probability"), "no column 'inclusion_probability'"),
        (lambda b: b.head(0), "empty"),
        (lambda b: pl.concat([b, b.head(1)]), r"2 rows more than once \(first: .*q0"),
        (lambda b: b.with_columns(pl.lit(None, pl.String).alias("query")), "null in 12 of 12"),
        (lambda b: b.with_columns(pl.lit(0.0).alias("inclusion_probability")), "12 rows"),
        (lambda b: b.with_columns(pl.lit(float("nan")).alias("inclusion_probability")), "12 rows"),
        (lambda b: b.with_columns(p_2=pl.lit(0.0)), "name the classes 0 … 2"),
    ],
)
def test_a_batch_that_cannot_make_a_round_is_refused(batch, change, message):
    with pytest.raises(RoundError, match=message):
        plan(change(batch))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i.filter(pl.col("item") > 2), r"lack 3 of the batch's 12 .*'item': 0"),
        (lambda i: pl.concat([i, i.head(1).with_columns(title=pl.lit("x"))]), "2 rows twice"),
        (lambda i: i.rename({"item": "doc"}), "none of the key columns query, item"),
        (
            lambda i: i.with_columns(item=pl.lit("x") + pl.col("item").cast(str)),
            "number in .* text",
        ),
    ],
)
def test_items_that_do_not_fit_the_batch_are_refused(batch, items, change, message):
    with pytest.raises(RoundError, match=message):
        plan(batch, change(items))


@pytest.mark.parametrize("names", [["only"], ["a", "a"], ["a", ""], ["a", "$x"], ["a", "b\n"]])
def test_label_names_that_cannot_stand_on_a_button_are_refused(batch, names):
    with pytest.raises(RoundError, match="abel name"):
        plan(batch, label_names=names)


def test_items_of_another_engine_are_joined_too(batch, items):
    assert plan(batch.to_arrow(), items.to_pandas()).fingerprint == plan(batch, items).fingerprint


def test_a_million_items_are_reduced_to_those_of_the_batch_in_the_engine(batch):
    items = pl.LazyFrame({"item": range(1_000_000)}).with_columns(title=pl.lit("t"))
    assert len(plan(batch, items).tasks) == 12


def test_a_batch_without_soft_labels_shows_none(batch):
    made = plan(batch.drop("p_0", "p_1").to_pandas())
    assert {task.soft_label for task in made.tasks} == {None}
