"""labelkit's LF analysis and row functions beside Snorkel's own, on real votes and its own data."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from labelkit import Votes, analyze, apply, col, labeling_function, vote
from labelkit.errors import LFError, RowFunctionWarning

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning"),
    # Snorkel calls scipy.sparse.diags in a way whose result will change type.
    pytest.mark.filterwarnings("ignore:Input has data type:FutureWarning"),
]
snorkel = pytest.importorskip("snorkel.labeling", reason="the peer is not installed")

SNORKEL_TESTS = Path(__file__).resolve().parents[3] / "shared" / "peers" / "snorkel" / "test"
COLUMNS = {
    "polarity": "Polarity",
    "coverage": "Coverage",
    "overlaps": "Overlaps",
    "conflicts": "Conflicts",
    "correct": "Correct",
    "incorrect": "Incorrect",
    "accuracy": "Emp. Acc.",
}


def assert_same_summary(L: np.ndarray, k: int, gold: np.ndarray | None = None) -> None:
    """Every cell of Snorkel's summary equals ours, bit for bit, except the accuracy of nothing."""
    ours = analyze(Votes.from_matrix(L, cardinality=k), gold=gold)
    known = slice(None) if gold is None else gold >= 0
    theirs = snorkel.LFAnalysis(L).lf_summary()
    assert ours["polarity"].to_list() == [list(map(int, cell)) for cell in theirs["Polarity"]]
    for column in ("coverage", "overlaps", "conflicts"):
        assert ours[column].to_list() == theirs[COLUMNS[column]].to_list(), column
    if gold is None:
        return
    judged = snorkel.LFAnalysis(L[known]).lf_summary(gold[known])
    for column in ("correct", "incorrect"):
        assert ours[column].to_list() == judged[COLUMNS[column]].to_list(), column
    # Snorkel goes through 0.5·(1 + (right − wrong)/n), which rounds once more than right/n.
    silent = ours["accuracy"].is_null().to_numpy()
    assert np.allclose(
        ours["accuracy"].fill_null(0.0).to_numpy(),
        judged["Emp. Acc."].where(~silent, 0.0).to_numpy(),
        rtol=0,
        atol=1e-15,
    )
    assert (ours["correct"] + ours["incorrect"]).to_numpy()[silent].sum() == 0


@pytest.mark.parametrize(
    ("name", "k"), [("ws_youtube", 2), ("ws_sms", 2), ("ws_trec_questions", 6)]
)
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_the_summary_of_real_votes_is_snorkels_to_the_last_cell(shared_data, name, k, split):
    data = pd.read_parquet(shared_data / name / "votes.parquet")
    data = data[data["split"] == split]
    L = data.filter(regex=r"^lf_\d+$").to_numpy()
    assert_same_summary(L, k)
    assert_same_summary(L, k, data["gold"].to_numpy())


def test_the_comparison_would_notice_a_wrong_cell(shared_data):
    data = pd.read_parquet(shared_data / "ws_youtube" / "votes.parquet")
    L = data.filter(regex=r"^lf_\d+$").to_numpy().copy()
    before = analyze(Votes.from_matrix(L))
    L[0, 0] = 1 if L[0, 0] != 1 else 0
    after = analyze(Votes.from_matrix(L))
    assert not before.equals(after)


def test_our_matrix_goes_straight_into_snorkels_analysis():
    votes = Votes.from_matrix([[0, 1, -1], [1, 1, -1]])
    assert snorkel.LFAnalysis(votes.matrix).lf_coverages().tolist() == [1.0, 1.0, 0.0]


def _module(path: Path):
    """One of Snorkel's own test files, imported where it lies."""
    if not path.is_file():
        pytest.skip("../shared/peers is not here: Snorkel's own tests cannot be read")
    name = f"_snorkel_peer_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_matrices_of_snorkels_own_analysis_tests():
    theirs = _module(SNORKEL_TESTS / "labeling" / "test_analysis.py")
    assert_same_summary(np.array(theirs.L), 3, np.array(theirs.Y))
    assert_same_summary(np.array(theirs.L_wo_abstain), 6, np.array(theirs.Y) + 3)


DATA = [3, 43, 12, 9, 3]  # of Snorkel's test_lf_applier.py, whose other imports need Dask and spaCy


def snorkel_lfs(hits: list[int]):
    """Snorkel's kinds of LF: plain, with resources, with preprocessors, with memoised ones."""
    from snorkel.preprocess import preprocessor

    @preprocessor()
    def square(x):
        x.num_squared = x.num**2
        return x

    @preprocessor(memoize=True)
    def square_once(x):
        hits.append(x.num)
        x.num_squared = x.num**2
        return x

    @snorkel.labeling_function()
    def f(x):
        return 0 if x.num > 42 else -1

    @snorkel.labeling_function(pre=[square])
    def fp(x):
        return 0 if x.num_squared > 42 else -1

    @snorkel.labeling_function(resources={"db": [3, 6, 9]})
    def g(x, db):
        return 0 if x.num in db else -1

    @snorkel.labeling_function(pre=[square_once])
    def fp_memoized(x):
        return 0 if x.num_squared > 42 else -1

    return [f, fp, g, fp_memoized]


def test_snorkels_functions_vote_here_as_under_its_own_applier(engine_frame):
    hits: list[int] = []
    frame = pd.DataFrame({"num": DATA})
    theirs = snorkel.PandasLFApplier(snorkel_lfs([])).apply(frame, progress_bar=False)
    votes = apply(snorkel_lfs(hits), engine_frame(frame), keys=())
    assert np.array_equal(votes.matrix, theirs)
    assert votes.lf_names == ("f", "fp", "g", "fp_memoized")
    assert len(hits) == 4  # as in Snorkel's own test: five rows, four of them different


def test_a_preprocessor_does_not_change_the_row_for_the_next_function():
    from snorkel.preprocess import preprocessor

    @preprocessor()
    def spoil(x):
        x.num = 1_000
        return x

    @snorkel.labeling_function(pre=[spoil])
    def spoiled(x):
        return 0 if x.num == 1_000 else -1

    @snorkel.labeling_function()
    def after(x):
        return 0 if x.num == 1_000 else -1

    votes = apply([spoiled, after], pd.DataFrame({"num": DATA}), keys=())
    assert votes.matrix.tolist() == [[0, -1]] * 5


def test_faults_are_tolerated_and_counted_as_by_snorkels_applier():
    @snorkel.labeling_function()
    def f_bad(x):
        return 0 if x.mum > 42 else -1

    frame = pd.DataFrame({"num": DATA})
    lfs = [snorkel_lfs([])[0], f_bad]
    L, meta = snorkel.PandasLFApplier(lfs).apply(
        frame, progress_bar=False, fault_tolerant=True, return_meta=True
    )
    votes = apply(lfs, frame, keys=(), on_error="abstain")
    assert np.array_equal(votes.matrix, L)
    assert {failure.lf: failure.count for failure in votes.errors} == meta.faults == {"f_bad": 5}
    assert "AttributeError" in votes.errors[0].first_traceback
    with pytest.raises(LFError, match=r"'f_bad'.*AttributeError.*'mum'") as raised:
        apply(lfs, frame, keys=())
    assert isinstance(raised.value.__cause__, AttributeError)


def test_functions_that_look_at_missing_values_see_what_pandas_shows_them():
    @snorkel.labeling_function()
    def small(x):
        return 1 if x.a < 2 else -1

    @snorkel.labeling_function()
    def not_large(x):
        return 0 if not x.a > 2 else -1

    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "n": [1, 2, 3]})
    theirs = snorkel.PandasLFApplier([small, not_large]).apply(frame, progress_bar=False)
    assert np.array_equal(apply([small, not_large], frame, keys=()).matrix, theirs)


def test_an_expression_gives_snorkels_matrix_without_its_rows():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=500), "t": rng.choice(["buy now", "free", ""], 500)})

    @snorkel.labeling_function()
    def row_high(x):
        return 1 if x.a > 0.5 else -1

    @snorkel.labeling_function()
    def row_buy(x):
        return 0 if "buy" in x.t else -1

    @labeling_function
    def high():
        return vote(1, where=col("a") > 0.5)

    @labeling_function
    def buy():
        return vote(0, where=col("t").contains("buy"))

    theirs = snorkel.PandasLFApplier([row_high, row_buy]).apply(frame, progress_bar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RowFunctionWarning)
        ours = apply([high, buy], frame, keys=())
    assert np.array_equal(ours.matrix, theirs)


@pytest.fixture(params=["pandas", "polars"])
def engine_frame(request):
    return (lambda frame: frame) if request.param == "pandas" else pl.from_pandas
