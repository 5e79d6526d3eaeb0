"""Do intervals of debiased rates cover, under propensities that were estimated? Fixed seeds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from given_curves import known_curve

import labelkit as lk
from labelkit.logs import Catalogue
from labelkit.logs.simulator import ADVERSE, GOOD, Ranker

pytestmark = pytest.mark.statistics

BLIND = tuple(Ranker(name, 0.0) for name in "abc")


@pytest.mark.parametrize(("rankers", "low"), [(GOOD, 0.93), (BLIND, 0.93), (ADVERSE, 0.90)])
def test_rates_cover_under_estimated_propensities_whoever_ranked(
    rankers: tuple[Ranker, ...], low: float
) -> None:
    """Under adverse rankers next to nothing good is ever seen, and 90 % is what can be had."""
    hits, error = [], {"placement": 0.0, "global": 0.0}
    for seed in range(4):
        catalogue = Catalogue.synthetic(600, 20, seed=seed)
        sim = lk.simulate(n_impressions=100_000, seed=seed, catalogue=catalogue, rankers=rankers)
        log = lk.read_log(sim.frame)
        bias = lk.PositionBias(n_bootstrap=60).fit(log)
        for prior in error:
            table = lk.evidence(
                log,
                bias,
                columns=["ctr", "ctr_low", "ctr_high"],
                prior=prior,  # type: ignore[arg-type]
            ).collect()
            table = table.join(sim.truth.attractiveness, on=["query", "item"])
            truth = table["attractiveness"]
            error[prior] += float(((table["ctr"] - truth) ** 2).mean())
            if prior == "placement":
                inside = (table["ctr_low"] <= truth) & (truth <= table["ctr_high"])
                hits.append(inside.mean())
    assert low <= np.mean(hits) <= 0.98
    assert error["placement"] < 1.03 * error["global"]


def test_rates_cover_when_slots_draw_clicks_of_their_own() -> None:
    """Affine clicks, C ~ Poisson(γE + B), the curve known."""
    rng = np.random.default_rng(0)
    n = 4_000
    gamma = rng.gamma(1.0, 0.15, n).clip(0, 1)
    theta, beta = np.array([1.0, 0.5, 0.25]), np.array([0.05, 0.03, 0.02])
    parts = []
    for i in range(n):
        k = rng.integers(0, 3, int(rng.integers(2, 30)))
        clicked = rng.random(len(k)) < np.minimum(theta[k] * gamma[i] + beta[k], 1)
        parts.append(np.stack([np.full(len(k), i), k + 1, clicked], axis=1))
    rows = np.concatenate(parts)
    log = lk.read_log(
        pl.DataFrame(
            {
                "query": rows[:, 0] // 10,
                "item": rows[:, 0],
                "position": rows[:, 1],
                "clicked": rows[:, 2],
            }
        )
    )
    curve = known_curve(theta.tolist(), background=beta.tolist())
    table = lk.evidence(log, curve, columns=["ctr", "ctr_low", "ctr_high"]).collect().sort("item")
    inside = (table["ctr_low"].to_numpy() <= gamma) & (gamma <= table["ctr_high"].to_numpy())
    assert 0.93 <= inside.mean() <= 0.98
    assert abs(np.mean(table["ctr"].to_numpy() - gamma)) < 0.01


def test_trials_cover_where_rates_are_near_1_and_counts_cover_too_much() -> None:
    rng = np.random.default_rng(1)
    n = 3_000
    gamma = rng.beta(1.0, 1.0, n)
    shown = rng.integers(5, 40, n)
    item = np.repeat(np.arange(n), shown)
    position = 1 + rng.integers(0, 2, len(item))
    clicked = rng.random(len(item)) < gamma[item] / position
    log = lk.read_log(
        pl.DataFrame(
            {
                "query": item // 10,
                "item": item,
                "position": position,
                "clicked": clicked.astype(np.int64),
            }
        )
    )
    width, covered = {}, {}
    for posterior in ("poisson", "bernoulli"):
        table = (
            lk.evidence(
                log,
                known_curve([1.0, 0.5]),
                columns=["ctr_low", "ctr_high"],
                posterior=posterior,  # type: ignore[arg-type]
            )
            .collect()
            .sort("item")
        )
        low, high = table["ctr_low"].to_numpy(), table["ctr_high"].to_numpy()
        covered[posterior] = np.mean((low <= gamma) & (gamma <= high))
        width[posterior] = np.mean(high - low)
    assert 0.93 <= covered["bernoulli"] <= 0.97
    assert covered["poisson"] >= covered["bernoulli"]
    assert width["bernoulli"] < 0.9 * width["poisson"]


def test_rates_of_users_and_items_cover_where_they_met_twice_on_average() -> None:
    """Every user likes every item in their own way; an example has two impressions, not more."""
    n_users, n_items, n_pages, n_shown = 300, 200, 20_000, 5
    theta = np.array([1.0, 0.6, 0.4, 0.3, 0.2])
    hits = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        user = rng.integers(0, n_users, n_pages)
        query = rng.integers(0, n_items // 8, n_pages)
        item = np.argsort(rng.random((n_pages, 8)), axis=1)[:, :n_shown] + query[:, None] * 8
        likes = rng.beta(1, 4, size=(n_users, n_items))
        clicked = rng.random(item.shape) < likes[user[:, None], item] * theta
        frame = pl.DataFrame(
            {
                "page": np.arange(n_pages).repeat(n_shown),
                "query": query.repeat(n_shown),
                "user": user.repeat(n_shown),
                "item": item.ravel(),
                "position": np.tile(np.arange(1, n_shown + 1), n_pages),
                "clicked": clicked.ravel(),
            }
        )
        table = lk.evidence(
            lk.read_log(frame),
            known_curve(theta.tolist()),
            unit=("user", "item"),
            columns=["impressions", "ctr_low", "ctr_high"],
        ).collect()
        truth = likes[table["user"].to_numpy(), table["item"].to_numpy()]
        assert table["impressions"].mean() < 2.1
        low, high = (table[name].to_numpy() for name in ("ctr_low", "ctr_high"))
        hits.append(np.mean((low <= truth) & (truth <= high)))
    assert 0.93 <= np.mean(hits) <= 0.97
    assert min(hits) >= 0.91
