"""A batch, a ledger and tasks for the tests of each platform by itself."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import labelkit as lk
from labelkit.rounds import DisplayField, ProjectSpec, TaskSpec


@pytest.fixture
def spec() -> ProjectSpec:
    """A project that no other test has."""
    fields = (DisplayField("query", "query", True), DisplayField("text", "the <b>text</b>", False))
    unique = uuid.uuid4().hex[:16]
    return ProjectSpec(unique, f"round {unique}", ("not good", 'quite "good" <&>'), fields)


@pytest.fixture
def tasks(spec: ProjectSpec) -> list[TaskSpec]:
    return [
        TaskSpec(
            key=f'{spec.uid}/["q{i}"]',
            data={"query": f"q{i}", "text": "<b>text</b> $text"},
            soft_label=(0.3, 0.7) if i % 2 else None,
            model_version="m1" if i % 2 else None,
        )
        for i in range(6)
    ]


@pytest.fixture
def batch() -> pl.DataFrame:
    n = 12
    return pl.DataFrame(
        {
            "query": [f"q{i // 3}" for i in range(n)],
            "item": list(range(n)),
            "p_0": [0.3] * n,
            "p_1": [0.7] * n,
            "inclusion_probability": [1.0] * 8 + [0.25] * 4,
            "stratum": ["informative"] * 8 + ["audit"] * 4,
            "rank": list(range(n, 0, -1)),
        }
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[lk.Ledger]:
    with lk.Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
        yield ledger
