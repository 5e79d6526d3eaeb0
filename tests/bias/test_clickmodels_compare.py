"""The comparison of click models: its table, its words, and what it does with unfit logs."""

from __future__ import annotations

import math
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.clickmodels import ClickModelComparison, compare_click_models, split_pages
from labelkit.bias.clickmodels.compare import MODELS
from labelkit.bias.clickmodels.scores import clustered_mean
from labelkit.bias.clickmodels.verdict import Gain, judge
from labelkit.errors import LabelkitError, LogError

SIZE = "1,000 held-out impressions of 50 queries"
LOSING = Gain("position rate", -0.05, -0.06, -0.04)


def simulated(n: int = 30_000, seed: int = 0) -> pl.DataFrame:
    return lk.simulate(n_impressions=n, seed=seed).frame


@pytest.fixture(scope="module")
def comparison() -> ClickModelComparison:
    return compare_click_models(lk.read_log(simulated()))


def test_all_models_stand_in_one_table(comparison: ClickModelComparison) -> None:
    frame = comparison.frame
    assert isinstance(frame, pl.DataFrame)
    assert frame["model"].to_list() == list(MODELS)
    assert frame["status"].to_list() == ["fitted"] * 6
    assert frame["converged"].all()
    assert (frame["low"] < frame["log_likelihood"]).all()
    assert (frame["log_likelihood"] < frame["high"]).all()
    assert (frame["perplexity_low"] < frame["perplexity"]).all()
    pbm = frame.row(1, named=True)
    assert pbm["gain"] == pbm["gain_low"] == pbm["gain_high"] == 0
    gains = frame["log_likelihood"] - pbm["log_likelihood"]
    np.testing.assert_allclose(frame["gain"], gains, atol=1e-12)
    np.testing.assert_allclose(
        frame["perplexity"], 2 ** (-frame["log_likelihood"].to_numpy() / math.log(2))
    )


def test_positions_add_up_to_the_whole(comparison: ClickModelComparison) -> None:
    by_position = comparison.by_position
    assert by_position.columns[:3] == ["model", "position", "impressions"]
    for model, part in by_position.group_by("model"):
        assert part["impressions"].sum() == comparison.n_held_out
        mean = -(part["impressions"] * part["perplexity"].log()).sum() / comparison.n_held_out
        whole = comparison.frame.filter(pl.col("model") == model[0])["log_likelihood"][0]
        assert mean == pytest.approx(whole)


def test_nothing_is_lost_between_the_parts(comparison: ClickModelComparison) -> None:
    parts = comparison.n_train + comparison.n_held_out + comparison.n_aside
    assert parts == 30_000
    assert comparison.n_held_out / 30_000 == pytest.approx(0.2, abs=0.02)


def test_held_out_clicks_do_not_touch_the_fit() -> None:
    frame = simulated(8_000)
    split = split_pages(lk.read_log(frame), held_out=0.3, seed=0, depth=40)
    held = frame.select("session", "query").unique().sort("session", "query").with_row_index("n")
    held = held.filter(pl.col("n").is_in(np.unique(split.held_out.page).tolist()))
    flipped = frame.join(held.with_columns(held=True), on=["session", "query"], how="left")
    flipped = flipped.with_columns(
        clicked=pl.when(pl.col("held")).then(1 - pl.col("clicked")).otherwise(pl.col("clicked"))
    )
    other = split_pages(lk.read_log(flipped), held_out=0.3, seed=0, depth=40)
    np.testing.assert_array_equal(split.train.clicks, other.train.clicks)
    np.testing.assert_array_equal(split.held_out.clicked, ~other.held_out.clicked)


def test_the_same_comparison_on_every_engine_and_in_its_kind() -> None:
    frame = simulated(6_000)
    expected = compare_click_models(lk.read_log(frame), seed=3)
    kinds = {
        "pandas": frame.to_pandas(),
        "arrow": frame.to_arrow(),
        "duckdb": duckdb.from_arrow(frame.to_arrow()),
    }
    for kind, native in kinds.items():
        result = compare_click_models(lk.read_log(native), seed=3)
        assert result.verdict == expected.verdict, kind
        table = result.frame if kind == "pandas" else result.frame.to_pandas()
        np.testing.assert_allclose(
            table["log_likelihood"], expected.frame["log_likelihood"], rtol=1e-9
        )
        assert type(result.frame).__module__.startswith("polars") is False


def test_a_log_that_cannot_tell_pages_apart_says_so() -> None:
    result = compare_click_models(lk.read_log(simulated(2_000).drop("session")))
    assert not result.available
    assert result.best is None
    assert not result.pbm_beaten
    assert "neither a page nor a session column" in result.verdict
    assert result.frame["status"].to_list() == ["not available"] * 6
    assert result.frame["log_likelihood"].null_count() == 6
    assert result.by_position.is_empty()
    assert result.diagnosis.level == "look"


def test_a_log_with_too_few_clicks_to_judge_by_says_so() -> None:
    frame = simulated(400).with_columns(clicked=(pl.int_range(pl.len()) == 3).cast(pl.Int8))
    result = compare_click_models(lk.read_log(frame))
    assert not result.available
    assert "one part has no click" in result.verdict


def test_one_query_gives_figures_without_intervals_and_no_verdict() -> None:
    frame = simulated(3_000).with_columns(
        item=pl.concat_str("query", "item", separator="-"), query=pl.lit("all")
    )
    result = compare_click_models(lk.read_log(frame))
    assert result.frame["low"].null_count() == 6
    assert "too few to compare" in result.verdict


def test_impressions_that_took_no_part_are_mentioned() -> None:
    frame = simulated(6_000).with_columns(session=pl.col("session") // 2, query=pl.col("query") * 0)
    mixed = pl.concat([simulated(6_000).with_columns(session=pl.col("session") + 10**6), frame])
    result = compare_click_models(lk.read_log(mixed, on_bad_rows="error"))
    assert result.n_aside > 1_000
    assert "of the impressions took no part" in result.verdict


def test_levels_and_shares_out_of_range_are_refused() -> None:
    log = lk.read_log(simulated(2_000))
    with pytest.raises(LabelkitError, match="level is in"):
        compare_click_models(log, level=95)
    with pytest.raises(LogError, match="held_out"):
        compare_click_models(log, held_out=0)


def test_a_clear_and_relevant_gain_beats_pbm_and_says_what_it_means() -> None:
    rivals = [Gain("DCM", 0.021, 0.01, 0.03), Gain("DBN", 0.08, 0.07, 0.09)]
    verdict = judge(rivals, LOSING, relevant_gain=0.01, size=SIZE)
    assert verdict.beaten
    assert verdict.text.startswith("PBM is clearly beaten by DBN (DCM beats it too), which removes")
    assert "below the last click is no evidence of irrelevance" in verdict.text


def test_among_models_that_are_as_good_the_simplest_is_named() -> None:
    rivals = [Gain("cascade", 0.079, 0.07, 0.09), Gain("DBN", 0.08, 0.07, 0.09)]
    assert "beaten by cascade" in judge(rivals, LOSING, relevant_gain=0.01, size=SIZE).text


def test_a_gain_too_small_to_matter_does_not_beat_pbm() -> None:
    verdict = judge([Gain("UBM", 0.004, 0.003, 0.005)], LOSING, relevant_gain=0.01, size=SIZE)
    assert not verdict.beaten
    assert verdict.text.startswith("PBM describes the log as well as its rivals")
    assert "1.0% would matter." in verdict.text


def test_a_gain_that_may_be_chance_leaves_the_question_open() -> None:
    verdict = judge([Gain("UBM", 0.05, -0.01, 0.11)], LOSING, relevant_gain=0.01, size=SIZE)
    assert not verdict.beaten
    assert "Nobody knows yet" in verdict.text


def test_pbm_that_does_not_beat_click_rates_by_position_is_noted() -> None:
    baseline = Gain("position rate", 0.001, -0.002, 0.004)
    rivals = [Gain("UBM", -0.01, -0.02, 0.0)]
    verdict = judge(rivals, baseline, relevant_gain=0.01, size=SIZE)
    assert "not clearly better than click rates by position alone" in verdict.text


@pytest.mark.parametrize(("ratio", "word"), [(2.0, "stronger"), (0.5, "weaker")])
def test_the_words_on_ubm_follow_what_it_found_below_clicks(ratio: float, word: str) -> None:
    rivals = [Gain("UBM", 0.05, 0.04, 0.06)]
    text = judge(rivals, LOSING, relevant_gain=0.01, size=SIZE, below_click=ratio).text
    assert f"unclicked there, they are {word} evidence" in text


def test_clustered_errors_equal_the_formula_by_loop() -> None:
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 12, 300)
    values = rng.normal(size=300) + cluster / 6
    score = clustered_mean(values, cluster, np.zeros(300, int), 1)
    sums = [(values[cluster == g] - values.mean()).sum() for g in range(12)]
    assert score.mean[0] == pytest.approx(values.mean())
    assert score.error[0] == pytest.approx(math.sqrt(12 / 11 * np.square(sums).sum()) / 300)


def clara2(folder: Path) -> lk.InteractionLog:
    names = {"page": "serp_id", "session": "session_id", "query": "query_id"}
    names |= {"item": "url_id", "clicked": "click"}
    return lk.read_log(folder / "clicks_naver_clara2" / "log.parquet", columns=names)


def trec(folder: Path) -> lk.InteractionLog:
    frame = pl.read_parquet(folder / "clicks_trec_session2013" / "log.parquet")
    names = {"page": "page_id", "session": "session_id", "item": "docno", "clicked": "click"}
    return lk.read_log(frame.filter(pl.col("position") <= 10), columns=names)


def test_on_clara2_ubm_leads_and_reading_on_without_end_fits_badly(shared_data: Path) -> None:
    result = compare_click_models(clara2(shared_data))
    likelihood = dict(result.frame.select("model", "log_likelihood").iter_rows())
    assert result.n_aside == 0
    assert max(likelihood, key=lambda model: likelihood[model]) == "UBM"
    # Three pages in four have no click: models whose users then read to the end lose to PBM.
    assert likelihood["PBM"] > likelihood["DCM"] + 0.003
    assert likelihood["PBM"] > likelihood["position rate"] + 0.005
    assert result.frame["converged"].all()


def test_trec_sessions_are_too_few_to_tell(shared_data: Path) -> None:
    result = compare_click_models(trec(shared_data))
    assert not result.pbm_beaten
    assert "Nobody knows yet" in result.verdict
    assert "not clearly better than click rates by position alone" in result.verdict
