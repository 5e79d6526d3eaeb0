"""Intervals by who clicked: buckets of users and sessions."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.buckets import N_BUCKETS, BucketCounts, bucket_scores, with_buckets
from labelkit.bias.poisson import ClickedCells, fit_poisson
from labelkit.bias.uncertainty import (
    GroupSums,
    free_positions,
    jackknife_covariance,
    one_step_bootstrap,
)
from labelkit.errors import LabelkitError, LogError


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    return lk.simulate(60_000, seed=3, extras=("user",)).frame


@pytest.fixture(scope="module")
def log(frame: pl.DataFrame) -> lk.InteractionLog:
    return lk.read_log(frame)


def test_buckets_are_even_and_keep_a_user_together(log: lk.InteractionLog) -> None:
    rows = with_buckets(log, "user").collect().to_native()
    assert rows.height == log.summary.n_impressions
    assert rows.group_by("user").agg(pl.col("bucket").n_unique())["bucket"].max() == 1
    users = rows.group_by("bucket").agg(pl.col("user").n_unique())["user"]
    assert len(users) == N_BUCKETS
    # Even to within chance: the variance of counts does not exceed their mean by much.
    assert users.var() < 2 * users.mean()


def test_scores_of_buckets_add_up_to_the_score_and_match_those_of_each_buckets_counts(
    log: lk.InteractionLog,
) -> None:
    cells = ClickedCells.of(log.counts)
    beta = fit_poisson(cells, smoothing=np.inf).beta
    scores = bucket_scores(log, "user", beta, cells)
    assert np.abs(scores.sum(0)).max() < 1e-2
    buckets = BucketCounts.of(log, "user")
    here = buckets.counts.where(buckets.bucket == 7)
    segment = np.full(log.counts.n_examples, -1)
    segment[cells.example] = np.arange(len(cells.example))
    expected = np.zeros(10)
    shown = cells.n * np.exp(beta)[cells.index]
    share = shown / cells.sum_by_example(shown)[cells.segment]
    for e, k, c in zip(here.example, here.position, here.clicks, strict=True):
        if c and segment[e] >= 0:
            expected[k - 1] += c
            mine = cells.segment == segment[e]
            np.add.at(expected, cells.index[mine], -c * share[mine])
    np.testing.assert_allclose(scores[7], expected, atol=1e-9)


def test_leaving_a_bucket_out_is_leaving_its_users_out(
    frame: pl.DataFrame, log: lk.InteractionLog
) -> None:
    rows = with_buckets(log, "user").collect().to_native()
    rest = lk.read_log(rows.filter(pl.col("bucket") != 7).drop("bucket"))
    without = BucketCounts.of(log, "user").without(7)
    assert without.impressions.sum() == rest.summary.n_impressions
    np.testing.assert_array_equal(
        np.bincount(without.position, without.clicks),
        np.bincount(rest.counts.position, rest.counts.clicks),
    )


@pytest.mark.parametrize("method", ["poisson", "power", "allpairs"])
def test_users_who_are_alike_give_intervals_like_those_by_query(
    log: lk.InteractionLog, method: str
) -> None:
    by_query = lk.PositionBias(method).fit(log).curve_  # type: ignore[arg-type]
    by_user = lk.PositionBias(method, cluster="user").fit(log).curve_  # type: ignore[arg-type]
    np.testing.assert_array_equal(by_user.theta, by_query.theta)
    assert "user buckets" in by_user.interval
    ratio = by_user.standard_error[1:] / by_query.standard_error[1:]
    assert 0.7 < ratio.mean() < 1.4


def test_one_newton_step_is_as_good_as_a_refit(log: lk.InteractionLog) -> None:
    cells = ClickedCells.of(log.counts)
    _, query = np.unique(cells.query, return_inverse=True)
    beta = fit_poisson(cells, smoothing=np.inf).beta
    n, rng = int(query.max()) + 1, np.random.default_rng(0)
    drawn = rng.multinomial(n, np.full(n, 1 / n), 200).astype(float)
    refits = np.array(
        [fit_poisson(cells, smoothing=np.inf, weight=w[query], start=beta).beta for w in drawn]
    )
    steps = one_step_bootstrap(
        GroupSums.of(beta, cells, query),
        free_positions(10, 0),
        gradient=np.zeros(10),
        penalty=np.zeros((10, 10)),
        n_bootstrap=200,
        seed=0,
    )
    np.testing.assert_allclose(np.sqrt(np.diag(steps))[1:], refits.std(0, ddof=1)[1:], rtol=0.1)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    x = np.random.default_rng(0).normal(size=50)
    left_out = ((x.sum() - x) / 49)[:, None]
    assert jackknife_covariance(left_out)[0, 0] == pytest.approx(x.var(ddof=1) / 50)


def test_a_cluster_that_the_log_lacks_is_refused(
    frame: pl.DataFrame, log: lk.InteractionLog
) -> None:
    with pytest.raises(LogError, match="cluster='user' needs a log with a user column"):
        lk.PositionBias(cluster="user").fit(lk.read_log(frame.drop("user")))
    with pytest.raises(LabelkitError, match="not only its counts"):
        lk.PositionBias(cluster="user").fit(log.counts)
    with pytest.raises(LabelkitError, match="cluster is one of query, session, user"):
        lk.PositionBias(cluster="page").fit(log)  # type: ignore[arg-type]
    gaps = frame.with_columns(user=pl.when(pl.col("position") > 1).then("user"))
    with pytest.raises(LogError, match=r"'user' \(user\) is empty in 6,000 rows"):
        lk.PositionBias(cluster="user").fit(lk.read_log(gaps))
