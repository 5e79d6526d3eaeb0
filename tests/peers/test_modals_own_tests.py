"""modAL's own tests and examples, run where they lie against labelkit under modAL's names.

Each upstream test class is either run or listed in `OUT_OF_SCOPE` with its reason; one that is
neither fails the suite. Strategies that labelkit does not offer (ranked batch mode, information
density) are modAL's own, called by our learners: the interface is what is tested.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from labelkit.selection import ActiveLearner, Committee
from labelkit.selection.interop import modal as ours

pytest.importorskip("modAL.models")

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore"),  # modAL's use of its dependencies is not ours to mend
]

UPSTREAM = Path(__file__).resolve().parents[3] / "shared" / "peers" / "modAL"
TESTS = UPSTREAM / "tests" / "core_tests.py"

_REGRESSION = "regression and Bayesian optimisation are not about labels"
_NEURAL = "Monte-Carlo dropout and skorch are not offered"
OUT_OF_SCOPE = {
    "TestUtils": "modAL's internal helpers",
    "TestAcquisitionFunctions": _REGRESSION,
    "TestDensity": "modAL's own n × n density; ours is tested in tests/selection/test_scores.py",
    "TestEER": "expected error reduction is not offered (n² fits)",
    "TestDropout": _NEURAL,
    "TestDeepActiveLearner": _NEURAL,
    "TestBayesianOptimizer": _REGRESSION,
    "TestCommitteeRegressor": _REGRESSION,
    "TestMultilabel": "labels here are one class an example",
    "TestExamples": "imports modules that modAL does not ship; see EXAMPLES",
}
IN_SCOPE = ("TestActiveLearner", "TestCommittee", "TestUncertainties", "TestDisagreements")
# Methods of classes in scope that ask for what is out of scope.
METHODS_OUT_OF_SCOPE = {
    "TestDisagreements::test_max_std_sampling": _REGRESSION,
    "TestActiveLearner::test_sparse_matrices": "720 forests; see test_learner.py",
}
EXAMPLES = (
    "custom_query_strategies", "pool-based_sampling", "query_by_committee", "ranked_batch_mode",
    "bagging", "stream-based_sampling", "information_density", "sklearn_workflow",
)  # fmt: skip
EXAMPLES_OUT_OF_SCOPE = {
    "active_regression": _REGRESSION,
    "bayesian_optimization": _REGRESSION,
    "bayesian_optimization_multidim": _REGRESSION,
    "ensemble_regression": _REGRESSION,
    "ensemble": "uses fixed y of a Committee over a pool that it also draws, as bagging does",
    "cost_effective_active_learning": "downloads its data",
    "multilabel_svm": "labels here are one class an example",
    "shape_learning": "forests on all pixels of an image, for minutes; nothing the others lack",
    "runtime_comparison": "times three other libraries that are not installed",
}


def _our_modules() -> dict[str, ModuleType]:
    """modAL's modules, in which learners and the strategies that we offer are ours."""
    import modAL.batch
    import modAL.density
    import modAL.utils.combination
    import modAL.utils.selection

    def module(name: str, base: ModuleType | None = None, **contents: Any) -> ModuleType:
        made = types.ModuleType(name)
        vars(made).update({} if base is None else vars(base))
        vars(made).update(contents)
        return made

    import modAL.disagreement
    import modAL.models.learners
    import modAL.uncertainty

    learners = {"ActiveLearner": ActiveLearner, "Committee": Committee}
    offered = {name: getattr(ours, name) for name in dir(ours) if not name.startswith("_")}

    def replaced(base: ModuleType) -> ModuleType:
        return module(base.__name__, base, **{n: f for n, f in offered.items() if hasattr(base, n)})

    models = module("modAL.models", **learners)
    models.learners = module("modAL.models.learners", modAL.models.learners, **learners)
    models.base = sys.modules["modAL.models.base"]
    root = module("modAL", sys.modules["modAL"])
    uncertainty, disagreement = replaced(modAL.uncertainty), replaced(modAL.disagreement)
    root.models, root.uncertainty, root.disagreement = models, uncertainty, disagreement
    root.batch, root.density, root.utils = modAL.batch, modAL.density, sys.modules["modAL.utils"]
    return {
        "modAL": root, "modAL.models": models, "modAL.models.learners": models.learners,
        "modAL.models.base": models.base, "modAL.uncertainty": uncertainty,
        "modAL.disagreement": disagreement,
    }  # fmt: skip


@contextmanager
def _installed(modules: dict[str, ModuleType]) -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class _Anything(ModuleType):
    """Stands for modules that only tests out of scope, or pictures, need."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {}) if name[0].isupper() else _Picture()


class _Picture:
    def __call__(self, *args: Any, **kwargs: Any) -> _Picture:
        return self

    def __getattr__(self, name: str) -> Any:
        return type(name, (), {}) if name == "Module" else _Picture()

    def __iter__(self) -> Iterator[_Picture]:
        return iter((self, self))

    def __enter__(self) -> _Picture:
        return self

    def __exit__(self, *args: object) -> None: ...


def _stand_ins() -> dict[str, ModuleType]:
    names = (
        "torch", "skorch", "matplotlib", "matplotlib.pyplot", "modAL.dropout", "mpl_toolkits",
        "mpl_toolkits.axes_grid1", "modAL.expected_error",
    )  # fmt: skip
    made = {name: _Anything(name) for name in names}
    made["matplotlib"].pyplot = made["matplotlib.pyplot"]
    made["torch"].nn = _Picture()
    return made


def _load_tests() -> ModuleType:
    spec = importlib.util.spec_from_file_location("modal_core_tests", TESTS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(TESTS.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TESTS.parent))
        sys.modules.pop("mock", None)
    return module


def _classes() -> dict[str, list[str]]:
    tree = ast.parse(TESTS.read_text())
    return {
        node.name: [f.name for f in node.body
                    if isinstance(f, ast.FunctionDef) and f.name.startswith("test")]
        for node in tree.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")
    }  # fmt: skip


def _cases() -> list[str]:
    if not TESTS.exists():
        return []
    return [
        f"{name}::{method}" for name, methods in _classes().items() if name in IN_SCOPE
        for method in methods if f"{name}::{method}" not in METHODS_OUT_OF_SCOPE
    ]  # fmt: skip


needs_upstream = pytest.mark.skipif(not TESTS.exists(), reason="modAL's tests are not here")


@needs_upstream
def test_every_upstream_test_and_example_is_run_or_listed():
    assert set(_classes()) == set(IN_SCOPE) | set(OUT_OF_SCOPE)
    examples = {path.stem for path in (UPSTREAM / "examples").glob("*.py")}
    assert examples == set(EXAMPLES) | set(EXAMPLES_OUT_OF_SCOPE)


@needs_upstream
@pytest.mark.parametrize("case", _cases())
def test_modals_test(case):
    name, method = case.split("::")
    np.random.seed(0)  # noqa: NPY002  modAL's tests draw from NumPy's global generator
    with _installed({**_stand_ins(), **_our_modules()}):
        module = _load_tests()
        result = unittest.TestResult()
        getattr(module, name)(method).run(result)
    problems = [text for _, text in (*result.failures, *result.errors)]
    assert result.testsRun == 1
    assert not problems, problems[0]


@needs_upstream
@pytest.mark.parametrize("example", EXAMPLES)
def test_modals_example(example, capsys):
    np.random.seed(0)  # noqa: NPY002
    path = UPSTREAM / "examples" / f"{example}.py"
    with _installed({**_stand_ins(), **_our_modules()}):
        exec(compile(path.read_text(), str(path), "exec"), {"__name__": "__main__"})


def test_a_learner_of_modal_takes_our_strategy():
    from modAL.models import ActiveLearner as Theirs
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)
    at = [0, 50, 100]
    learner = Theirs(
        LogisticRegression(max_iter=500), query_strategy=ours.query_strategy("cluster_margin"),
        X_training=x[at], y_training=y[at],
    )  # fmt: skip
    chosen, examples = learner.query(x, n_instances=10)
    assert len(set(chosen.tolist())) == 10
    np.testing.assert_array_equal(examples, x[chosen])


@pytest.mark.parametrize("name", ["uncertainty", "margin", "entropy"])
def test_measures_are_modals(name):
    import modAL.uncertainty as theirs

    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.full(4, 0.5), size=200)
    classifier = type("Fixed", (), {"predict_proba": lambda self, X: p})()
    function = f"classifier_{name}"
    np.testing.assert_allclose(
        getattr(ours, function)(classifier, p), getattr(theirs, function)(classifier, p), atol=1e-11
    )
