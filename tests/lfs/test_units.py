"""The labeled unit is the user's choice: votes, labels, tasks and gold follow its key columns."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit import col, labeling_function, vote
from labelkit.lfs import graded
from labelkit.platforms import ScriptedAnnotator

N = 240
UNITS = {
    ("user", "item"): {
        "user": [i // 8 for i in range(N)],
        "item": [f"i{i % 8}" for i in range(N)],
    },
    ("session",): {"session": [f"s{i:03}" for i in range(N)]},
    ("impression_id",): {"impression_id": [2**53 + i for i in range(N)]},
    ("session", "page", "position"): {
        "session": [f"s{i // 6}" for i in range(N)],
        "page": [i % 6 // 3 for i in range(N)],
        "position": [1 + i % 3 for i in range(N)],
    },
}


def examples(keys):
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 3, N)
    noisy = {f"x{j}": truth + rng.normal(0, 0.5 + 0.1 * j, N) for j in range(4)}
    return pl.DataFrame({**UNITS[keys], **noisy}), truth.tolist()


def graded_lf(j):
    @labeling_function(name=f"lf{j}")
    def lf():
        return graded(col(f"x{j}"), thresholds=[0.4, 0.6, 1.4, 1.6], labels=[0, None, 1, None, 2])

    return lf


@pytest.mark.parametrize("keys", UNITS, ids="+".join)
@pytest.mark.parametrize("which", ["polars", "pandas", "duckdb"])
def test_any_key_columns_go_from_votes_to_validated_labels(tmp_path, in_engine, keys, which):
    frame, truth = examples(keys)
    votes = lk.apply(
        [graded_lf(j) for j in range(4)], in_engine(frame, which), keys=keys, cardinality=3
    )
    assert votes.key_frame.columns == list(keys)
    labels = lk.LabelModel(cardinality=3).fit(votes).label(votes)
    batch = lk.select(labels, n=40, strategy="margin", audit_share=0.5, keys=keys, seed=1)
    ledger = lk.Ledger(f"sqlite:///{tmp_path / 'rounds.db'}")
    round_ = ledger.open_round(
        batch, platform=lk.FilesPlatform(tmp_path / "out"), label_names=["bad", "fair", "good"]
    )
    round_.push()
    known = frame.select(keys).with_columns(label=pl.Series(truth))
    ScriptedAnnotator(known, keys=keys).answer(round_)
    round_.pull()
    gold = ledger.gold()
    assert gold.columns[: len(keys)] == list(keys)
    assert len(gold) == 40
    told = gold.join(known, on=list(keys), how="left", suffix="_true")
    assert (told["label"] == told["label_true"]).all()
    metrics = nw.from_native(lk.validate(labels, gold, keys=keys).frame)
    accuracy = metrics.filter(nw.col("metric") == "accuracy").rows(named=True)[0]
    said = nw.from_native(labels).to_polars().select(*keys, "label")
    right = said.join(known, on=list(keys), suffix="_true")
    assert len(right) == N
    share = (right["label"] == right["label_true"]).mean()
    assert accuracy["low"] <= share <= accuracy["high"]
    again = lk.select(labels, n=20, keys=keys, exclude=gold, audit_share=0.5, seed=1)
    drawn = nw.from_native(again.frame).to_polars()
    assert len(drawn) == 20
    assert not len(drawn.join(gold, on=list(keys), how="semi"))


def test_an_impression_of_the_log_may_vote_on_its_own():
    log = pl.DataFrame({"session": ["a", "a", "b"], "position": [1, 2, 1], "clicked": [1, 0, 0]})

    @labeling_function
    def skipped():
        """Passed over while another item of the page was clicked."""
        return vote(0, where=(col("clicked") == 0) & (col("clicked").max(over="session") == 1))

    votes = lk.apply([skipped], log, keys=("session", "position"))
    assert votes.matrix[:, 0].tolist() == [-1, 0, -1]


def test_the_error_names_the_key_that_is_missing():
    frame, _ = examples(("session",))
    with pytest.raises(lk.LabelkitError, match=r"no column 'query'.*named by keys="):
        lk.apply([graded_lf(0)], frame, cardinality=3)
