"""The labeled unit: evidence per (user, item), session, query or single impression."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from given_curves import ENGINES, known_curve

import labelkit as lk
from labelkit import col, labeling_function, vote
from labelkit.errors import LogError, WeakEvidenceWarning
from labelkit.evidence import COLUMNS, GammaPrior, PlacementPrior, QueryPrior, available
from labelkit.evidence.dwell import query_quantiles
from labelkit.evidence.units import described_impressions, keyed_by

# Impressions are shown once by definition; that this is said is tested where it matters.
pytestmark = pytest.mark.filterwarnings("ignore:.* were shown only once")
Make = Callable[[pl.DataFrame], Any]
engines = pytest.mark.parametrize("make", ENGINES.values(), ids=list(ENGINES))
numbering = pytest.mark.parametrize(
    "make",
    [ENGINES[name] for name in ("polars", "pandas", "pyarrow")],
    ids=["polars", "pandas", "pyarrow"],
)
THETA = [1.0, 0.5, 0.3]
CURVE = known_curve(THETA, covariance=np.diag([0.0, 0.01, 0.04]))
UNITS = [
    ("user", "item"), ("session", "item"), ("query", "user"), ("item", "query"),
    ("session",), ("query",), ("item",), ("user",), ("page",), ("impression",),
]  # fmt: skip
# A DuckDB table has no order of rows, and so no numbers of impressions.
everywhere = pytest.mark.parametrize(
    ("make", "unit"),
    [
        pytest.param(make, unit, id=f"{name}-{'+'.join(unit)}")
        for name, make in ENGINES.items()
        for unit in UNITS
        if (name, unit) != ("duckdb", ("impression",))
    ],
)
RATES = ["ctr", "ctr_low", "ctr_high"]
CONVERTED = ["conversion_rate", "conversion_low", "conversion_high"]


def visits(seed: int = 0, n: int = 150) -> pl.DataFrame:
    """Pages of three; items and queries are text, and pages of two queries share their number."""
    rng = np.random.default_rng(seed)
    page, query = np.arange(n), rng.integers(0, 4, n)
    session = page // 5
    time = session * 10_000.0 + page % 5 * np.where(session % 2, 100.0, 400.0)
    clicked = (rng.random((n, 3)) < [0.6, 0.4, 0.3]).astype(np.int64)

    def clicks(values: Any) -> pl.Series:
        return pl.Series(np.where(clicked == 1, values, np.nan).ravel()).fill_nan(None)

    return pl.DataFrame(
        {
            "page": page.repeat(3) // 2,
            "session": session.repeat(3),
            "user": np.char.add("u", (session % 6).astype(str)).repeat(3),
            "query": np.char.add("q", query.astype(str)).repeat(3),
            "item": np.char.add("d", np.argsort(rng.random((n, 6)), axis=1)[:, :3].astype(str))
            .ravel(),
            "position": np.tile([1, 2, 3], n),
            "clicked": clicked.ravel(),
            "timestamp": time.repeat(3),
            "dwell": clicks(np.round(rng.exponential(40.0, (n, 3)) * (1 + query[:, None]), 3)),
            "conversion": (clicked * (rng.random((n, 3)) < 0.4)).ravel(),
        }
    )  # fmt: skip


def rows_of(frame: pl.DataFrame) -> pl.DataFrame:
    """The impressions with all that evidence adds up, by window functions over their pages."""
    page = ["page", "query"] if "page" in frame.columns else ["session", "query"]
    clicked = pl.col("clicked") == 1
    ms = (pl.col("dwell") * 1000).round(0).cast(pl.Int64)
    rows = frame.with_row_index("impression").with_columns(
        pl.col("impression").cast(pl.Int64),
        t=pl.col("position").replace_strict(dict(enumerate(THETA, start=1))),
        ms=ms,
        lowest=pl.col("position").filter(clicked).max().over(page),
    )
    stays = rows.filter(clicked).group_by("query", "ms").len().sort("query", "ms")
    names = stays["query"].unique().sort()
    number = stays["query"].rank("dense").to_numpy().astype(np.int64) - 1
    cuts = {
        name: query_quantiles(number, stays["ms"].to_numpy(), stays["len"].to_numpy(), level)
        for name, level in {"short": 0.25, "median": 0.5, "long": 0.75}.items()
    }
    rows = rows.join(pl.DataFrame({"query": names, **cuts}), on="query", maintain_order="left")
    left = set(dissatisfied(frame, page))
    return rows.with_columns(
        skip=(~clicked & (pl.col("position") < pl.col("lowest"))).fill_null(False),
        last=(clicked & (pl.col("position") == pl.col("lowest"))).fill_null(False),
        left=pl.Series(
            [row in left for row in rows.select(pl.col("session").alias("s"), *page).iter_rows()]
        ),
    )


def dissatisfied(frame: pl.DataFrame, page: list[str]) -> list[tuple[Any, ...]]:
    """Pages without a stay of half a minute that were left for another query within 5 minutes."""
    pages: dict[tuple[Any, ...], tuple[float, bool]] = {}
    for row in frame.iter_rows(named=True):
        key = (row["session"], *(row[name] for name in page))
        happy = row["clicked"] == 1 and row["dwell"] >= 30
        start, before = pages.get(key, (row["timestamp"], False))
        pages[key] = (min(start, row["timestamp"]), before or happy)
    order = sorted(pages, key=lambda key: (key[0], pages[key][0], key[-1]))
    return [
        a
        for a, b in pairwise(order)
        if a[0] == b[0] and a[-1] != b[-1] and pages[b][0] - pages[a][0] <= 300 and not pages[a][1]
    ]


def by_hand(frame: pl.DataFrame, unit: tuple[str, ...]) -> pl.DataFrame:
    clicked, w = pl.col("clicked") == 1, 1 / pl.col("t")
    return (
        rows_of(frame)
        .group_by(unit)
        .agg(
            impressions=pl.len(),
            clicks=clicked.sum(),
            exposure=pl.col("t").sum(),
            background=pl.lit(0.0),
            raw_ctr=clicked.mean(),
            ips_ctr=w.filter(clicked).sum() / pl.len(),
            ess=w.sum() ** 2 / (w**2).sum(),
            dwell_max=pl.col("dwell").filter(clicked).max(),
            dwell_mean=pl.col("ms").mean() / 1000,
            dwell_ratio=pl.col("ms").mean() / pl.col("median").filter(clicked).mean(),
            long_dwells=(pl.col("ms") > pl.col("long")).sum(),
            bounces=(pl.col("ms") <= pl.col("short")).sum(),
            conversions=pl.col("conversion").sum(),
            skips=pl.col("skip").sum(),
            last_clicks=pl.col("last").sum(),
            reformulated=pl.col("left").sum(),
            users=pl.col("user").filter(clicked).n_unique(),
            sessions=pl.col("session").filter(clicked).n_unique(),
            first_seen=pl.col("timestamp").min(),
            last_seen=pl.col("timestamp").max(),
        )
        .sort(unit)
    )


def table_of(native: Any, unit: tuple[str, ...]) -> pl.DataFrame:
    narwhal = nw.from_native(native)
    frame = narwhal.lazy().collect().to_polars()
    if narwhal.implementation.is_pandas():
        frame = frame.fill_nan(None)
    return frame.sort(unit)


def assert_same(found: pl.DataFrame, expected: pl.DataFrame, unit: tuple[str, ...]) -> None:
    assert found.select(unit).rows() == expected.select(unit).rows()
    for name in expected.columns:
        left, right = found[name], expected[name]
        if not right.dtype.is_float():
            assert left.to_list() == right.to_list(), name
            continue
        assert left.is_null().to_list() == right.is_null().to_list(), name
        left, right = left.drop_nulls(), right.drop_nulls()
        np.testing.assert_allclose(left.to_numpy(), right.to_numpy(), rtol=1e-5, err_msg=name)


@everywhere
def test_every_column_of_every_unit_equals_a_plain_group_by(
    make: Make, unit: tuple[str, ...]
) -> None:
    frame = visits()
    log = lk.read_log(make(frame))
    found = table_of(lk.evidence(log, CURVE, unit=unit, columns=available(log)), unit)
    assert found.columns == [*unit, *(name for name in COLUMNS if name in available(log))]
    expected = by_hand(frame, unit)
    assert {*expected.columns, *RATES, *CONVERTED} == {*found.columns}
    assert_same(found, expected, unit)


def test_the_world_of_these_tests_has_something_to_see_in_every_column() -> None:
    rows = rows_of(visits())
    for name in ("skip", "last", "left"):
        assert 30 < rows[name].sum() < len(rows) / 2, name


@everywhere
def test_rates_are_those_of_a_log_that_calls_the_unit_its_query_and_item(
    make: Make, unit: tuple[str, ...]
) -> None:
    """The long way round: another log, read anew, in which each page has a number of its own."""
    frame = visits(1)
    columns = [*RATES, *CONVERTED, "exposure", "ess"]
    found = table_of(lk.evidence(lk.read_log(make(frame)), CURVE, unit=unit, columns=columns), unit)
    second = pl.col(unit[1]) if len(unit) == 2 else pl.lit(0)
    renamed = frame.with_row_index("impression").with_columns(
        pl.int_range(pl.len()).alias("page"),
        pl.col(unit[0]).alias("query"),
        second.alias("item"),
    )
    other = lk.read_log(make(renamed.drop("impression")))
    expected = table_of(lk.evidence(other, CURVE, columns=columns), ("query", "item"))
    for name in columns:
        assert found[name].to_list() == expected[name].to_list(), name


@engines
def test_the_default_unit_is_query_and_item_and_costs_nothing(make: Make) -> None:
    log = lk.read_log(make(visits()))
    assert keyed_by(log, ["query", "item"]) is log
    unit = ("query", "item")
    asked = {"columns": available(log)}
    default = table_of(lk.evidence(log, CURVE, **asked), unit)
    assert table_of(lk.evidence(log, CURVE, unit=unit, **asked), unit).equals(default)
    # Keyed the other way round it is the same table with its keys exchanged, to the last bit.
    swapped = table_of(lk.evidence(log, CURVE, unit=("item", "query"), **asked), unit)
    assert swapped.columns[:2] == ["item", "query"]
    assert swapped.select(default.columns).equals(default)


@numbering
def test_an_impression_has_the_click_and_the_propensity_of_its_row(make: Make) -> None:
    frame = visits(2).sort("timestamp", "item")
    log = lk.read_log(make(frame))
    found = table_of(lk.evidence(log, CURVE, unit=("impression",)), ("impression",))
    assert found["impression"].to_list() == list(range(len(frame)))
    assert found["clicks"].to_list() == frame["clicked"].to_list()
    theta = np.array(THETA)[frame["position"].to_numpy() - 1]
    np.testing.assert_allclose(found["exposure"], theta, atol=2**-32)
    assert set(found["impressions"]) == {1}
    assert found["first_seen"].to_list() == frame["timestamp"].to_list()


def test_pages_stay_pages_in_a_log_without_page_ids_and_in_any_order() -> None:
    frame = visits(4).drop("page").unique(["session", "query", "position"], maintain_order=True)
    columns = ["skips", "last_clicks"]
    for rows in (frame, frame.sort("timestamp", "item")):
        log = lk.read_log(rows)
        assert log.in_page_order == (rows is frame)
        for unit in (("item",), ("user", "item"), ("session",)):
            found = table_of(lk.evidence(log, CURVE, unit=unit, columns=columns), unit)
            assert_same(found, by_hand(rows, unit).select(*unit, *columns), unit)


def test_contexts_of_the_curve_hold_for_every_unit() -> None:
    frame = visits().with_columns(device=pl.Series(["phone", "desk", "desk"] * 150))
    theta = [1.0, 0.2, 0.1, 1.0, 0.7, 0.5]
    curve = known_curve(
        theta, positions=[1, 2, 3] * 2, context={"device": np.array(["phone"] * 3 + ["desk"] * 3)}
    )
    unit = ("user",)
    found = table_of(lk.evidence(lk.read_log(frame), curve, unit=unit), unit)
    worth = pl.when(device="phone").then(1.0)
    worth = worth.otherwise(pl.col("position").replace_strict({1: 1.0, 2: 0.7, 3: 0.5}))
    assert set(frame.filter(pl.col("device") == "phone")["position"]) == {1}
    expected = frame.group_by("user").agg(worth.sum().alias("exposure")).sort("user")
    np.testing.assert_allclose(found["exposure"], expected["exposure"], rtol=1e-6)


@engines
def test_one_time_per_example_goes_by_the_keys_of_the_unit(make: Make) -> None:
    frame = visits()
    times = pl.DataFrame({"user": ["u0", "u3"], "as_of": [100_000.0, 60_000.0]})
    log = lk.read_log(make(frame))
    columns = ["impressions", "clicks", "last_seen", "exposure"]
    found = table_of(
        lk.evidence(log, CURVE, unit=("user",), columns=columns, as_of=make(times)), ("user",)
    )
    seen = frame.join(times, on="user").filter(pl.col("timestamp") < pl.col("as_of"))
    expected = by_hand(seen.drop("as_of"), ("user",))
    assert_same(found, expected.select("user", *columns), ("user",))
    with pytest.raises(LogError, match="has the columns user and as_of; it lacks 'user'"):
        lk.evidence(log, CURVE, unit=("user",), as_of=make(times.rename({"user": "who"})))
    twice = make(pl.concat([times, times]))
    with pytest.raises(LogError, match=r"4 of 4 rows that share their example \(first: user 'u0'"):
        lk.evidence(log, CURVE, unit=("user",), as_of=twice)


def test_what_was_not_known_yet_enters_no_unit() -> None:
    frame = visits()
    early = frame.filter(pl.col("timestamp") < 150_000)
    for unit in (("user", "item"), ("impression",)):
        then = lk.evidence(lk.read_log(frame), CURVE, unit=unit, as_of=150_000.0)
        alone = lk.evidence(lk.read_log(early), CURVE, unit=unit, as_of=150_000.0)
        assert table_of(then, unit).equals(table_of(alone, unit))


@engines
def test_an_empty_key_is_named_with_its_count_and_a_row(make: Make) -> None:
    frame = visits().with_columns(
        pl.when(pl.int_range(pl.len()) >= 7).then(pl.col("user")).alias("user")
    )
    log = lk.read_log(make(frame.rename({"user": "member"})), columns={"user": "member"})
    query, item = frame.row(0, named=True)["query"], frame.row(0, named=True)["item"]
    words = rf"'member' \(user\) is empty in 7 of 450 rows \(such as query '{query}', item"
    with pytest.raises(LogError, match=words) as caught:
        lk.evidence(log, CURVE, unit=("user", "item"))
    if make is not ENGINES["duckdb"]:
        assert f"item '{item}', position 1" in str(caught.value)
    # Whoever does not ask for it is not bothered.
    assert lk.evidence(log, CURVE, unit=("session",)) is not None


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("session", r"unit=\('session',\), not 'session'"),
        ((), "one or two different key columns"),
        (("query", "item", "user"), "one or two different key columns"),
        (("user", "user"), "one or two different key columns"),
        (("position",), "'position', which is no key column.*query, item, page, session, user"),
        (("user", "impression"), "more than the impression"),
        (("page", "item"), "'page', which the log does not have.*keys are query, item, session"),
    ],
)
def test_a_unit_that_is_none_is_refused_in_words(unit: Any, words: str) -> None:
    log = lk.read_log(visits().drop("page"))
    with pytest.raises(LogError, match=words):
        lk.evidence(log, CURVE, unit=unit)


def test_impressions_of_an_engine_without_order_cannot_be_numbered() -> None:
    log = lk.read_log(ENGINES["duckdb"](visits()))
    with pytest.raises(LogError, match="DUCKDB has no order of rows"):
        lk.evidence(log, CURVE, unit=("impression",))


def test_a_prior_per_query_asks_for_examples_under_queries() -> None:
    log = lk.read_log(visits())
    given = QueryPrior(PlacementPrior(1.0, -1.0, 0.0), 1.0, 1.0)
    for unit in (("user", "item"), ("query",), ("impression",), ("item", "query")):
        for prior in ("query", given):
            with pytest.raises(LogError, match="A prior per query shrinks examples"):
                lk.evidence(log, CURVE, unit=unit, prior=prior)
    per_user = table_of(
        lk.evidence(log, CURVE, unit=("query", "user"), prior="query"), ("query", "user")
    )
    assert per_user["ctr"].is_between(0, 1).all()


@pytest.mark.parametrize("unit", [("user", "item"), ("impression",)], ids="+".join)
def test_votes_labels_and_the_batch_follow_the_unit(unit: tuple[str, ...]) -> None:
    log = lk.read_log(visits(6, n=400))
    table = lk.evidence(log, CURVE, unit=unit)

    @labeling_function
    def clicked():
        return vote(1, where=col("clicks") > 0)

    @labeling_function
    def skipped():
        return vote(0, where=col("skips") > 0)

    @labeling_function
    def stayed():
        return vote(1, where=col("dwell_mean") > 60) | vote(0, where=col("dwell_mean") < 10)

    votes = lk.apply([clicked, skipped, stayed], table, keys=unit)
    assert votes.key_frame.columns == list(unit)
    labels = lk.LabelModel().fit(votes).label(votes)
    keys = nw.from_native(labels).to_polars().select(unit)
    assert sorted(keys.rows()) == table_of(table, unit).select(unit).rows()
    batch = lk.select(labels, n=20, strategy="margin", audit_share=0.5, keys=unit, seed=0)
    drawn = nw.from_native(batch.frame).to_polars().select(unit)
    assert len(drawn) == 20
    assert set(drawn.rows()) <= set(keys.rows())


def shown(times: int, n: int = 200) -> lk.InteractionLog:
    """A log of ``n`` (query, item) pairs, each shown ``times`` times to as many users."""
    rows = np.arange(n * times)
    return lk.read_log(
        pl.DataFrame(
            {
                "query": rows % n // 4,
                "item": rows % n,
                "user": rows // n,
                "position": rows % 3 + 1,
                "clicked": (rows % 5 == 0).astype(np.int64),
            }
        )
    )


@pytest.mark.parametrize(
    ("times", "unit", "warned"),
    [
        (1, ("query", "item"), True),
        (2, ("query", "item"), False),
        (2, ("user", "item"), True),
        (2, ("item",), False),
        (1, ("query",), False),
        (3, ("impression",), True),
    ],
)
@pytest.mark.filterwarnings("default:.* were shown only once")
def test_units_that_were_shown_about_once_are_said_to_have_no_honest_interval(times, unit, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lk.evidence(shown(times), CURVE, unit=unit, columns=["ctr", "ctr_low"])
    said = [w for w in caught if issubclass(w.category, WeakEvidenceWarning)]
    assert bool(said) == warned
    if warned:
        assert " and ".join(unit) in str(said[0].message)
        assert said[0].filename == __file__, "whoever asked is blamed"


@pytest.mark.parametrize(
    "asked",
    [
        {"columns": ["clicks", "ctr"]},
        {"columns": ["ctr_low"], "prior": GammaPrior(2.0, 8.0)},
    ],
    ids=["no interval", "prior from elsewhere"],
)
@pytest.mark.filterwarnings("error")
def test_without_an_interval_to_doubt_nothing_is_said(asked):
    lk.evidence(shown(1), CURVE, unit=("user", "item"), **asked)


def test_an_impression_knows_its_row():
    rows = described_impressions(shown(2)).collect().to_polars()
    assert rows.columns == ["impression", "query", "item", "user", "position"]
    assert rows["impression"].to_list() == list(range(400))
    assert rows["item"].to_list() == [*range(200)] * 2
