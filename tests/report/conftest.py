"""A run directory as ``labelkit label`` leaves it, small and with known values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from labelkit.project.manifest import (
    BiasFact,
    Counts,
    FileFact,
    Finding,
    LFFact,
    Manifest,
    StageTime,
)

WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Write a run of two labeling functions; ``name`` and ``doc`` are those of the first."""

    def write(
        *, name: str = "bought", doc: str = "A purchase is rare.", validated: bool = False
    ) -> Path:
        run = tmp_path / "runs" / "20260101-120000-000-abcd"
        run.mkdir(parents=True)
        pl.DataFrame(
            {
                "position": range(1, 11),
                "propensity": [1 / k for k in range(1, 11)],
                "low": [0.9 / k for k in range(1, 11)],
                "high": [1.1 / k for k in range(1, 11)],
            }
        ).write_parquet(run / "propensities.parquet")
        p = [((37 * i) % 100) / 100 for i in range(400)]
        pl.DataFrame(
            {
                "query": [i // 10 for i in range(400)],
                "item": list(range(400)),
                "p_0": [1 - x for x in p],
                "p_1": p,
                "label": [int(x > 0.5) for x in p],
                "margin": [abs(2 * x - 1) for x in p],
                "covered": [i % 5 > 0 for i in range(400)],
            }
        ).write_parquet(run / "labels.parquet")
        analysis = {
            "lf": [name, "never_clicked"],
            "polarity": [[1], [0]],
            "coverage": [0.05, 0.42],
            "overlaps": [0.03, 0.11],
            "conflicts": [0.01, 0.02],
            "estimated_accuracy": [0.93, 0.71],
            "estimated_accuracy_low": [0.88, 0.69],
            "estimated_accuracy_high": [0.96, 0.74],
        }
        gold = {
            "correct": [9, 31],
            "incorrect": [1, 12],
            "accuracy": [0.9, 0.72],
            "accuracy_low": [0.6, 0.57],
            "accuracy_high": [0.98, 0.83],
        }
        pl.DataFrame(analysis | (gold if validated else {})).write_parquet(
            run / "lf_analysis.parquet"
        )
        model = {
            "method": "onecoin",
            "reason": "three or more functions overlap",
            "label_names": ["irrelevant", "relevant"],
            "class_balance": [0.7, 0.3],
            "lf_names": [name, "never_clicked"],
        }
        (run / "label_model.json").write_text(json.dumps(model), encoding="utf-8")
        if validated:
            metrics = ["accuracy", "precision", "recall", "f1", "auc", "log_loss", "ndcg@10"]
            frames = [
                pl.DataFrame(
                    {
                        "labels": labels,
                        "metric": metrics,
                        "slice": "all",
                        "estimate": [base - 0.02 * i for i in range(7)],
                        "low": [base - 0.06 - 0.02 * i for i in range(7)],
                        "high": [base + 0.05 - 0.02 * i for i in range(7)],
                        "n": 100,
                        "effective_n": 64.2,
                    }
                )
                for labels, base in (("weak labels", 0.86), ("naive clicks", 0.69))
            ]
            pl.concat(frames).write_parquet(run / "validation.parquet")
            verdicts = {"verdict": ["accuracy: weak labels are better than naive clicks: +0.170."]}
            pl.DataFrame(verdicts).write_parquet(run / "comparison.parquet")
            (run / "validation.txt").write_text("The pool of 400 examples.\n", encoding="utf-8")
        manifest = Manifest(
            run=run.name,
            created="2026-01-01T12:00:00.000+00:00",
            seed=7,
            label_names=("irrelevant", "relevant"),
            counts=Counts(194_442, 12_345, 400, 40, 10, 17, 320, 100 if validated else 0),
            bias=BiasFact(
                "poisson",
                "neither propensities nor enough randomised traffic are logged",
                True,
                (
                    Finding("links", "fine", "Every position is linked to the others."),
                    Finding("positivity", "look", "Positions beyond 9 weigh more than tenfold."),
                ),
            ),
            unchecked=("timestamps",),
            inputs=(FileFact("logs/clicks.parquet", 1_234_567, "ab" * 32),),
            lfs=(
                LFFact(
                    name, doc, 'vote(RELEVANT, where=col("conversions") > 0)', "x.py:3", "0" * 64
                ),
                LFFact(
                    "never_clicked",
                    "Seen often enough that a relevant item would have been clicked.",
                    'vote(IRRELEVANT, where=col("ctr_high") < 0.02)',
                    "x.py:9",
                    "1" * 64,
                ),
            ),
            skipped_lfs=(),
            stages=(StageTime("reading and checking the log", 0.41),),
            outputs=(FileFact("labels.parquet", 9_876, "cd" * 32),),
            versions={"python": "3.11", "labelkit": "0.1.0"},
            config={},
        )
        (run / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        return run

    return write
