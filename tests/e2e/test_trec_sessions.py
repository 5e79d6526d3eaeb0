"""The main job on a real search log with human grades, which nothing but the annotator sees."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.validation.metrics import auc

# A pair is shown 1.6 times here, of which evidence warns; what labels are worth is measured below.
pytestmark = pytest.mark.filterwarnings("ignore:.* were shown only once")
BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "main_job.py"


@pytest.fixture(scope="module")
def main_job() -> Any:
    """``benchmarks/main_job.py``: the job that is measured is the job that is tested."""
    spec = importlib.util.spec_from_file_location("labelkit_benchmarks_main_job", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trec(main_job: Any, shared_data: Path) -> Any:
    return main_job.read_trec(shared_data / "clicks_trec_session2013")


def test_weak_labels_without_any_gold_rank_untouched_topics_as_well_as_full_supervision(
    main_job, trec
):
    reached, naive = [], []
    for seed in range(20):
        here, there = main_job.halves(trec, seed)
        model = lk.LabelModel(seed=seed).fit(trec.ask(here))
        judged = (
            model.label(trec.ask(there))
            .join(trec.grades, on=["query", "item"], suffix="_true")
            .join(trec.examples.select("query", "item", "raw_ctr"), on=["query", "item"])
        )
        truth = judged["label_true"].to_numpy()
        reached.append(float(auc(truth, judged["p_1"].to_numpy())))
        naive.append(float(auc(truth, judged["raw_ctr"].to_numpy())))
    # The bar is 0.71, about what a logistic regression on all grades of the other half reaches.
    assert np.mean(reached) >= 0.71
    assert np.mean(naive) == pytest.approx(0.59, abs=0.02)
    assert min(np.subtract(reached, naive)) > 0.05


def test_the_halves_share_no_topic_and_cover_all_judged_ones(main_job, trec):
    for seed in range(5):
        here, there = (set(half["query"]) for half in main_job.halves(trec, seed))
        assert not here & there
        assert here | there == set(trec.topics)


def test_real_clicks_fall_with_position_more_than_relevance_explains(trec):
    curve = trec.bias.propensities_
    deep = curve.filter(pl.col("position") >= 8)
    assert deep["high"].max() < 0.6
    assert curve.filter(pl.col("position") == 1)["propensity"].item() == 1.0
    assert trec.bias.identifiable_


@pytest.mark.label_studio
@pytest.mark.xdist_group("label_studio")
def test_a_hundred_answers_through_label_studio_make_labels_honest_on_untouched_topics(
    main_job, trec, label_studio_server, tmp_path
):
    platform = lk.LabelStudio(label_studio_server.url, label_studio_server.token)
    split = main_job.play_split(trec, 0, platform=platform, directory=tmp_path)
    assert split.n_gold == 100
    value = {
        (labels, metric): estimate
        for labels, metric, estimate in split.frame.select("labels", "metric", "estimate").rows()
    }
    weak, asked = main_job.WEAK, main_job.ASKED
    assert value[weak, "auc"] > value["raw clicks", "auc"] + 0.05
    # One split has 24 topics: luck may cost a hundredth. The benchmark averages 20 splits.
    assert value[asked, "auc"] > value[weak, "auc"] - 0.01
    assert value[asked, "log_loss"] < value[weak, "log_loss"] - 0.1
    assert value[asked, "calibration_error"] < value[weak, "calibration_error"] - 0.05
