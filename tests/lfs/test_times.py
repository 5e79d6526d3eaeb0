"""Ages, weekdays and hours: what Python's calendar says, on every engine."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import LFError

AT = dt.datetime(2024, 3, 1, 12, 30, 0, 1)
TIMES = st.one_of(
    st.none(),
    # Polars' tables of time zones end with 2037, as 32-bit clocks do.
    st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2037, 6, 30)),
    st.sampled_from(
        [
            AT,
            AT - dt.timedelta(days=7),
            AT - dt.timedelta(days=7, microseconds=1),
            dt.datetime(1969, 12, 31, 23, 59, 59, 999_999),
            dt.datetime(2000, 2, 29),
            dt.datetime(1900, 3, 1),
            dt.datetime(2024, 3, 31, 1),  # before and after clocks change in Berlin
            dt.datetime(2024, 10, 27, 1, 30),
        ]
    ),
)
CHECKED = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def told(truth, *values):
    return -1 if any(value is None for value in values) else int(truth(*values))


@pytest.mark.parametrize("engine", ["polars", "pandas", "pyarrow", "duckdb"])
@CHECKED
@given(rows=st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=8))
def test_ages_and_calendars_are_pythons(engine, in_engine, votes_of, rows):
    schema = {"t": pl.Datetime("us"), "u": pl.Datetime("us")}
    frame = (
        pl.DataFrame(rows, schema=schema, orient="row")
        .with_row_index("item")
        .with_columns(
            day=pl.col("t").dt.date(),
            z=pl.col("t").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"),
        )
    )
    berlin, zoned_at = ZoneInfo("Europe/Berlin"), AT.replace(tzinfo=dt.UTC)
    conditions = [
        col("t").within_last(7, at=AT),
        col("t").age_days(at=col("u")) <= 0.5,
        col("day").age_days(at=dt.date(2024, 3, 1)) == 1,
        col("day").age_days(at=col("t")) > 0.25,
        col("z").within_last(7, at=zoned_at),
        col("t").weekday() == 4,
        col("day").weekday() >= 6,
        col("t").hour() < 12,
        col("t").month() == 2,
        col("z").hour(zone="Europe/Berlin") == 2,
        col("z").weekday(zone="Europe/Berlin") == 7,
        col("z").hour(zone="UTC") >= 12,
    ]

    def berlin_time(t):
        return t.replace(tzinfo=dt.UTC).astimezone(berlin)

    week, day = dt.timedelta(days=7), dt.timedelta(days=1)
    expected = [
        [
            told(lambda t: dt.timedelta(0) <= AT - t <= week, t),
            told(lambda t, u: (u - t) / day <= 0.5, t, u),
            told(lambda t: dt.date(2024, 3, 1) - t.date() == day, t),
            told(lambda t: t - dt.datetime.combine(t.date(), dt.time()) > day / 4, t),
            told(lambda t: dt.timedelta(0) <= AT - t <= week, t),
            told(lambda t: t.isoweekday() == 4, t),
            told(lambda t: t.isoweekday() >= 6, t),
            told(lambda t: t.hour < 12, t),
            told(lambda t: t.month == 2, t),
            told(lambda t: berlin_time(t).hour == 2, t),
            told(lambda t: berlin_time(t).isoweekday() == 7, t),
            told(lambda t: t.hour >= 12, t),
        ]
        for t, u in rows
    ]
    assert votes_of(conditions, in_engine(frame, engine)) == expected


SCHEMA = {
    "item": pl.Int64,
    "t": pl.Datetime,
    "z": pl.Datetime(time_zone="UTC"),
    "day": pl.Date,
    "n": pl.Int64,
}


def applied(make):
    @labeling_function
    def lf():
        return vote(1, where=make())

    return apply([lf], pl.DataFrame(schema=SCHEMA), keys=("item",))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: col("n").age_days(at=AT) > 1, "asks for dates or times, but n is a whole number"),
        (lambda: col("z").age_days(at=AT) > 1, "unlike things: z is a date and time with a time"),
        (lambda: col("t").age_days(at=col("z")) > 1, "unlike things"),
        (lambda: col("z").hour() > 1, r"say whose calendar is meant, as in .hour\(zone="),
        (lambda: col("t").weekday(zone="UTC") > 1, "names a zone, but t is a date and time"),
        (lambda: col("day").hour() > 1, "asks for a time, but day is a date"),
        (lambda: col("n").weekday() > 1, "asks for a date or time, but n is a whole number"),
        (lambda: col("z").hour(zone="Berlin") > 1, "'Berlin' is no time zone"),
        (lambda: col("t").within_last(0, at=AT), "a number of days above 0; got 0"),
    ],
)
def test_a_wrong_type_or_zone_is_told_before_a_row_is_read(make, message):
    with pytest.raises(LFError, match=message) as error:
        applied(make)
    assert "test_times.py:" in str(error.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (col("t").age_days(at=dt.date(2024, 3, 1)) < 7, "age(t) at 2024-03-01 in days < 7"),
        (
            col("t").within_last(7, at=col("seen")),
            "age(t) at seen in days >= 0 and age(t) at seen in days <= 7",
        ),
        (col("t").weekday() == 7, "weekday(t) == 7"),
        (col("z").hour(zone="UTC") < 6, "hour(z in UTC) < 6"),
    ],
)
def test_it_prints_as_a_person_would_say_it(value, text):
    assert str(value) == text
