"""What ``auto`` promises, on simulated votes of many kinds.

Small versions of ``benchmarks/labelmodels.py quality`` and ``imbalance``, fixed seeds.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from labelkit.labelmodels import LabelModel, MajorityVote, SnorkelMoments, VoteRates

pytestmark = pytest.mark.statistics

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "labelmodels_bars" / "zoo.py"


def the_zoo() -> ModuleType:
    """The worlds that are measured are the worlds that are tested."""
    spec = importlib.util.spec_from_file_location("labelkit_benchmarks_zoo", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


ZOO = the_zoo()


@pytest.mark.parametrize("name", ZOO.WORLDS)
def test_auto_is_not_worse_than_majority_vote_on_votes_of_any_kind(name) -> None:
    above = []
    for seed in (100, 101):
        L, truth, k = ZOO.WORLDS[name](np.random.default_rng([seed, list(ZOO.WORLDS).index(name)]))
        ours, majority = (
            ZOO.Quality.of(model.fit(L).predict_proba(L), truth).accuracy
            for model in (LabelModel(k), MajorityVote(k))
        )
        above.append(ours - majority)
    assert np.mean(above) > -1


def one_sided(seed: int, *, copied: bool, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """5 % positives; four one-sided functions for them, three against."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.05).astype(int)
    side = np.array([1, 1, 1, 1, 0, 0, 0])
    hit = np.array([0.6, 0.5, 0.4, 0.3, 0.5, 0.4, 0.3])
    false = np.array([0.01, 0.02, 0.005, 0.03, 0.05, 0.1, 0.1])
    L = np.where(
        rng.random((n, 7)) < np.where(truth[:, None] == side, hit, false), side, -1
    ).astype(np.int8)
    return (np.column_stack([L, L[:, 0], L[:, 4]]) if copied else L), truth


def log_loss(proba: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(np.maximum(proba[np.arange(len(truth)), truth], 1e-12)).mean())


# Snorkel's rules are the rival here, lottery and all.
@pytest.mark.filterwarnings("ignore::labelkit.errors.WeakEvidenceWarning")
@pytest.mark.parametrize("balance", [None, [0.95, 0.05]])
def test_with_rare_positives_and_copies_log_loss_is_the_lowest_in_every_seed(balance) -> None:
    for seed in range(6):
        L, truth = one_sided(seed, copied=True)
        ours, *theirs = (
            log_loss(model.fit(L, class_balance=balance).predict_proba(L), truth)
            for model in (LabelModel(), MajorityVote(), SnorkelMoments(solver="sgd", seed=seed))
        )
        assert ours < min(theirs)


def test_intervals_of_the_class_balance_cover_the_share_of_positives() -> None:
    # 60 data sets: 95 % has a standard error of 2.8 %.
    covered = []
    for seed in range(60):
        L, _ = one_sided(seed + 1000, copied=False, n=2000)
        table = LabelModel(method="rates", seed=seed).fit(L).class_balance_table_
        covered.append(table["low"][1] <= 0.05 <= table["high"][1])
    assert np.mean(covered) >= 0.88


def test_no_dependence_is_found_among_independent_functions() -> None:
    # At most one false report in twenty data sets, which fitting makes rarer still.
    alarms = 0
    for seed in range(100):
        model = VoteRates().fit(one_sided(seed + 2000, copied=False)[0])
        alarms += bool((np.triu(model.dependence_.together, 1)).any())
    assert alarms <= 10
