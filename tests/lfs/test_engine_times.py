"""Dates, times and moments of any zone are compared alike on every engine, drawn at random."""

from __future__ import annotations

import datetime as dt
import operator
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labelkit import ABSTAIN, apply, col, labeling_function, vote

# Before 1970, in the hour that a change of clocks leaves out or repeats, and beyond nanoseconds.
TIMES = st.one_of(
    st.none(),
    st.sampled_from(
        [
            dt.datetime(1969, 12, 31, 23, 59, 59, 999_999),
            dt.datetime(2024, 3, 31, 1, 0),
            dt.datetime(2024, 10, 27, 0, 30),
            dt.datetime(2024, 10, 27, 1, 30),
            dt.datetime(2024, 2, 29),
            dt.datetime(2500, 1, 1),
        ]
    ),
    st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2600, 1, 1)),
)
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata"]
PIVOTS = [dt.datetime(2024, 10, 27, 1), dt.datetime(1970, 1, 1), dt.datetime(2024, 2, 29)]
RELATIONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


def utc(moment):
    """Python compares two times of one zone by their clocks, which strike some hours twice."""
    return moment.astimezone(dt.UTC)


def questions(zone):
    """Conditions, and what each means for a row (time without zone, date, moment)."""
    for pivot in PIVOTS:
        moment = pivot.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone))
        day = pivot.date()
        midnight = dt.datetime.combine(day, dt.time())
        for ask in RELATIONS:
            yield ask(col("seen"), pivot), lambda r, a=ask, p=pivot: a(r["seen"], p)
            yield ask(col("day"), day), lambda r, a=ask, p=day: a(r["day"], p)
            yield ask(col("seen"), day), lambda r, a=ask, p=midnight: a(r["seen"], p)
            yield ask(col("there"), moment), lambda r, a=ask, p=moment: a(utc(r["there"]), utc(p))
    for ask in RELATIONS:
        yield (
            ask(col("seen"), col("day")),
            lambda r, a=ask: a(r["seen"], dt.datetime.combine(r["day"], dt.time())),
        )
    pivots = [pivot.replace(tzinfo=dt.UTC) for pivot in PIVOTS]
    yield col("there").is_in(pivots), lambda r: utc(r["there"]) in pivots
    yield ~col("seen").is_in(PIVOTS), lambda r: r["seen"] not in PIVOTS


def table(times, zone):
    frame = pl.DataFrame({"seen": times}, schema={"seen": pl.Datetime("us")})
    return frame.with_row_index("item").with_columns(
        day=pl.col("seen").dt.date(),
        there=pl.col("seen").dt.replace_time_zone("UTC").dt.convert_time_zone(zone),
    )


@pytest.mark.parametrize("zone", ZONES)
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(times=st.lists(TIMES, min_size=1, max_size=30))
def test_times_are_compared_alike_whatever_engine_and_zone(engine, in_engine, zone, times):
    if engine == "pyspark" and zone != "UTC":
        pytest.skip("Spark keeps instants, and shows them in the zone of the session")
    frame = table(times, zone)
    asked = list(questions(zone))
    lfs = [
        labeling_function(name=f"lf_{j}")(lambda where=where: vote(1, where=where))
        for j, (where, _) in enumerate(asked)
    ]
    votes = apply(lfs, in_engine(frame, engine), keys=("item",))
    got = votes.matrix[np.argsort(votes.key_frame["item"].to_numpy())]
    for j, (where, truth) in enumerate(asked):
        wanted = [
            ABSTAIN if row["seen"] is None else 1 if truth(row) else ABSTAIN
            for row in frame.to_dicts()
        ]
        assert got[:, j].tolist() == wanted, str(where)
