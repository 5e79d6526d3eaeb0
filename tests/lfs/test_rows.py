"""Row functions: accepted, warned about, and never silent about an exception."""

from __future__ import annotations

import dataclasses
import math
import threading
import warnings

import numpy as np
import polars as pl
import pytest

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import LFError, RowFunctionWarning
from labelkit.lfs import BatchFunction, load_lfs

EXAMPLES = pl.DataFrame(
    {"query": ["q"] * 5, "item": [1, 2, 3, 4, 5], "n": [1, None, 3, 4, 5], "t": list("abcde")}
)


@labeling_function
def odd(x):
    return 1 if x.n % 2 == 1 else -1


@labeling_function
def late(x):
    return 0 if x["t"] > "c" else -1


@labeling_function
def large():
    return vote(1, where=col("n") > 3)


def test_row_functions_and_expressions_vote_side_by_side_in_order(engine, in_engine):
    with pytest.warns(RowFunctionWarning):
        votes = apply([odd, large, late], in_engine(EXAMPLES, engine))
    assert votes.lf_names == ("odd", "large", "late")
    rows = dict(zip(votes.key_frame["item"].to_list(), votes.matrix.tolist(), strict=True))
    assert rows == {1: [1, -1, -1], 2: [-1, -1, -1], 3: [1, -1, -1], 4: [-1, 1, 0], 5: [1, 1, 0]}


def test_the_warning_says_what_row_by_row_costs():
    with pytest.warns(
        RowFunctionWarning, match=r"odd \([\d,]+ rows/s\).*these 5 rows.*vote\("
    ) as said:
        apply([odd], EXAMPLES)
    assert said[0].filename == __file__


def test_expressions_alone_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        apply([large], EXAMPLES)


@pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")
class TestFailures:
    def test_an_exception_names_function_row_and_cause(self):
        def broken(x):
            return 1 / (x.item - 3)

        with pytest.raises(
            LFError, match=r"'broken' .*raised ZeroDivisionError.*row 2 \(query 'q', item 3\)"
        ) as raised:
            apply([lambda_to_label(broken)], EXAMPLES)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)

    def test_exceptions_can_be_counted_as_abstentions(self):
        @labeling_function
        def broken(x):
            return 1 if 10 / (x.item - 3) > 0 and x.missing_column else 0

        votes = apply([broken, large], EXAMPLES, on_error="abstain")
        assert votes.matrix[:, 0].tolist() == [0, 0, -1, -1, -1]
        (failure,) = votes.errors
        assert (failure.lf, failure.count, failure.first_key) == ("broken", 3, ("q", 3))
        assert "ZeroDivisionError" in failure.first_traceback

    @pytest.mark.parametrize(
        ("label", "message"),
        [(None, "gave None"), (0.5, "gave 0.5"), (True, "gave True"), (2, "voted 2"), (-2, "-2")],
    )
    def test_what_is_no_label_always_stops(self, label, message):
        with pytest.raises(LFError, match=rf"{message} on row 0 \(query 'q', item 1\)"):
            apply([labeling_function(lambda x: label)], EXAMPLES, on_error="abstain")


@pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")
def test_a_missing_number_is_nan_and_a_missing_text_is_none():
    seen = []

    def look(x):
        seen.append((x.n, x.t, "n" in x, "m" in x))
        return -1

    apply([look], pl.DataFrame({"n": [1, None], "t": ["a", None]}), keys=())
    assert seen[0] == (1.0, "a", True, False)
    assert math.isnan(seen[1][0])
    assert seen[1][1] is None


@pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")
def test_progress_is_told_after_every_batch():
    told = []
    many = pl.DataFrame({"item": range(25_000)})
    apply([lambda x: -1], many, keys=("item",), progress=lambda done, n: told.append((done, n)))
    assert told == [(1_000, 25_000), (11_000, 25_000), (21_000, 25_000), (25_000, 25_000)]


def lambda_to_label(function):
    def wrapped(x):
        return 1 if function(x) > 0 else 0

    wrapped.__name__ = function.__name__
    return wrapped


MANY = pl.DataFrame(
    {"query": ["q"] * 3_500, "item": range(3_500), "n": [i % 7 for i in range(3_500)]}
)


@pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")
class TestProcesses:
    def test_votes_do_not_depend_on_how_many_processes_there_are(self):
        threshold = 3

        def above(x):  # a closure, which plain pickle does not know
            return 1 if x.n > threshold else -1

        lfs = [above, labeling_function(name="below")(lambda x: 0 if x.n < 2 else -1), late_item]
        alone = apply(lfs, MANY)
        told = []
        shared = apply(
            lfs, MANY, n_jobs=2, batch_size=500, progress=lambda done, n: told.append(done)
        )
        assert np.array_equal(alone.matrix, shared.matrix)
        assert shared.key_frame.to_native().equals(alone.key_frame.to_native())
        assert told == [500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500]

    def test_functions_do_run_in_other_processes(self):
        import os

        here = os.getpid()
        votes = apply(
            [labeling_function(name="where")(lambda x: int(os.getpid() == here))],
            MANY,
            n_jobs=2,
            batch_size=500,
        )
        assert votes.matrix[:500].all()  # the first batch is timed here
        assert not votes.matrix[500:].any()

    def test_exceptions_are_the_same_in_other_processes(self):
        def broken(x):
            return 1 if 10 / (x.item - 2_000) > 0 else 0

        said = []
        for n_jobs in (1, 2):
            with pytest.raises(LFError, match=r"ZeroDivisionError.*item 2000") as raised:
                apply([broken], MANY, n_jobs=n_jobs, batch_size=500)
            assert isinstance(raised.value.__cause__, ZeroDivisionError)
            said.append(str(raised.value))
            (failure,) = apply(
                [broken], MANY, n_jobs=n_jobs, batch_size=500, on_error="abstain"
            ).errors
            assert (failure.count, failure.first_key) == (1, ("q", 2_000))
            assert "ZeroDivisionError" in failure.first_traceback
        assert said[0] == said[1]

    def test_a_wrong_label_stops_in_other_processes_too(self):
        with pytest.raises(LFError, match=r"voted 5 on row 3000"):
            apply(
                [lambda x: 5 if x.item == 3_000 else 0],
                MANY,
                n_jobs=2,
                on_error="abstain",
                batch_size=500,
            )

    def test_what_cannot_be_sent_is_named(self):
        lock = threading.Lock()

        def guarded(x):
            with lock:
                return 1

        with pytest.raises(LFError, match=r"'guarded'.*cannot be sent.*lock.*n_jobs=1"):
            apply([guarded], MANY, n_jobs=2)

    def test_a_process_that_dies_is_reported(self):
        import os

        with pytest.raises(LFError, match=r"process that ran dies died.*n_jobs=1"):
            apply(
                [labeling_function(name="dies")(lambda x: os._exit(3) if x.item > 1_500 else 0)],
                MANY,
                n_jobs=2,
                batch_size=500,
            )

    def test_functions_of_a_project_directory_are_sent_with_their_code(self, tmp_path):
        folder = tmp_path / "rules"
        folder.mkdir()
        (folder / "helpers.py").write_text("LIMIT = 4\n")
        (folder / "search.py").write_text(
            "from labelkit import labeling_function\n"
            "from helpers import LIMIT\n\n\n"
            "def high(n):\n    return n > LIMIT\n\n\n"
            "@labeling_function\ndef often(x):\n    return 1 if high(x.n) else -1\n"
        )
        (often,) = load_lfs(["rules.search"], tmp_path)
        votes = apply([often], MANY, n_jobs=2, batch_size=500)
        assert (votes.matrix[:, 0] == np.where(MANY["n"].to_numpy() > 4, 1, -1)).all()

    @pytest.mark.parametrize("n_jobs", [0, -2])
    def test_a_number_of_processes_is_one_or_more(self, n_jobs):
        with pytest.raises(LFError, match=rf"n_jobs .*got {n_jobs}"):
            apply([late_item], MANY, n_jobs=n_jobs)

    def test_preprocessors_remember_within_a_process(self):
        from labelkit.lfs.snorkel import labeling_function as snorkel_lf
        from labelkit.lfs.snorkel import preprocessor

        seen = []

        @preprocessor(memoize=True, memoize_key=lambda x: x.n)
        def squared(x):
            seen.append(x.n)
            x.square = x.n**2
            return x

        @snorkel_lf(pre=[squared])
        def large_square(x):
            return 1 if x.square > 8 else -1

        alone = apply([large_square], MANY)
        assert sorted(seen) == list(range(7))
        shared = apply([large_square], MANY, n_jobs=2, batch_size=500)
        assert np.array_equal(alone.matrix, shared.matrix)


@labeling_function
def late_item(x):
    return 0 if x.item > 3_000 else -1


def a_batch_function(vote, **options):
    return BatchFunction(
        name="batch", columns=frozenset({"n"}), labels=frozenset({0, 1}), vote=vote, rule="a test",
        version="1", **options,
    )  # fmt: skip


class TestBatchFunctions:
    def test_they_see_their_columns_in_batches_and_vote_beside_others(self, engine, in_engine):
        shapes = []

        def even(batch):
            shapes.append((batch.columns, len(batch)))
            return np.where(batch["n"].to_numpy() % 2 == 0, 1, 0).astype(np.int8)

        frame = in_engine(MANY, engine)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RowFunctionWarning)
            votes = apply([large, a_batch_function(even)], frame, batch_size=2_000)
        assert shapes == [(["n"], 1_000), (["n"], 2_000), (["n"], 500)]
        rows = dict(zip(votes.key_frame["item"].to_list(), votes.matrix.tolist(), strict=True))
        assert rows == {
            i: [1 if n > 3 else -1, 1 - n % 2] for i, n in enumerate(MANY["n"].to_list())
        }

    def test_an_exception_is_the_batchs(self):
        def broken(batch):
            if 1_200 in range(batch["n"][0], 10_000):
                raise OSError("no route")
            return np.zeros(len(batch), dtype=np.int8)

        with pytest.raises(LFError, match=r"OSError: no route on rows 0 to 999.*on_error"):
            apply([a_batch_function(broken)], MANY)
        votes = apply([a_batch_function(broken)], MANY, on_error="abstain")
        assert (votes.matrix == -1).all()
        assert votes.errors[0].count == len(MANY)
        assert "no route" in votes.errors[0].first_traceback

    def test_a_column_or_label_that_is_not_there_is_named_before_it_runs(self):
        def never(batch):
            raise AssertionError("was run")

        with pytest.raises(LFError, match=r"'batch'.*no column 'n'"):
            apply([a_batch_function(never)], MANY.drop("n"))
        wrong = dataclasses.replace(a_batch_function(never), labels=frozenset({3}))
        with pytest.raises(LFError, match="votes 3, outside the 2 classes"):
            apply([wrong], MANY)
