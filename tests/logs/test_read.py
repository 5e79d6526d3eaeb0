from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import labelkit as lk
from labelkit.errors import LogError


def put(frame: pl.DataFrame, row: int, **values: Any) -> pl.DataFrame:
    """The frame with some values of one row replaced."""
    rows = frame.to_dicts()
    rows[row].update(values)
    return pl.DataFrame(rows, schema_overrides=None, strict=False)


def test_every_engine_gives_the_same_log(clean: pl.DataFrame, engine: Any) -> None:
    log = lk.read_log(engine(clean))
    expected = lk.read_log(clean)
    assert log.summary == expected.summary
    assert log.cells.to_polars().equals(expected.cells.to_polars())
    assert log.summary.n_clicks == 2
    assert log.summary.n_queries == 2
    assert log.summary.n_examples == 6


def test_columns_are_found_by_mapping_or_by_their_own_name(clean: pl.DataFrame) -> None:
    renamed = clean.rename({"query": "q", "clicked": "click"})
    log = lk.read_log(renamed, columns={"query": "q", "clicked": "click"})
    assert log.source_columns["query"] == "q"
    assert log.source_columns["item"] == "item"


@pytest.mark.parametrize(
    ("row", "values", "message"),
    [
        (1, {"query": None}, r"'query' has 1 of 6 rows without a value \(first: row 2"),
        (1, {"item": None}, r"'item' has 1 of 6 rows without a value"),
        (2, {"position": 0}, r"below 1 .*row 3: query 'shoes', item 3, position 0"),
        (2, {"position": 0}, r"set position_offset = 1"),
        (2, {"position": 1.5}, r"not whole numbers .*position 1\.5"),
        (3, {"clicked": 2}, r"neither 0 nor 1 .*row 4: query 'hats', item 4, clicked 2"),
        (3, {"clicked": None}, r"neither 0 nor 1"),
        (0, {"position": None}, r"clicks without an impression"),
        (0, {"item": None}, r"clicks without an impression"),
        (1, {"position": None}, r"'position' has 1 of 6 rows without a value"),
        (1, {"item": 1, "position": 1}, r"repeat an impression .*row 2"),
        (2, {"timestamp": 99}, r"earlier than the row before .*row 3"),
        (2, {"timestamp": 9e12}, r"in the future .*timestamp_unit = 'ms'"),
        (4, {"dwell": -1.0}, r"'dwell' has 1 of 6 rows below 0"),
    ],
)
def test_a_bad_row_is_named_with_count_and_example(
    clean: pl.DataFrame, engine: Any, row: int, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(LogError, match=message):
        lk.read_log(engine(put(clean, row, **values)))


def test_all_problems_are_named_at_once(clean: pl.DataFrame) -> None:
    bad = put(put(clean, 1, query=None), 3, clicked=7)
    with pytest.raises(LogError) as caught:
        lk.read_log(bad)
    assert "without a value" in str(caught.value)
    assert "neither 0 nor 1" in str(caught.value)


def test_the_users_own_column_name_is_in_the_message(clean: pl.DataFrame) -> None:
    bad = put(clean, 2, position=0).rename({"position": "rank"})
    with pytest.raises(LogError, match=r"column 'rank' \(position\)"):
        lk.read_log(bad, columns={"position": "rank"})


def test_quarantined_rows_go_to_a_file_with_their_reason(
    clean: pl.DataFrame, engine: Any, tmp_path: Path
) -> None:
    bad = put(put(clean, 2, position=0), 5, clicked=9)
    file = tmp_path / "aside.parquet"
    log = lk.read_log(engine(bad), on_bad_rows="quarantine", quarantine_file=file)
    aside = pl.read_parquet(file)
    assert aside["row"].to_list() == [3, 6]
    assert aside["reason"].to_list() == ["position: below 1", "clicked: neither 0 nor 1"]
    assert aside["item"].to_list() == [3, 6]
    assert log.summary.n_quarantined == 2
    assert log.summary.n_impressions == 4
    assert log.frame.collect().to_native().shape[0] == 4


def test_of_a_repeated_impression_the_first_is_kept(clean: pl.DataFrame, tmp_path: Path) -> None:
    unclicked = clean[:1].with_columns(clicked=pl.lit(0, dtype=pl.Int64))
    twice = pl.concat([clean[:3], unclicked, clean[3:]])
    log = lk.read_log(
        twice,
        on_bad_rows="quarantine",
        quarantine_file=tmp_path / "q.parquet",
    )
    assert log.summary.n_quarantined == 1
    assert log.summary.n_clicks == 2


def test_the_same_page_twice_is_no_repeat_when_time_tells_it_apart(clean: pl.DataFrame) -> None:
    later = clean.with_columns(timestamp=pl.col("timestamp") + 10)
    log = lk.read_log(pl.concat([clean, later]).sort("session", "timestamp"))
    assert log.summary.n_impressions == 12


def test_repeats_are_found_when_pages_are_not_written_in_one_piece(clean: pl.DataFrame) -> None:
    shuffled = pl.concat([clean, clean[2:3]]).sort("position", "session", maintain_order=True)
    with pytest.raises(LogError, match="1 of 7 rows that repeat an impression"):
        lk.read_log(shuffled)


def test_checks_that_a_log_cannot_carry_are_named(clean: pl.DataFrame) -> None:
    log = lk.read_log(clean.drop("session", "timestamp"))
    assert any("duplicate impressions" in reason for reason in log.summary.unchecked)
    assert any("timestamps" in reason for reason in log.summary.unchecked)


def test_positions_from_zero_are_shifted_on_request(clean: pl.DataFrame) -> None:
    zero = clean.with_columns(pl.col("position") - 1)
    assert lk.read_log(zero, position_offset=1).counts.positions.tolist() == [1, 2, 3]


def test_milliseconds_are_not_the_future_once_said(clean: pl.DataFrame) -> None:
    now = datetime.now(UTC).timestamp()
    stamped = clean.with_columns(timestamp=pl.lit(int(now * 1000) - 10_000))
    with pytest.raises(LogError, match="in the future"):
        lk.read_log(stamped)
    assert lk.read_log(stamped, timestamp_unit="ms").summary.n_impressions == 6


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_date_times_are_compared_in_their_own_zone(clean: pl.DataFrame, zone: str | None) -> None:
    day = pl.datetime(2024, 5, 1, time_unit="us", time_zone=zone)
    assert lk.read_log(clean.with_columns(timestamp=day)).summary.n_impressions == 6
    with pytest.raises(LogError, match="in the future"):
        lk.read_log(clean.with_columns(timestamp=day), now=datetime(2023, 1, 1, tzinfo=UTC))


def test_a_missing_required_column_names_what_the_log_has(clean: pl.DataFrame) -> None:
    with pytest.raises(LogError, match=r"lacks 1 required column.*'clicked'.*It has: query"):
        lk.read_log(clean.drop("clicked"))


def test_a_mistyped_mapping_gets_a_hint(clean: pl.DataFrame) -> None:
    with pytest.raises(LogError, match="Did you mean 'position'"):
        lk.read_log(clean, columns={"positon": "position"})
    with pytest.raises(LogError, match="Did you mean 'clicked'"):
        lk.read_log(clean, columns={"clicked": "cliked"})


def test_a_text_position_is_refused_by_type(clean: pl.DataFrame) -> None:
    with pytest.raises(LogError, match=r"'position'.*has the type String"):
        lk.read_log(clean.with_columns(pl.col("position").cast(pl.String)))


def test_an_empty_log_says_so(clean: pl.DataFrame, engine: Any) -> None:
    with pytest.raises(LogError, match="The log is empty"):
        lk.read_log(engine(clean[:0]))


def test_a_log_without_clicks_says_so(clean: pl.DataFrame) -> None:
    with pytest.raises(LogError, match="6 impressions and no click"):
        lk.read_log(clean.with_columns(clicked=0))


def test_a_log_with_one_position_says_so(clean: pl.DataFrame) -> None:
    with pytest.raises(LogError, match="Every impression stands at position 1"):
        lk.read_log(clean.filter(pl.col("position") == 1))


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz", "tsv", "ndjson"])
@pytest.mark.parametrize("reader", ["polars", "duckdb"])
def test_every_file_format_gives_the_same_counts(
    clean: pl.DataFrame, tmp_path: Path, ending: str, reader: Any
) -> None:
    file = tmp_path / f"log.{ending}"
    match ending:
        case "parquet":
            clean.write_parquet(file)
        case "ndjson":
            clean.write_ndjson(file)
        case "csv.gz":
            clean.to_pandas().to_csv(file, index=False)
        case _:
            clean.write_csv(file, separator="\t" if ending == "tsv" else ",")
    log = lk.read_log(file, engine=reader)
    assert log.counts.clicks.tolist() == lk.read_log(clean).counts.clicks.tolist()
    assert log.files == (file,)


def test_folders_and_globs_are_read_in_order(clean: pl.DataFrame, tmp_path: Path) -> None:
    clean[:3].write_parquet(tmp_path / "b.parquet")
    clean[3:].write_parquet(tmp_path / "a.parquet")
    assert lk.read_log(tmp_path).summary.n_impressions == 6
    globbed = lk.read_log(str(tmp_path / "*.parquet"))
    assert [file.name for file in globbed.files] == ["a.parquet", "b.parquet"]


def test_a_path_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="No file matches"):
        lk.read_log(tmp_path / "nothing-*.parquet")


def test_mixed_formats_are_refused(clean: pl.DataFrame, tmp_path: Path) -> None:
    clean.write_parquet(tmp_path / "a.parquet")
    clean.write_csv(tmp_path / "b.csv")
    with pytest.raises(LogError, match="one known format; found: csv, parquet"):
        lk.read_log(tmp_path)


rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(1, 4),
        st.integers(1, 3),
        st.booleans(),
    ),
    min_size=2,
    max_size=40,
)


@given(rows=rows, seed=st.integers(0, 100))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_counts_of_two_days_add_up_and_row_order_is_irrelevant(
    rows: list[tuple[str, int, int, bool]], seed: int
) -> None:
    from labelkit.logs import PositionCounts

    def counts(part: list[tuple[str, int, int, bool]]) -> PositionCounts:
        return PositionCounts.from_arrays(
            [ord(q) - 97 for q, *_ in part],
            [(ord(q) - 97) * 10 + i for q, i, *_ in part],
            [k for _, _, k, _ in part],
            [1] * len(part),
            [int(c) for *_, c in part],
        )

    half = len(rows) // 2
    whole, added = counts(rows), counts(rows[:half]) + counts(rows[half:])
    shuffled = counts([rows[i] for i in np.random.default_rng(seed).permutation(len(rows))])
    for other in (added, shuffled):
        for name in ("query", "example", "position", "impressions", "clicks"):
            assert getattr(whole, name).tolist() == getattr(other, name).tolist()


@given(rows=rows, flaws=st.dictionaries(st.integers(0, 39), st.sampled_from(["q", "k", "c"])))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_row_is_either_kept_or_set_aside(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, int, int, bool]],
    flaws: dict[int, str],
) -> None:
    table = [
        {
            "query": None if flaws.get(i) == "q" else q,
            "item": item,
            "position": 0 if flaws.get(i) == "k" else k,
            "clicked": 5 if flaws.get(i) == "c" else int(c),
        }
        for i, (q, item, k, c) in enumerate(rows)
    ]
    # Two rows that make every log usable, so that only the flaws are at stake.
    table += [{"query": "z", "item": 1, "position": k, "clicked": 1} for k in (1, 2)]
    frame = pl.DataFrame(
        table,
        schema={"query": pl.String, "item": pl.Int64, "position": pl.Int64, "clicked": pl.Int64},
    )
    file = tmp_path_factory.mktemp("aside") / "q.parquet"
    log = lk.read_log(frame, on_bad_rows="quarantine", quarantine_file=file)
    n_flawed = len([i for i in flaws if i < len(rows)])
    assert log.summary.n_quarantined == n_flawed
    assert log.summary.n_impressions == len(table) - n_flawed
    assert (pl.read_parquet(file).height if file.exists() else 0) == n_flawed


def test_the_real_traps_of_clara2_are_caught(shared_data: Path) -> None:
    """Milliseconds read as seconds would lie in the future; said so, the log is clean."""
    source = shared_data / "clicks_naver_clara2" / "log.parquet"
    columns = {
        "page": "serp_id",
        "session": "session_id",
        "timestamp": "time_ms",
        "query": "query_id",
        "item": "url_id",
        "clicked": "click",
    }
    with pytest.raises(LogError, match="in the future"):
        lk.read_log(source, columns=columns)
    log = lk.read_log(source, columns=columns, timestamp_unit="ms")
    assert log.summary.n_impressions == 315_640
    assert log.summary.n_clicks == 9_326
    assert log.summary.n_queries == 1_951
