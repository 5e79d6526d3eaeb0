"""Sessions, bots, swaps and repeated rows: what goes on in a log besides clicks."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelkit as lk
from labelkit.errors import LogError
from labelkit.logs import (
    Bots,
    BrowsingModel,
    Catalogue,
    ClickModel,
    Ranker,
    Sessions,
    Swaps,
    simulate,
)

ONE_ORDER = (Ranker("only", 1.0, noise=0.0),)


def pages_of(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("session", "page", maintain_order=True).agg(
        pl.col("query", "timestamp", "ranker").first(), clicks=pl.col("clicked").sum()
    )


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 4_000),
    items=st.integers(1, 12),
    pages=st.floats(1, 6),
    repeat=st.floats(0, 1),
    ends=st.floats(0, 1),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_sessions_have_whole_pages_in_order_of_time(n, items, pages, repeat, ends, share, seed):
    frame = simulate(
        n,
        seed=seed,
        catalogue=Catalogue.synthetic(9, items, seed=seed),
        sessions=Sessions(pages, repeat=repeat, ends_content=ends),
        bots=Bots(share, pages=5),
    ).frame
    assert frame.height == n
    # Rows of a page, and of a session, stand together; positions count up from 1.
    for key in ("page", "session"):
        assert frame[key].rle_id().max() == frame[key].n_unique() - 1
    follows = (frame["position"].diff() == 1) & (frame["page"].diff() == 0)
    assert (follows | (frame["position"] == 1))[1:].all()
    assert frame["position"][0] == 1
    later = frame["session"].diff() == 0
    assert (frame["timestamp"].diff().dt.total_microseconds() >= 0).filter(later).all()


def test_a_log_with_everything_at_once_keeps_the_contract() -> None:
    log = simulate(
        20_000,
        seed=1,
        sessions=Sessions(ends_content=0.5),
        bots=Bots(0.02),
        swaps=Swaps(share=0.3),
        extras=("user", "dwell", "conversion", "propensity"),
    )
    read = lk.read_log(log.frame)
    assert read.summary.n_impressions == 20_000
    assert read.summary.unchecked == ()
    assert {"page", "session", "user", "dwell", "conversion", "randomised"} <= set(read.columns)


@pytest.mark.statistics
def test_sessions_are_as_long_and_ask_again_as_often_as_asked() -> None:
    frame = simulate(400_000, seed=2, sessions=Sessions(pages=4.0, repeat=0.6)).frame
    pages = pages_of(frame)
    lengths = pages.group_by("session").len()["len"]
    assert lengths.mean() == pytest.approx(4.0, abs=0.15)
    assert (lengths == 1).mean() == pytest.approx(0.25, abs=0.02)
    later = pages.filter(pl.col("session") == pl.col("session").shift(1))
    same = (pages["query"] == pages["query"].shift(1)) & (
        pages["session"] == pages["session"].shift(1)
    )
    popularity = Catalogue.synthetic(seed=2).popularity
    expected = 0.6 + 0.4 * float(popularity @ popularity)
    assert same.sum() / later.height == pytest.approx(expected, abs=0.02)


@pytest.mark.statistics
def test_a_content_person_leaves_and_only_the_discontent_ask_again() -> None:
    log = simulate(200_000, seed=3, sessions=Sessions(pages=4.0, repeat=0.8, ends_content=1.0))
    pages = pages_of(log.frame)
    last = pages["session"] != pages["session"].shift(-1)
    assert pages.filter(~last)["clicks"].sum() == 0
    assert pages.filter(last)["clicks"].sum() > 1_000
    p = log.truth.click_probability(log.frame)
    assert log.frame["clicked"].sum() == pytest.approx(p.sum(), abs=5 * np.sqrt(p.sum()))
    # Bots click on everything, and are never content.
    busy = simulate(
        200_000, seed=3, sessions=Sessions(ends_content=1.0), bots=Bots(0.05, pages=10.0)
    )
    bots = pages_of(busy.frame.filter(pl.Series(busy.truth.is_bot(busy.frame["session"]))))
    assert bots.height / bots["session"].n_unique() == pytest.approx(10, rel=0.15)
    # Whoever leaves early makes room for others, over the whole time alike.
    assert pages.group_by("session", maintain_order=True).first()["timestamp"].is_sorted()
    days = log.frame.group_by(pl.col("timestamp").dt.truncate("7d")).len().sort("timestamp")["len"]
    assert days[1:-1].max() < 1.1 * days[1:-1].min()


@pytest.mark.statistics
@pytest.mark.parametrize("steady", [0.0, 0.05, 0.7])
def test_steady_sessions_leave_each_probability_alone_and_bind_clicks_together(steady) -> None:
    log = simulate(800_000, seed=4, sessions=Sessions(pages=4.0, steady=steady))
    p = log.truth.click_probability(log.frame)
    frame = log.frame.with_columns(
        p=pl.Series(p), residual=pl.col("clicked") - pl.Series(p), variance=pl.Series(p * (1 - p))
    )
    by_position = frame.group_by("position").agg(pl.col("residual", "variance").sum())
    # A session's clicks come together, so the error is that of sessions, not of impressions.
    sums = frame.group_by("session").agg(pl.col("residual", "variance").sum())
    inflation = float((sums["residual"] ** 2).sum()) / float(sums["variance"].sum())
    z = by_position["residual"] / (inflation * by_position["variance"]).sqrt()
    assert z.abs().max() < 5
    if steady < 0.5:  # above, positions go up and down together
        assert (z**2).mean() < 1 + 4 * np.sqrt(2 / len(z))
    assert inflation > 1 + 4 * steady if steady else abs(inflation - 1) < 0.03


@pytest.mark.statistics
def test_bots_are_who_the_truth_says_fast_and_blind() -> None:
    log = simulate(
        400_000,
        seed=5,
        sessions=Sessions(pages=2.0),
        bots=Bots(share=0.05, click_rate=0.9, pages=20.0, gap_s=0.5),
        extras=("user", "dwell", "conversion"),
    )
    frame = log.frame.with_columns(bot=pl.Series(log.truth.is_bot(log.frame["session"])))
    sessions = frame.group_by("session").agg(
        pl.col("bot").first(),
        pl.col("page").n_unique(),
        seconds=(pl.col("timestamp").max() - pl.col("timestamp").min()).dt.total_milliseconds()
        / 1000,
    )
    assert sessions["bot"].mean() == pytest.approx(0.05, abs=0.006)
    bots, people = sessions.filter("bot"), sessions.filter(~pl.col("bot"))
    assert bots["page"].mean() == pytest.approx(20, rel=0.15)
    assert people["page"].mean() == pytest.approx(2, rel=0.05)
    per_page = bots["seconds"].sum() / (bots["page"] - 1).sum()
    assert per_page == pytest.approx(0.5, rel=0.1)
    assert frame.filter("bot")["clicked"].mean() == pytest.approx(0.9, abs=0.01)
    assert frame.filter("bot")["conversion"].sum() == 0
    assert frame.filter("bot")["dwell"].median() < 1
    users = frame.group_by("bot").agg(pl.col("user").unique())
    one, other = (set(each) for each in users["user"])
    assert not one & other
    p = log.truth.click_probability(log.frame)
    rest = ~frame["bot"].to_numpy()
    clicks, expected = frame["clicked"].to_numpy()[rest].sum(), p[rest].sum()
    assert abs(clicks - expected) < 5 * np.sqrt(expected)


@pytest.mark.statistics
def test_conversions_come_late_and_those_after_the_end_are_not_yet_there() -> None:
    settings = {"n_impressions": 600_000, "seed": 8, "conversion_delay_s": 4 * 86_400.0}
    log = simulate(**settings, extras=("click_time", "conversion_time"))
    frame = log.frame
    assert (frame["click_time"].is_null() == (frame["clicked"] == 0)).all()
    assert (frame["conversion_time"].is_null() == (frame["conversion"] == 0)).all()
    assert (frame["click_time"] > frame["timestamp"]).drop_nulls().all()
    clicks = frame.drop_nulls("click_time")
    below = clicks["session"].diff() == 0
    assert below.sum() > 1_000
    assert (clicks["click_time"].diff().dt.total_microseconds() >= 0).filter(below).all()
    bought = frame.drop_nulls("conversion_time")
    end = log.truth.windows["end"][-1]
    assert (bought["conversion_time"] < end).all()
    # Of clicks d days before the end, exp(−d/4) of the conversions are still to come.
    joined = clicks.join(log.truth.attractiveness, on=["query", "item"])
    days = (pl.lit(end) - pl.col("click_time")).dt.total_seconds() / 86_400
    groups = (
        joined.with_columns(
            p=0.3 * pl.col("attractiveness") * (1 - (-days / 4).exp()), week=(days // 2)
        )
        .group_by("week")
        .agg(pl.col("conversion", "p").sum())
    )
    z = (groups["conversion"] - groups["p"]) / groups["p"].sqrt()
    assert groups.height == 14
    assert z.abs().max() < 5
    # A log that does not say when has all conversions, whenever they come.
    rest = simulate(**settings, extras=("conversion",)).frame
    assert rest["conversion"].sum() > 1.05 * frame["conversion"].sum()


def test_a_log_without_bots_has_none() -> None:
    assert not simulate(100).truth.is_bot([0, 1, 2]).any()


@pytest.mark.statistics
@pytest.mark.parametrize("kind", ["first", "adjacent"])
def test_click_rates_within_swapped_pairs_give_the_propensities(kind) -> None:
    model = ClickModel.of_curve([1, 0.7, 0.6, 0.3])
    frame = simulate(
        1_000_000,
        seed=6,
        catalogue=Catalogue.synthetic(40, 8),
        clicks=model,
        rankers=ONE_ORDER,
        swaps=Swaps(kind, share=0.9),
    ).frame
    flagged = frame.filter(pl.col("randomised") == 1)
    assert (flagged["swapped_with"] > 0).all()
    assert (frame.filter(pl.col("randomised") == 0)["swapped_with"] == 0).all()
    distance = (flagged["swapped_with"] - flagged["position"]).abs()
    if kind == "adjacent":
        assert distance.unique().to_list() == [1]
    else:
        assert (
            flagged.select(pl.min_horizontal("position", "swapped_with")).to_series() == 1
        ).all()
    pair = flagged.with_columns(
        a=pl.min_horizontal("position", "swapped_with").cast(int),
        b=pl.max_horizontal("position", "swapped_with").cast(int),
    )
    # Of each page both rows are flagged, and within a pair every item stood as often at either.
    assert pair.group_by("session").len()["len"].unique().to_list() == [2]
    balance = pair.group_by("query", "a", "b", "item").agg(
        above=(pl.col("position") == pl.col("a")).sum(), n=pl.len()
    )
    z = (balance["above"] - balance["n"] / 2) / (balance["n"] / 4).sqrt()
    assert z.abs().max() < 5
    rates = (
        pair.group_by("a", "b", "position")
        .agg(pl.col("clicked").mean(), n=pl.col("clicked").sum())
        .sort("a", "b", "position")
    )
    for (a, b), group in rates.group_by("a", "b"):
        upper, lower = group.sort("position")["clicked"]
        ratio = model.propensities[int(b) - 1] / model.propensities[int(a) - 1]
        error = float((1 / group["n"]).sum()) ** 0.5
        assert abs(np.log(lower / upper / ratio)) < 4 * error
        assert error < 0.05


def test_swaps_need_two_results_and_leave_randomised_pages_alone() -> None:
    catalogue = Catalogue.synthetic(5, 1)
    alone = simulate(1_000, catalogue=catalogue, swaps=Swaps(share=1.0)).frame
    assert alone["randomised"].sum() == 0
    frame = simulate(5_000, randomised_share=0.5, swaps=Swaps(share=1.0)).frame
    pages = frame[:4_990].group_by("session").agg(pl.col("randomised", "swapped_with").sum())
    assert set(pages["randomised"]) == {2, 10}
    assert pages.filter(pl.col("randomised") == 10)["swapped_with"].sum() == 0


def test_rows_logged_twice_are_found_by_the_contract(tmp_path) -> None:
    log = simulate(20_000, seed=7, duplicate_share=0.05, extras=("dwell",))
    assert log.frame.height == 20_000
    n = int(log.frame.is_duplicated().sum()) // 2
    assert 800 < n < 1_100
    with pytest.raises(LogError, match=f"{n:,} of 20,000 rows that repeat an impression"):
        lk.read_log(log.frame)
    read = lk.read_log(
        log.frame, on_bad_rows="quarantine", quarantine_file=tmp_path / "set-aside.parquet"
    )
    assert read.summary.n_quarantined == n


def test_what_stands_below_the_page_is_never_shown() -> None:
    catalogue = Catalogue.synthetic(30, 20)
    frame = simulate(
        20_000, catalogue=catalogue, rankers=ONE_ORDER, clicks=ClickModel(n_positions=5)
    ).frame
    shown = frame.select("query", "item").unique()
    best = (
        catalogue.frame.sort("attractiveness", descending=True)
        .group_by("query")
        .head(5)
        .join(frame.select("query").unique(), on="query", how="semi")
    )
    assert shown.height == best.height
    assert shown.join(best, on=["query", "item"], how="anti").is_empty()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sessions(pages=0.5), "pages ≥ 1"),
        (lambda: Sessions(repeat=1.5), "repeat"),
        (lambda: Sessions(steady=0.5, ends_content=0.5), "no one θ_k"),
        (lambda: simulate(10, clicks=BrowsingModel(), sessions=Sessions(steady=0.1)), "steady = 0"),
        (lambda: Bots(share=-0.1), "share"),
        (lambda: Bots(pages=0), "pages ≥ 1"),
        (lambda: Swaps("last"), "'adjacent'"),  # type: ignore[arg-type]
        (lambda: Swaps(share=2), "share"),
        (lambda: simulate(10, duplicate_share=2), "duplicate_share"),
        (lambda: simulate(10, conversion_delay_s=0), "conversion_delay_s"),
        (lambda: simulate(10, randomised_share=-1), "randomised_share"),
        (lambda: simulate(0), "n_impressions"),
        (lambda: simulate(10, seed=-1), "seed ≥ 0; got .* and -1"),
        (
            lambda: simulate(10, seed=-1, catalogue=Catalogue.synthetic()),
            "seed ≥ 0; got 10 and -1",
        ),
        (lambda: Catalogue.synthetic(0), "n_queries"),
        (lambda: Catalogue.synthetic(satisfaction=(0, 1)), "Beta"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(make, message: str) -> None:
    with pytest.raises(LogError, match=message):
        make()
