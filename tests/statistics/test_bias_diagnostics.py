"""What the diagnoses of position bias promise: few false alarms, and intervals that cover."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias import weight_report
from labelkit.bias.diagnostics import stability_between_rankers, stability_over_time
from labelkit.logs import Catalogue, ClickModel

pytestmark = pytest.mark.statistics


def simulated(seed: int, n: int, *, zipf: float, eta: float = 1.0):
    catalogue = Catalogue.synthetic(300, 15, seed=seed, zipf=zipf)
    return lk.simulate(n, seed=1_000 + seed, catalogue=catalogue, clicks=ClickModel(eta=eta))


def test_stable_logs_are_called_unstable_at_most_as_often_as_promised() -> None:
    """Head-heavy and flat traffic; 5 % of 60 logs are 3, and 8 or more come once in 70 times."""
    alarms = {"window": 0, "ranker": 0}
    for seed in range(60):
        log = lk.read_log(simulated(seed, 40_000, zipf=1.0 if seed % 2 else 0.3).frame)
        for found in (stability_over_time(log), stability_between_rankers(log)):
            assert found.tested >= 2
            alarms[found.kind] += bool(found.groups["departs"].any())
    assert max(alarms.values()) <= 7, alarms


def test_a_curve_that_grows_steeper_by_a_third_is_found() -> None:
    found = 0
    for seed in range(20):
        half = 60_000
        before = simulated(seed, half, zipf=1.0).frame
        after = simulated(seed + 500, half, zipf=1.0, eta=1.35).frame
        later = pl.col("timestamp") + pl.duration(days=28)
        log = lk.read_log(pl.concat([before, after.with_columns(timestamp=later)]))
        found += bool(stability_over_time(log, n_windows=2).groups["departs"].all())
    assert found >= 16


def test_steepness_intervals_cover_under_stability() -> None:
    inside = 0
    for seed in range(60):
        log = lk.read_log(simulated(seed, 40_000, zipf=0.5).frame)
        row = stability_over_time(log, n_windows=2).groups.row(0, named=True)
        inside += row["steepness_low"] <= 0 <= row["steepness_high"]
    # 95 % of 60 is 57; 51 or fewer would come once in 100 times.
    assert inside >= 52


def test_intervals_of_the_weighted_click_rate_cover_the_truth() -> None:
    """Of what was shown; the chance of clicks and of the curve together."""
    wanted = [("ips", None), ("self_normalised", 1.0), ("doubly_robust", 100.0)]
    inside = dict.fromkeys(wanted, 0)
    n = 60
    for seed in range(n):
        made = simulated(seed, 30_000, zipf=1.0)
        log = lk.read_log(made.frame)
        shown = made.frame.join(made.truth.attractiveness, on=["query", "item"], how="left")
        truth = shown["attractiveness"].mean()
        bias = lk.PositionBias("poisson", n_bootstrap=100).fit(log)
        report = weight_report(log, bias)
        for row in report.to_dicts():
            if (row["scheme"], row["clip"]) in inside:
                covered = row["click_rate_low"] <= truth <= row["click_rate_high"]
                inside[row["scheme"], row["clip"]] += covered
    # They may be too wide, since the curve was fitted to the same clicks; not too narrow.
    assert min(inside.values()) >= 53, inside


def test_unweighted_clicks_do_not_cover_the_truth() -> None:
    """The test above can fail: what is biased does not pass it."""
    made = simulated(0, 30_000, zipf=1.0)
    log = lk.read_log(made.frame)
    shown = made.frame.join(made.truth.attractiveness, on=["query", "item"], how="left")
    row = weight_report(log, lk.PositionBias("power").fit(log)).row(0, named=True)
    assert row["click_rate_high"] < 0.6 * float(np.mean(shown["attractiveness"].to_numpy()))
