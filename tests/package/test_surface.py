"""What `import labelkit` promises, and what it must not do."""

from __future__ import annotations

import subprocess
import sys

import pytest

import labelkit as lk

HEAVY = [
    "altair",
    "duckdb",
    "label_studio_sdk",
    "matplotlib",
    "pandas",
    "polars",
    "pyarrow",
    "pyspark",
    "rich",
    "scipy",
    "sklearn",
    "snorkel",
    "sqlalchemy",
    "torch",
    "typer",
]


def test_every_public_name_is_there() -> None:
    for name in lk.__all__:
        assert getattr(lk, name) is not None, name


def test_the_public_names_are_these() -> None:
    assert sorted(lk.__all__) == [
        "ABSTAIN",
        "ActiveLearner",
        "Batch",
        "Committee",
        "CrowdModel",
        "DawidSkene",
        "EndModel",
        "FilesPlatform",
        "InteractionLog",
        "LabelModel",
        "LabelPlan",
        "LabelStudio",
        "LabelkitError",
        "LabelkitWarning",
        "LearningCurves",
        "Ledger",
        "MajorityVote",
        "NotIdentifiable",
        "OneCoin",
        "PositionBias",
        "Project",
        "SnorkelMoments",
        "Triplets",
        "ValidationReport",
        "VoteRates",
        "Votes",
        "WeightedMajority",
        "__version__",
        "analyze",
        "apply",
        "col",
        "doubly_robust",
        "evidence",
        "example_weights",
        "features",
        "found_share",
        "graded",
        "impression_weights",
        "interval",
        "known_at",
        "labeling_function",
        "lookup",
        "plan_labels",
        "pooled_weights",
        "preference_pairs",
        "read_log",
        "select",
        "simulate",
        "simulate_rounds",
        "soft_vote",
        "stop_at_plateau",
        "stop_at_price",
        "stop_at_recall",
        "stop_at_width",
        "text_evidence",
        "training_arrays",
        "validate",
        "vote",
        "weight_report",
    ]


def test_a_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = lk.nonsense


def test_importing_labelkit_imports_nothing_heavy() -> None:
    code = f"import labelkit, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "[]"


def test_the_verb_evidence_survives_imports_of_its_room() -> None:
    code = (
        "import labelkit.project, labelkit.evidence.table, labelkit as lk; "
        "assert callable(lk.evidence); assert callable(lk.simulate)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
