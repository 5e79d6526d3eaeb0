"""Ready labeling functions: what they vote, what they refuse, and how they are found and read."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

import labelkit as lk
from labelkit.errors import LFError
from labelkit.evidence import COLUMNS
from labelkit.lfs import LabelingFunction, load_lfs, templates
from labelkit.lfs.templates import template
from labelkit.logs.simulator import ADVERSE, GOOD

ALL = {
    name: getattr(templates, name)
    for name in templates.__all__
    if isinstance(getattr(templates, name), templates.Template)
}
NEEDS = {"freshness": {"new_since": datetime(2025, 1, 1)}}


def votes_of(lf, **columns):
    rows = len(next(iter(columns.values())))
    frame = pl.DataFrame({"item": range(rows)} | {"query": ["q"] * rows} | columns)
    return lk.apply([lf], frame).matrix[:, 0].tolist()


def test_a_click_rate_votes_where_its_whole_interval_is_above_or_below_usual():
    rates = {"ctr": [0.1, 0.2, 0.3], "ctr_low": [0.05, 0.1, 0.25], "ctr_high": [0.15, 0.3, 0.4]}
    assert votes_of(templates.click_rate(), **rates) == [0, -1, 1]
    assert votes_of(templates.click_rate(below=None), **rates) == [-1, -1, 1]
    assert votes_of(templates.click_rate(above=1.5), **rates) == [0, -1, -1]


def test_an_item_is_skipped_once_it_should_have_been_clicked():
    lf = templates.examined_but_skipped(expected_clicks=2)
    seen = {"clicks": [0, 0, 1], "exposure": [25.0, 15.0, 25.0], "ctr": [0.1, 0.1, 0.1]}
    assert votes_of(lf, **seen) == [0, -1, -1]


def test_passed_over_asks_for_skips_and_no_click():
    assert votes_of(templates.passed_over(times=3), skips=[3, 2, 9], clicks=[0, 0, 1]) == [
        0,
        -1,
        -1,
    ]


def test_dwell_is_long_in_seconds_or_for_the_query():
    dwell = {"dwell_max": [50.0, 20.0, None], "dwell_mean": [10.0, 10.0, None]}
    assert votes_of(templates.long_dwell(seconds=30), **dwell) == [1, -1, -1]
    assert votes_of(templates.long_dwell(seconds=None, times_usual=2), **dwell) == [1, 1, -1]
    assert votes_of(templates.long_dwell(seconds=30, times_usual=6), **dwell) == [-1, -1, -1]


def test_a_bounce_counts_only_where_clicks_are_rarer_than_usual():
    seen = {"clicks": [1, 1, 0], "dwell_max": [4.0, 4.0, None], "ctr": [0.1, 0.3, 0.2]}
    assert votes_of(templates.bounce(seconds=5), **seen) == [0, -1, -1]


def test_conversion_never_votes_against_an_item():
    assert votes_of(templates.conversion(), conversions=[2, 0, None]) == [1, -1, -1]


def test_popularity_compares_an_item_everywhere_with_this_query_and_abstains_on_one_query():
    frame = pl.DataFrame(
        {
            "query": ["a", "a", "a", "b", "b"],
            "item": ["liked", "dull", "only", "liked", "dull"],
            "ctr": [0.30, 0.05, 0.10, 0.40, 0.02],
        }
    )
    votes = lk.apply([templates.popularity(factor=1.5)], frame).matrix[:, 0].tolist()
    assert votes == [1, 0, -1, 1, 0]


def test_several_people_counts_people_per_look():
    seen = {"users": [4, 1, 2], "exposure": [10.0, 10.0, 40.0]}
    assert votes_of(templates.several_people(), **seen) == [1, -1, -1]


def test_freshness_looks_at_the_log_and_not_at_the_clock():
    days = {
        "first_seen": [date(2025, 3, 1), date(2025, 1, 1), date(2025, 1, 1)],
        "last_seen": [date(2025, 3, 2), date(2025, 3, 2), date(2025, 1, 9)],
    }
    lf = templates.freshness(new_since=date(2025, 2, 1), gone_before=date(2025, 2, 1))
    assert votes_of(lf, **days) == [1, -1, 0]
    with pytest.raises(LFError, match=r"template freshness.*give new_since"):
        templates.freshness()


def test_people_who_asked_again_more_than_usual_vote_against_what_they_saw():
    seen = {"impressions": [10, 10, 10, 2], "reformulated": [8, 3, 1, 1]}
    assert votes_of(templates.reformulation(times_usual=1.25), **seen) == [0, -1, -1, -1]


def test_the_click_that_ended_the_page_votes_for():
    seen = {"clicks": [4, 4, 1], "last_clicks": [3, 1, 1]}
    assert votes_of(templates.last_click(), **seen) == [1, -1, -1]


def test_a_bounce_can_be_what_is_quick_for_the_query():
    seen = {"clicks": [4, 4], "dwell_max": [50.0, 50.0], "bounces": [3, 1], "ctr": [0.1, 0.3]}
    assert votes_of(templates.bounce(seconds=None, share=0.7), **seen) == [0, -1]


@pytest.mark.parametrize("name", ALL)
def test_a_template_says_why_from_where_and_what_it_votes(name):
    lf = ALL[name](**NEEDS.get(name, {}))
    assert isinstance(lf, LabelingFunction)
    assert lf.name == name
    assert len(lf.doc.split()) > 25
    assert any(year in lf.doc for year in map(str, range(2002, 2026))), "no source is named"
    assert name in lf.source.splitlines()[0]
    assert "vote(" in lf.source
    assert lf.where_defined.endswith(f"{__name__.rpartition('.')[2]}.py:{_line(lf)}")
    assert lf.columns <= set(COLUMNS) | {"query", "item"}


def _line(lf):
    return lf.where_defined.rpartition(":")[2]


@pytest.mark.parametrize("name", [name for name in ALL if ALL[name].grid])
def test_every_value_of_a_grid_makes_a_function_of_its_own(name):
    for threshold, values in ALL[name].grid.items():
        rules = {ALL[name](**{threshold: value}).rule for value in values}
        assert len(rules) == len(values)


@pytest.mark.parametrize("value", [0, -1, True, "30", float("nan"), float("inf")])
def test_a_threshold_that_is_no_positive_number_is_refused_with_the_call(value):
    with pytest.raises(LFError, match=r"template long_dwell\(seconds=.*seconds is a number above"):
        templates.long_dwell(seconds=value)


def test_a_template_of_ones_own_needs_thresholds_that_exist():
    with pytest.raises(LFError, match="no threshold 'minutes'"):
        template(minutes=(1, 2))(lambda seconds=3: None)


def test_an_assignment_in_a_module_is_found_under_the_name_of_its_template(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from labelkit.lfs import templates\n\n"
        "read = templates.long_dwell(seconds=45)\n"
        "skim = templates.long_dwell(seconds=5, relevant=0).named('skimmed')\n"
    )
    read, skim = load_lfs(["mine"], tmp_path)
    assert (read.name, skim.name) == ("long_dwell", "skimmed")
    assert read.where_defined == "mine.py:3"
    assert "seconds=45" in read.source
    with pytest.raises(LFError, match=r"mine\.py:3.*no column 'dwell_max'"):
        lk.apply([read], pl.DataFrame({"query": [1], "item": [1]}))


def test_every_engine_votes_alike(in_engine, engine):
    frame = pl.DataFrame(
        {
            "query": ["a", "a", "b", "b"],
            "item": ["x", "y", "x", "z"],
            "clicks": [0, 3, 1, None],
            "exposure": [30.0, 3.0, 2.0, 1.0],
            "ctr": [0.01, 0.5, 0.2, None],
            "ctr_low": [0.0, 0.3, 0.1, None],
            "ctr_high": [0.05, 0.8, 0.5, None],
            "dwell_max": [None, 60.0, 3.0, None],
            "dwell_mean": [None, 40.0, 3.0, None],
            "users": [0, 3, 1, None],
            "skips": [4, 0, 1, None],
        }
    )
    names = (
        "click_rate examined_but_skipped passed_over long_dwell bounce popularity several_people"
    )
    lfs = [ALL[name]() for name in names.split()]
    want = sorted(_rows(lk.apply(lfs, frame)))
    assert sorted(_rows(lk.apply(lfs, in_engine(frame, engine)))) == want


def _rows(votes):
    keys = votes.key_frame
    return zip(keys["query"].to_list(), keys["item"].to_list(), votes.matrix.tolist(), strict=True)


@pytest.mark.parametrize("rankers", [GOOD, ADVERSE], ids=["good ranker", "adverse ranker"])
def test_each_beats_the_base_rate_of_what_it_votes_on_simulated_clicks(rankers):
    simulated = lk.simulate(
        800_000, seed=3, extras=("user", "device", "dwell", "conversion"), rankers=rankers
    )
    log = lk.read_log(simulated.frame)
    names = (
        "click_rate examined_but_skipped passed_over long_dwell bounce conversion several_people"
    )
    lfs = [ALL[name]() for name in names.split()]
    votes = lk.apply(lfs, lk.evidence(log, lk.PositionBias().fit(log)))
    truth = simulated.truth.attractiveness
    label = truth["attractiveness"] > truth["attractiveness"].mean()
    gold = truth.select("query", "item").with_columns(label=label.cast(int))
    share = gold["label"].mean()
    for row in lk.analyze(votes, gold=gold).iter_rows(named=True):
        base = max({0: 1 - share, 1: share}[label] for label in row["polarity"])
        assert row["coverage"] > 0
        assert row["accuracy"] > base, row


def test_those_that_read_evidence_on_request_vote_on_a_log_with_sessions():
    # Four sessions ask "a", find nothing and ask "b"; a fifth finds "y" at once.
    again = [("a", "x", 1, 0, 0.0), ("b", "z", 1, 1, 60.0)]
    found = [("a", "x", 1, 0, 0.0), ("a", "y", 2, 1, 0.0)]
    rows = [(s, *row) for s in range(8) for row in (again if s < 4 else found)]
    names = ["session", "query", "item", "position", "clicked", "timestamp"]
    log = lk.read_log(pl.DataFrame(rows, schema=names, orient="row"))
    curve = lk.PositionBias(method="given", curve={1: 1.0, 2: 0.5}).fit(log)
    columns = ["impressions", "clicks", "reformulated", "last_clicks", "first_seen"]
    examples = lk.evidence(log, curve, columns=columns).collect().sort("query", "item")
    lfs = [templates.reformulation(), templates.last_click(), templates.freshness(new_since=30.0)]
    votes = lk.apply(lfs, examples).matrix
    assert examples.select("query", "item").rows() == [("a", "x"), ("a", "y"), ("b", "z")]
    assert votes[:, 0].tolist() == [0, -1, -1]
    assert votes[:, 1].tolist() == [-1, 1, 1]
    assert votes[:, 2].tolist() == [-1, -1, 1]
