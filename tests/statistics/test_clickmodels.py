"""Does each click model win on its own pages, and is the verdict right? Fixed seeds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.clickmodels import ClickModelComparison, compare_click_models, split_pages
from labelkit.bias.clickmodels.dcm import DependentClick
from labelkit.bias.clickmodels.ubm import UserBrowsing

pytestmark = pytest.mark.statistics

READ_ON = np.array([0.8, 0.7, 0.6, 0.5, 0.5, 0.4, 0.4, 0.3, 0.3, 0.3])


def ubm_theta(position: int, previous: np.ndarray) -> np.ndarray:
    distance = position - previous
    return np.where(previous == 0, position**-0.7, np.maximum(0.95 - 0.25 * (distance - 1), 0.05))


def draw_pages(model: str, seed: int, n_pages: int, n_queries: int = 60) -> pl.DataFrame:
    """Pages of ten results in four rankers' orders, clicked as ``model`` has it."""
    rng = np.random.default_rng(seed)
    n_items, n_positions = 15, 10
    attractive = rng.beta(1, 4, (n_queries, n_items))
    satisfying = rng.beta(2, 2, attractive.shape)
    traffic = 1 / np.arange(1, n_queries + 1)
    query = rng.choice(n_queries, n_pages, p=traffic / traffic.sum())
    noise = 0.3 * rng.random((4, n_queries, n_items))
    orders = np.argsort(-attractive - noise, axis=2)[:, :, :n_positions]
    item = orders[rng.integers(0, 4, n_pages), query]
    examining = np.ones(n_pages, dtype=bool)
    previous = np.zeros(n_pages, dtype=int)
    clicked = np.zeros((n_pages, n_positions), dtype=bool)
    for k in range(1, n_positions + 1):
        shown = query, item[:, k - 1]
        looked = {"PBM": np.full(n_pages, 1 / k), "UBM": ubm_theta(k, previous)}
        click = rng.random(n_pages) < attractive[shown] * looked.get(model, examining)
        stops = {
            "cascade": np.ones(n_pages),
            "DCM": np.full(n_pages, 1 - READ_ON[k - 1]),
            "DBN": satisfying[shown],
        }
        if model in stops:
            examining &= ~(click & (rng.random(n_pages) < stops[model]))
        clicked[:, k - 1] = click
        previous = np.where(click, k, previous)
    return pl.DataFrame(
        {
            "page": np.repeat(np.arange(n_pages), n_positions),
            "query": np.repeat(query, n_positions),
            "item": item.ravel(),
            "position": np.tile(np.arange(1, n_positions + 1), n_pages),
            "clicked": clicked.ravel().astype(np.int8),
        }
    )


def compare(model: str, seed: int, n_pages: int) -> ClickModelComparison:
    return compare_click_models(lk.read_log(draw_pages(model, seed, n_pages)))


# Where a model is a special case of others, they may tie: a cascade is a DCM and a DBN in which
# everyone stops at the first click, and a PBM is a UBM in which previous clicks do not matter.
TIES = {"cascade": {"DCM", "DBN"}, "PBM": {"UBM"}}


@pytest.mark.parametrize("model", ["PBM", "cascade", "DCM", "DBN", "UBM"])
def test_each_model_describes_its_own_pages_best(model: str) -> None:
    frame = compare(model, 0, 20_000).frame
    likelihood = dict(frame.select("model", "log_likelihood").iter_rows())
    for rival, value in likelihood.items():
        if rival in TIES.get(model, set()):
            assert likelihood[model] > value - 0.0002, rival
        elif rival != model:
            assert likelihood[model] > value, rival


def test_dcm_recovers_how_users_read_on_and_its_closed_form_does_not() -> None:
    log = lk.read_log(draw_pages("DCM", 0, 40_000))
    split = split_pages(log, held_out=0.1, seed=0, depth=10)
    exact = DependentClick().fit(split.train, split.sample).read_on_[1:8]
    closed = DependentClick().fit(split.train).read_on_[1:8]
    assert np.abs(exact - READ_ON[:7]).max() < 0.08
    assert np.all(closed < READ_ON[:7] - 0.04)


def test_ubm_recovers_examination_by_distance() -> None:
    log = lk.read_log(draw_pages("UBM", 0, 40_000))
    split = split_pages(log, held_out=0.1, seed=0, depth=10)
    model = UserBrowsing().fit(split.train)
    found, truth = [], []
    for k in range(1, 7):
        for r in range(k):
            found.append(model.theta_[k, r])
            truth.append(float(ubm_theta(k, np.array([r]))[0]))
    ratio = np.array(found) / np.array(truth)
    # Known up to one scale, which attractiveness takes up.
    assert np.abs(ratio / np.median(ratio) - 1).max() < 0.25
    assert model.below_click_ > 1.2


def test_false_alarms_on_position_based_pages_are_rare() -> None:
    alarms = [compare("PBM", seed, 1_500).pbm_beaten for seed in range(20)]
    # Nominal 5 % over all rivals, less what the relevant size forgives.
    assert sum(alarms) <= 1


@pytest.mark.parametrize("model", ["cascade", "DBN"])
def test_pages_of_users_who_stop_are_told_from_position_based_ones(model: str) -> None:
    results = [compare(model, seed, 4_000) for seed in range(4)]
    assert all(result.pbm_beaten for result in results)
    assert all("is no evidence of irrelevance" in result.verdict for result in results)
    assert {result.best for result in results} == {model}


def test_intervals_of_paired_gains_cover_the_gain_on_endless_pages() -> None:
    """Models stay as fitted; what is judged is the interval of the held-out mean difference."""
    from labelkit.bias.clickmodels import Pages, PositionBased, SimplifiedDBN
    from labelkit.bias.clickmodels.scores import clustered_mean, log_likelihood

    train = split_pages(
        lk.read_log(draw_pages("DBN", 0, 6_000, n_queries=300)), held_out=0.01, seed=0, depth=10
    )
    pbm = PositionBased().fit(train.train)
    dbn = SimplifiedDBN().fit(train.train, train.sample)
    rng = np.random.default_rng(0)
    n_examples, covered, n = train.train.n_examples, 0, 300

    def judge(n_pages: int) -> tuple[float, float, float]:
        query = rng.integers(0, 300, n_pages)
        # Items of a query share their luck, so rows of a query are not independent.
        example = (query[:, None] * 7 + np.arange(5)) % n_examples
        rate = np.clip(0.3 / np.arange(1, 6) * (0.5 + (query[:, None] % 10) / 10), 0, 1)
        pages = Pages(
            np.repeat(np.arange(n_pages), 5),
            np.repeat(query, 5),
            example.ravel(),
            np.tile(np.arange(1, 6), n_pages),
            (rng.random((n_pages, 5)) < rate).ravel(),
        )
        gain = log_likelihood(dbn.click_probability(pages), pages.clicked)
        gain -= log_likelihood(pbm.click_probability(pages), pages.clicked)
        score = clustered_mean(gain, pages.query, np.zeros(len(pages), np.int64), 1)
        (low,), (high,) = score.interval(0.95)
        return float(score.mean[0]), low, high

    truth = judge(100_000)[0]
    for _ in range(n):
        _, low, high = judge(1_000)
        covered += low <= truth <= high
    assert 0.92 <= covered / n <= 0.98
