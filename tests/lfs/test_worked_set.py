"""The labeling functions that the repository ships run on the evidence of a real-shaped log."""

from __future__ import annotations

from pathlib import Path

import pytest

import labelkit as lk
from labelkit.lfs import AnyLF, LabelingFunction, load_lfs
from labelkit.logs.simulator import ADVERSE, GOOD

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lfs() -> list[AnyLF]:
    return load_lfs(["labeling_functions.search"], ROOT)


def test_there_are_eight_or_more_and_each_says_why_it_should_hold(lfs):
    assert len(lfs) >= 8
    for lf in lfs:
        assert isinstance(lf, LabelingFunction), lf.name
        assert len(lf.doc.split()) >= 8, lf.name


@pytest.mark.parametrize("rankers", [GOOD, ADVERSE], ids=["good ranker", "adverse ranker"])
def test_each_is_right_more_often_than_the_base_rate_of_what_it_votes(lfs, rankers):
    simulated = lk.simulate(
        800_000, seed=3, extras=("user", "device", "dwell", "conversion"), rankers=rankers
    )
    log = lk.read_log(simulated.frame)
    votes = lk.apply(lfs, lk.evidence(log, lk.PositionBias().fit(log)))
    truth = simulated.truth.attractiveness
    label = truth["attractiveness"] > truth["attractiveness"].mean()
    gold = truth.select("query", "item").with_columns(label=label.cast(int))
    share = gold["label"].mean()
    for row in lk.analyze(votes, gold=gold).iter_rows(named=True):
        assert row["coverage"] > 0, row["lf"]
        base = max({0: 1 - share, 1: share}[label] for label in row["polarity"])
        assert row["accuracy"] > base, row
