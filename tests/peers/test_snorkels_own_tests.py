"""Snorkel's own tests of labeling, run where they lie against labelkit under Snorkel's names.

Each upstream test is either run or listed in `OUT_OF_SCOPE` with its reason; a test that is neither
fails the suite. Where the real Snorkel is installed the same tests run against it too, so that a
difference shows which side it comes from.
"""

from __future__ import annotations

import importlib.util
import sys
import types
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from labelkit.lfs import snorkel as ours

pytestmark = [
    pytest.mark.peer,
    # What the real Snorkel asks of NumPy and SciPy, and what Spark's old entry point says.
    pytest.mark.filterwarnings("ignore:Input has data type:FutureWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Deprecated in 3.0.0:FutureWarning"),
]

UPSTREAM = Path(__file__).resolve().parents[3] / "shared" / "peers" / "snorkel" / "test"
ANALYSIS = "labeling/test_analysis.py"
APPLIER = "labeling/apply/test_lf_applier.py"
SPARK = "labeling/apply/test_spark.py"
CORE = "labeling/lf/test_core.py"
UTILS = "labeling/test_utils.py"
MAP = "map/test_core.py"
FILES = [ANALYSIS, APPLIER, SPARK, CORE, UTILS, MAP]

_SPACY = "needs spaCy and its English model, which labelkit does not use"
_DASK = "Dask is none of labelkit's engines"
OUT_OF_SCOPE = {
    f"{APPLIER}::TestPandasApplier::test_lf_applier_pandas_spacy_preprocessor": _SPACY,
    f"{APPLIER}::TestPandasApplier::test_lf_applier_pandas_spacy_preprocessor_memoized": _SPACY,
    f"{APPLIER}::TestDaskApplier::test_lf_applier_dask": _DASK,
    f"{APPLIER}::TestDaskApplier::test_lf_applier_dask_fault": _DASK,
    f"{APPLIER}::TestDaskApplier::test_lf_applier_dask_preprocessor": _DASK,
    f"{APPLIER}::TestDaskApplier::test_lf_applier_pandas_preprocessor_memoized": _DASK,
    f"{APPLIER}::TestDaskApplier::test_lf_applier_dask_spacy_preprocessor": _DASK,
    f"{APPLIER}::TestDaskApplier::test_lf_applier_pandas_spacy_preprocessor_memoized": _DASK,
    f"{MAP}::TestGetHashable::test_get_hashable_series_with_doc": _SPACY,
}
_MODELS = "label models are compared with Snorkel's in test_snorkel_label_model.py"
_OTHER = "not about labeling functions"
FILES_OUT_OF_SCOPE = {
    "labeling/apply/lf_applier_spark_test_script.py": "a script for a cluster, not a test",
    "labeling/lf/test_nlp.py": _SPACY,
    "labeling/lf/test_nlp_spark.py": _SPACY,
    "labeling/preprocess/test_nlp.py": _SPACY,
    "map/test_spark.py": "mappers made for Spark rows; functions on Spark see plain rows here",
    "labeling/test_convergence.py": _MODELS,
    "labeling/model/test_baseline.py": _MODELS,
    "labeling/model/test_label_model.py": _MODELS,
    "labeling/model/test_logger.py": _MODELS,
    "analysis/test_error_analysis.py": _OTHER,
    "analysis/test_metrics.py": _OTHER,
    "analysis/test_scorer.py": _OTHER,
    "synthetic/test_synthetic_data.py": _OTHER,
    "utils/test_config_utils.py": _OTHER,
    "utils/test_core.py": _OTHER,
    "utils/test_data_operators.py": _OTHER,
}
# The real Snorkel runs these with Dask, which is not installed here.
_PEER_NEEDS_DASK = {
    f"{APPLIER}::TestDaskApplier::test_lf_applier_pandas_parallel",
    f"{APPLIER}::TestDaskApplier::test_lf_applier_pandas_parallel_raises",
}


def _module(name: str, **contents: Any) -> ModuleType:
    module = types.ModuleType(name)
    vars(module).update(contents)
    return module


class _Absent:
    """Stands for what an upstream file imports and only tests out of scope use."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name}: out of scope")


def _labelkit_as_snorkel() -> dict[str, ModuleType]:
    """labelkit's names under Snorkel's module paths."""
    labeling = {
        name: getattr(ours, name)
        for name in (
            "LFAnalysis", "LFApplier", "LabelingFunction", "PandasLFApplier",
            "filter_unlabeled_dataframe", "labeling_function",
        )
    }  # fmt: skip
    return {
        "snorkel": _module("snorkel"),
        "snorkel.types": _module("snorkel.types", DataPoint=Any, FieldMap=dict),
        "snorkel.map": _module("snorkel.map", Mapper=ours.Mapper, lambda_mapper=ours.lambda_mapper),
        "snorkel.map.core": _module("snorkel.map.core", get_hashable=ours.get_hashable),
        "snorkel.preprocess": _module("snorkel.preprocess", preprocessor=ours.preprocessor),
        "snorkel.labeling": _module("snorkel.labeling", **labeling),
        "snorkel.labeling.apply": _module("snorkel.labeling.apply"),
        "snorkel.labeling.apply.core": _module(
            "snorkel.labeling.apply.core", ApplierMetadata=ours.ApplierMetadata
        ),
        "snorkel.labeling.apply.spark": _module(
            "snorkel.labeling.apply.spark", SparkLFApplier=ours.SparkLFApplier
        ),
    }


def _stand_ins(side: str) -> dict[str, ModuleType]:
    """Modules that upstream imports at the top of a file and that are not here."""
    parallel = ours.PandasParallelLFApplier if side == "labelkit" else _Absent()
    return {
        "dask": _module("dask", dataframe=_Absent()),
        "spacy": _module("spacy", load=_Absent()),
        "snorkel.preprocess.nlp": _module("snorkel.preprocess.nlp", SpacyPreprocessor=_Absent()),
        "snorkel.labeling.apply.dask": _module(
            "snorkel.labeling.apply.dask",
            DaskLFApplier=_Absent(),
            PandasParallelLFApplier=parallel,
        ),
    }


@contextmanager
def _under_the_names_of(side: str) -> Iterator[None]:
    before = dict(sys.modules)
    if side == "labelkit":
        for name in [n for n in sys.modules if n.partition(".")[0] == "snorkel"]:
            del sys.modules[name]
        sys.modules.update(_labelkit_as_snorkel())
    sys.modules.update(_stand_ins(side))
    try:
        yield
    finally:
        # What upstream's imports brought in may stay, except what stood in for something.
        for name in list(sys.modules):
            if name.partition(".")[0] in ("snorkel", "dask", "spacy"):
                del sys.modules[name]
        for name, module in before.items():
            sys.modules.setdefault(name, module)


def _upstream(file: str, side: str) -> ModuleType:
    path = UPSTREAM / file
    if not path.is_file():
        pytest.skip("../shared/peers is not here: Snorkel's own tests cannot be read")
    name = f"_{side}_on_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _under_the_names_of(side):
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return module


def _tests_of(module: ModuleType, file: str) -> dict[str, unittest.TestCase]:
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    cases = [case for group in suite for case in group]  # type: ignore[union-attr]
    return {f"{file}::{type(c).__name__}::{c._testMethodName}": c for c in cases}


@pytest.fixture(autouse=True)
def _upstreams_markers(request):
    """The suite is strict about markers, and these are Snorkel's."""
    for marker in ("complex", "spark"):
        request.config.addinivalue_line("markers", f"{marker}: of Snorkel's own tests")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("side", ["labelkit", "snorkel"])
def test_snorkels_own_tests_pass(side, file, request, subtests_of):
    if side == "snorkel":
        pytest.importorskip("snorkel.labeling", reason="the peer is not installed")
    if file == SPARK:
        request.getfixturevalue("spark")
    cases = _tests_of(_upstream(file, side), file)
    skipped = OUT_OF_SCOPE.keys() | (_PEER_NEEDS_DASK if side == "snorkel" else set())
    run = {name: case for name, case in cases.items() if name not in skipped}
    assert run, "there is nothing to run"
    subtests_of(run)


@pytest.fixture
def subtests_of():
    def run(cases: dict[str, unittest.TestCase]) -> None:
        failed = {}
        for name, case in cases.items():
            result = unittest.TestResult()
            case.run(result)
            assert result.testsRun == 1, name
            for _, trace in [*result.failures, *result.errors]:
                failed[name] = trace
            assert not result.skipped, name
        if failed:
            pytest.fail("\n\n".join(f"{name}\n{trace}" for name, trace in failed.items()))

    return run


def test_every_test_that_is_out_of_scope_is_one_of_snorkels():
    """A name that upstream does not have would hide nothing, and a stale list lies."""
    known = {
        name
        for file in {name.partition("::")[0] for name in OUT_OF_SCOPE}
        for name in _tests_of(_upstream(file, "labelkit"), file)
    }
    assert OUT_OF_SCOPE.keys() <= known


def test_every_file_of_snorkels_tests_is_run_or_listed():
    if not UPSTREAM.is_dir():
        pytest.skip("../shared/peers is not here: Snorkel's own tests cannot be read")
    there = {
        str(path.relative_to(UPSTREAM))
        for path in UPSTREAM.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert there == {*FILES, *FILES_OUT_OF_SCOPE}


def test_a_difference_from_snorkel_would_be_seen(subtests_of):
    theirs = _upstream(ANALYSIS, "labelkit")
    theirs.L[0][0] = 1  # the tests say -1
    cases = _tests_of(theirs, ANALYSIS)
    with pytest.raises(pytest.fail.Exception, match="test_lf_coverages"):
        subtests_of(cases)
