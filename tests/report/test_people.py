"""The page on people shows numbers, and names as text."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from labelkit.project.people import PeopleReport
from labelkit.report.people import write_people
from labelkit.rounds.people import agreement, forecast, quality

HOSTILE = "<script>alert(1)</script>"


def test_hostile_names_are_shown_and_do_not_run(tmp_path):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [("r", str(i), HOSTILE, i % 2, i % 2, at, 5.0) for i in range(6)]
    columns = ["round", "example", "annotator", "label", "known_label", "at", "lead_time_s"]
    found = pl.DataFrame(rows, schema=columns, orient="row")
    report = PeopleReport(
        agreement([[2, 0], [0, 2], [1, 1]]),
        quality(found),
        forecast([at], n_left=3, now=datetime(2026, 1, 3, tzinfo=UTC)),
    )
    path = write_people(report, tmp_path, title=f"../{HOSTILE}")
    page = path.read_text(encoding="utf-8")
    assert path.parent == tmp_path
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "<svg" in page
    assert "ac1" in page
