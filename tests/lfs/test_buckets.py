"""Error buckets, changes and drift: by hand, and by key on every engine."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from labelkit import Votes
from labelkit.errors import LFError
from labelkit.lfs import (
    bucket_examples,
    changed_examples,
    error_buckets,
    lf_drift,
    vote_changes,
)

KEYS = ("query", "item")
TABLE = pl.DataFrame(
    {
        "query": ["a", "a", "b", "b", "c"],
        "item": [1, 2, 1, 2, 1],
        "f": [1, 0, -1, 1, 0],
        "g": [0, 0, 1, -1, -1],
    },
    schema_overrides={"f": pl.Int8, "g": pl.Int8},
)
GOLD = pl.DataFrame({"query": ["a", "a", "b", "b"], "item": [1, 2, 1, 2], "label": [1, 1, 0, 0]})


def votes_of(table: pl.DataFrame, native=None) -> Votes:
    names = tuple(name for name in table.columns if name not in KEYS)
    return Votes(nw.from_native(table), KEYS, names, 2, native)


def test_every_bucket_is_counted_empty_or_not():
    table = error_buckets(votes_of(TABLE), GOLD)
    cells = {(r["lf"], r["vote"], r["gold"]): (r["n"], r["share"]) for r in table.to_dicts()}
    assert len(table) == len(cells) == 2 * 3 * 2
    assert cells["f", 1, 1] == (1, 0.5)
    assert cells["f", 0, 1] == (1, 0.5)
    assert cells["f", 1, 0] == (1, 0.5)
    assert cells["f", -1, 0] == (1, 0.5)
    assert cells["g", 1, 1] == (0, 0.0)
    assert sum(n for (lf, _, _), (n, _) in cells.items() if lf == "g") == len(GOLD)


def test_examples_of_a_bucket_come_with_the_users_columns(in_engine, engine):
    seen = TABLE.select(*KEYS, title=pl.format("{}/{}", *KEYS), gold=pl.lit("mine"))
    examples, gold = in_engine(seen.reverse(), engine), in_engine(GOLD, engine)
    votes = votes_of(TABLE, in_engine(TABLE.head(0), engine))
    wrong = bucket_examples(votes, gold, lf="f", examples=examples)
    rows = nw.from_native(wrong, eager_only=True).rows(named=True)
    assert [(r["title"], int(r["vote"]), int(r["gold"])) for r in rows] == [
        ("a/2", 0, 1),
        ("b/2", 1, 0),
    ]
    silent = bucket_examples(votes, gold, lf="f", vote=-1, label=0, examples=examples)
    assert nw.from_native(silent, eager_only=True)["title"].to_list() == ["b/1"]
    assert len(bucket_examples(votes, gold, lf="f", vote=-1, label=1)) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: bucket_examples(v, GOLD, lf="h"), "no labeling function 'h'; there are f, g"),
        (
            lambda v: bucket_examples(v, GOLD, lf="f", examples=GOLD.select("query")),
            "lack the key item",
        ),
        (lambda v: bucket_examples(Votes.from_matrix([[1]]), [1], lf="lf_0"), "no key columns"),
        (lambda v: changed_examples(v, v, "h"), "Neither side has a labeling function 'h'"),
        (lambda v: vote_changes(v, Votes.from_matrix([[1]])), "need the same keys"),
        (lambda v: lf_drift(v, v, cluster="page"), "'page' is no key of both sides"),
        (lambda v: lf_drift(v, Votes.from_matrix([[1]])), "no labeling function in common"),
        (
            lambda v: lf_drift(v, Votes.from_matrix([[1]], cardinality=3)),
            "over 2 and over 3 classes",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(call, message):
    with pytest.raises(LFError, match=message):
        call(votes_of(TABLE))


def test_gained_lost_and_flipped_are_counted_over_shared_examples():
    after = (
        TABLE.with_columns(
            f=pl.Series([0, 0, 1, -1, 0], dtype=pl.Int8), new=pl.lit(1, dtype=pl.Int8)
        )
        .drop("g")
        .filter(pl.col("query") != "c")
        .reverse()
    )
    rows = {r["lf"]: r for r in vote_changes(votes_of(TABLE), votes_of(after)).to_dicts()}
    f = rows["f"]
    assert (f["gained"], f["lost"], f["flipped"], f["unchanged"]) == (1, 1, 1, 1)
    assert (f["votes_before"], f["votes_after"]) == (3, 3)
    assert (rows["new"]["status"], rows["new"]["gained"]) == ("new", 4)
    assert (rows["g"]["status"], rows["g"]["lost"]) == ("removed", 3)
    moved = changed_examples(votes_of(TABLE), votes_of(after), "f")
    assert moved.sort(*KEYS).rows() == [("a", 1, 1, 0), ("b", 1, -1, 1), ("b", 2, 1, -1)]


def big(seed: int, *, coverage: float = 0.5, accuracy: float = 0.8, first: int = 0):
    """Votes of two functions on 200 queries of 10 items that resemble each other, and the truth."""
    rng = np.random.default_rng(seed)
    n = 2000
    query = np.repeat(np.arange(first, first + n // 10), 10)
    y = (rng.random(n) < np.repeat(rng.beta(2, 2, n // 10), 10)).astype(np.int64)
    columns = {"query": query, "item": np.tile(np.arange(10), n // 10)}
    for name, a, c in (("f", accuracy, coverage), ("g", 0.7, 0.6)):
        said = np.where(rng.random(n) < a, y, 1 - y)
        votes_here = rng.random(n) < np.clip(np.repeat(rng.normal(c, 0.15, n // 10), 10), 0, 1)
        columns[name] = np.where(votes_here, said, -1).astype(np.int8)
    gold = pl.DataFrame({"query": query, "item": columns["item"], "label": y})
    return votes_of(pl.DataFrame(columns)), gold


def test_a_function_that_drifted_is_found_and_the_other_is_left_alone():
    before, gold_before = big(1)
    after, gold_after = big(2, coverage=0.3, accuracy=0.6, first=1000)
    table = lf_drift(before, after, gold_before=gold_before, gold_after=gold_after)
    rows = {(r["lf"], r["figure"]): r for r in table.to_dicts()}
    assert {figure for _, figure in rows} == {"coverage", "votes 1", "agreement", "accuracy"}
    f = rows["f", "coverage"]
    assert f["before"] == pytest.approx((before.matrix[:, 0] >= 0).mean())
    assert f["change"] == pytest.approx(f["after"] - f["before"])
    for figure in ("coverage", "accuracy"):
        assert rows["f", figure]["adjusted_p"] < 0.05
        assert rows["f", figure]["change_high"] < 0
        assert rows["g", figure]["adjusted_p"] > 0.05


def test_examples_that_both_sides_share_cancel():
    """One edited vote among two thousand is seen for what it is: a change of one query."""
    before, _ = big(1)
    table = nw.to_native(before.frame)
    voted = table["f"] >= 0
    edited = table.with_columns(
        f=pl.when(voted.cum_sum() == 1).then(-1).otherwise("f").cast(pl.Int8)
    )
    same = lf_drift(before, before).filter(pl.col("figure") == "coverage")
    assert same["change"].to_list() == [0, 0]
    assert same["p_value"].to_list() == [1, 1]
    other = lf_drift(before, votes_of(edited)).filter(figure="coverage", lf="f").row(0, named=True)
    assert other["change"] < 0
    paired = other["change_high"] - other["change_low"]
    strangers = votes_of(edited.with_columns(pl.col("query") + 1000))
    apart = lf_drift(before, strangers).filter(figure="coverage", lf="f").row(0, named=True)
    assert paired < (apart["change_high"] - apart["change_low"]) / 5
