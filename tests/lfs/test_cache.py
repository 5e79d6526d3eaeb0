"""The vote cache: what it knows of a function, when it forgets, and that it changes no vote."""

from __future__ import annotations

import functools
import os
import re
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from labelkit import col, labeling_function, vote
from labelkit.lfs import BatchFunction, as_lf, load_lfs
from labelkit.lfs.applier import apply
from labelkit.lfs.cache import VoteCache, apply_cached
from labelkit.lfs.fingerprint import fingerprint

pytestmark = pytest.mark.filterwarnings("ignore::labelkit.errors.RowFunctionWarning")

EXAMPLES = pl.DataFrame(
    {
        "query": ["a", "a", "b", "b"],
        "item": [1, 2, 1, 2],
        "x": [0.5, None, 2.0, float("nan")],
        "title": ["tea", "", None, "茶"],
    }
)


def lfs_of(folder: Path, text: str, **neighbours: str):
    """The functions of a module with this text, beside modules that it may import."""
    lfs = folder / "lfs"
    lfs.mkdir(exist_ok=True)
    for name, content in neighbours.items():
        (lfs / f"{name}.py").write_text(textwrap.dedent(content), encoding="utf-8")
    head = "from labelkit import col, labeling_function, vote\n"
    (lfs / "mine.py").write_text(head + textwrap.dedent(text), encoding="utf-8")
    return {lf.name: lf for lf in load_lfs(["lfs.mine"], folder)}


def print_of(folder: Path, text: str, **neighbours: str) -> str | None:
    return fingerprint(lfs_of(folder, text, **neighbours)["f"])


BASE = """
    import re
    from words import GOOD, longer_than

    LIMIT = 3
    PATTERN = re.compile("t.a")

    def helper(text):
        return len(text) > LIMIT

    @labeling_function
    def f(x):
        if x.title in GOOD or PATTERN.search(x.title):
            return 1
        return 0 if helper(x.title) or longer_than(x.title, 5) else -1

    @labeling_function
    def g(x):
        return 1 if x.x == x.x else -1
"""
WORDS = """
    GOOD = {"tea", "茶"}

    def longer_than(text, n):
        return len(text) > n
"""


def test_a_function_that_is_loaded_twice_is_the_same_function(tmp_path):
    first = print_of(tmp_path, BASE, words=WORDS)
    assert first is not None
    assert print_of(tmp_path, BASE, words=WORDS) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("t.a", "t.b"),
        ("return 1\n", "return 0\n"),
        ("len(text) > LIMIT", "len(text) >= LIMIT"),
        ("longer_than(x.title, 5)", "longer_than(x.title, 6)"),
    ],
)
def test_an_edit_of_anything_that_a_function_rests_on_is_noticed(tmp_path, old, new):
    assert old in BASE
    before = print_of(tmp_path, BASE, words=WORDS)
    assert print_of(tmp_path, BASE.replace(old, new, 1), words=WORDS) not in (before, None)


@pytest.mark.parametrize(("old", "new"), [('"tea"', '"coffee"'), ("> n", ">= n")])
def test_an_edit_of_a_neighbour_is_noticed(tmp_path, old, new):
    before = print_of(tmp_path, BASE, words=WORDS)
    assert print_of(tmp_path, BASE, words=WORDS.replace(old, new)) not in (before, None)


def test_an_edit_of_one_function_leaves_the_others_alone(tmp_path):
    before = {name: fingerprint(lf) for name, lf in lfs_of(tmp_path, BASE, words=WORDS).items()}
    edited = "\n    # a comment above" + BASE.replace(
        "return 1 if x.x == x.x", "return 0 if x.x == x.x"
    )
    after = {name: fingerprint(lf) for name, lf in lfs_of(tmp_path, edited, words=WORDS).items()}
    assert before["f"] == after["f"], "its lines moved, nothing else"
    assert before["g"] != after["g"]


def test_values_that_a_function_closes_over_count():
    def make(limit: object):
        def f(x):
            return 1 if x.x == limit else -1

        return as_lf(f)

    same = [np.arange(3), {"a": {1, 2}}, re.compile("x"), functools.partial(max, 1), (1, [2])]
    for value in same:
        assert fingerprint(make(value)) is not None, value
    marks = {fingerprint(make(value)) for value in [*same, np.arange(4), {"a": {1, 3}}, (1, [3])]}
    assert len(marks) == 8
    assert fingerprint(make(np.arange(3))) == fingerprint(make(np.arange(3)))
    assert fingerprint(make(1)) != fingerprint(make(1.0)), "equal and not the same"
    assert fingerprint(make(1)) != fingerprint(make(True))


@pytest.mark.parametrize(
    "body",
    [
        "return int(open('/etc/hostname').read() > x.title)",
        "import random\n    return random.randint(0, 1)",
        "import time\n    return int(time.time()) % 2",
        "import os\n    return int('HOME' in os.environ)",
        "from datetime import date\n    return int(date.today() > x.day)",
        "return OUTSIDE(x)",
        "return next(STREAM)",
    ],
)
def test_what_may_answer_otherwise_tomorrow_is_never_cached(tmp_path, body):
    text = f"""
    from pathlib import Path

    STREAM = iter([1, 0])
    LOCK = __import__("threading").Lock()

    def OUTSIDE(x):
        return LOCK.acquire()

    @labeling_function
    def f(x):
        {body.replace(chr(10), chr(10) + "    ")}
    """
    assert print_of(tmp_path, text) is None


def test_snorkels_functions_are_followed_into_their_preprocessors(tmp_path):
    pytest.importorskip("snorkel")
    text = """
    from snorkel.labeling import labeling_function as snorkel_lf
    from snorkel.preprocess import preprocessor

    @preprocessor(memoize=True)
    def lower(x):
        x.title = x.title.lower()
        return x

    @snorkel_lf(pre=[lower], resources={"words": ["tea"]})
    def f(x, words):
        return 1 if x.title in words else -1
    """
    first = print_of(tmp_path, text)
    assert first is not None
    assert print_of(tmp_path, text) == first
    assert print_of(tmp_path, text.replace("lower()", "upper()")) not in (first, None)
    assert print_of(tmp_path, text.replace('["tea"]', '["tee"]')) not in (first, None)


def counting(calls: list[str]):
    """Functions that tell when they are asked, and an expression between them."""

    def by_title(x):
        calls.append("by_title")
        return 1 if x.title == "tea" else -1

    def by_number(x):
        calls.append("by_number")
        return 0 if x.x == 2.0 else -1

    @labeling_function
    def high():
        return vote(1, where=col("x") > 1)

    return [as_lf(by_title), high, as_lf(by_number)]


@pytest.fixture
def stable(monkeypatch):
    """Functions are told apart by name: what they close over counts calls, and so changes."""
    monkeypatch.setattr("labelkit.lfs.cache.fingerprint", lambda lf: lf.name)


def test_what_was_asked_once_is_not_asked_again_and_votes_are_the_same(tmp_path, stable):
    calls: list[str] = []
    lfs, cache = counting(calls), VoteCache(tmp_path)
    plain = apply(lfs, EXAMPLES)
    calls.clear()
    first, asked_none = apply_cached(lfs, EXAMPLES, cache)
    assert asked_none == ()
    assert len(calls) == 2 * len(EXAMPLES)
    calls.clear()
    second, found = apply_cached(lfs, EXAMPLES, cache)
    assert calls == []
    assert found == ("by_title", "by_number")
    for votes in (first, second):
        assert votes.to_native().equals(plain.to_native())
        assert votes.to_native().schema == plain.to_native().schema
        assert votes.lf_names == plain.lf_names


@pytest.mark.parametrize(
    "other",
    [
        EXAMPLES.with_columns(x=pl.col("x") + 1),
        EXAMPLES.with_columns(x=pl.col("x").fill_null(0.0)),
        EXAMPLES.with_columns(title=pl.col("title").fill_null("")),
        EXAMPLES.with_columns(x=pl.col("x").cast(pl.Float32)),
        EXAMPLES.with_columns(more=pl.lit(1)),
        EXAMPLES.reverse(),
        EXAMPLES.head(3),
    ],
)
def test_other_examples_are_asked_about(tmp_path, stable, other):
    calls: list[str] = []
    lfs, cache = counting(calls), VoteCache(tmp_path)
    apply_cached(lfs, EXAMPLES, cache)
    calls.clear()
    votes, found = apply_cached(lfs, other, cache)
    assert found == ()
    assert len(calls) == 2 * len(other)
    assert votes.to_native().equals(apply(lfs, other).to_native())


def test_chunks_of_a_column_are_not_its_content(tmp_path, stable):
    calls: list[str] = []
    lfs, cache = counting(calls), VoteCache(tmp_path)
    apply_cached(lfs, EXAMPLES, cache)
    calls.clear()
    pieces = pl.concat([EXAMPLES.head(1), EXAMPLES.slice(1)], rechunk=False)
    assert apply_cached(lfs, pieces, cache)[1] == ("by_title", "by_number")


def test_only_python_functions_are_cached(tmp_path):
    @labeling_function
    def high():
        return vote(1, where=col("x") > 1)

    votes, found = apply_cached([high], EXAMPLES, VoteCache(tmp_path / "votes"))
    assert found == ()
    assert not (tmp_path / "votes").exists()
    assert votes.to_native().equals(apply([high], EXAMPLES).to_native())


def test_votes_of_a_function_that_raised_are_not_kept(tmp_path, stable):
    def fails(x):
        raise ValueError("no title") if not x.title else AssertionError

    cache = VoteCache(tmp_path)
    for _ in range(2):
        votes, found = apply_cached([as_lf(fails)], EXAMPLES, cache, on_error="abstain")
        assert found == ()
        assert votes.errors[0].count == len(EXAMPLES)


def test_a_damaged_file_is_a_vote_to_be_made_again(tmp_path, stable):
    calls: list[str] = []
    lfs, cache = counting(calls), VoteCache(tmp_path)
    plain, _ = apply_cached(lfs, EXAMPLES, cache)
    for path in tmp_path.iterdir():
        path.write_bytes(b"PAR1 no longer")
    votes, found = apply_cached(lfs, EXAMPLES, cache)
    assert found == ()
    assert votes.to_native().equals(plain.to_native())
    assert apply_cached(lfs, EXAMPLES, cache)[1] == ("by_title", "by_number"), "and kept again"


def test_the_least_recently_used_votes_make_room(tmp_path):
    votes = pl.Series(np.random.default_rng(0).integers(-1, 2, 20_000).astype(np.int8))
    size = _size_of_one(tmp_path / "probe", votes)
    cache = VoteCache(tmp_path / "votes", max_bytes=int(3.5 * size))
    for number, key in enumerate(["a", "b", "c"]):
        cache.put(key, votes)
        os.utime(tmp_path / "votes" / f"{key}.parquet", (number, number))
    assert cache.get("a", 20_000) is not None, "of use just now"
    cache.put("d", votes)
    assert cache.get("b", 20_000) is None, "the one that was not used for longest"
    assert all(cache.get(key, 20_000) is not None for key in "acd")
    assert cache.get("a", 19_999) is None, "of another table"


def _size_of_one(folder: Path, votes: pl.Series) -> int:
    VoteCache(folder).put("one", votes)
    return (folder / "one.parquet").stat().st_size


def test_what_a_killed_process_left_behind_goes_and_what_another_writes_stays(tmp_path):
    old, young = tmp_path / ".x.0123.tmp.parquet", tmp_path / ".y.0123.tmp.parquet"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 7_200))
    VoteCache(tmp_path).put("key", pl.Series([1], dtype=pl.Int8))
    assert not old.exists()
    assert young.exists()


def test_many_at_once_read_whole_votes_or_none(tmp_path):
    votes = pl.Series(np.tile(np.array([1, -1], np.int8), 5_000))
    cache = VoteCache(tmp_path, max_bytes=3 * _size_of_one(tmp_path / "probe", votes))
    wrong: list[object] = []

    def work(number: int) -> None:
        for step in range(30):
            key = f"k{(number + step) % 5}"
            found = cache.get(key, len(votes))
            if found is None:
                cache.put(key, votes)
            elif not found.equals(votes):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(list(tmp_path.glob("*.parquet"))) <= 3


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, stable):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    calls: list[str] = []
    votes, found = apply_cached(counting(calls), EXAMPLES, VoteCache(tmp_path / "file"))
    assert found == ()
    assert len(votes) == len(EXAMPLES)


def test_a_batch_function_is_known_by_its_version_and_the_columns_that_it_reads(tmp_path):
    asked: list[int] = []

    def make(version: str, final: bool = True) -> BatchFunction:
        def votes(batch: pl.DataFrame) -> np.ndarray:
            asked.append(len(batch))
            return np.where((batch["x"].fill_nan(None) > 1).fill_null(False), 1, -1).astype(np.int8)

        return BatchFunction(
            name="model",
            columns=frozenset({"x"}),
            labels=frozenset({1}),
            vote=votes,
            rule="1 where a model says so",
            version=version,
            is_final=lambda: final,
        )

    cache = VoteCache(tmp_path)
    plain = apply([make("1")], EXAMPLES)
    for lf, examples, expected in [
        (make("1"), EXAMPLES, ()),
        (make("1"), EXAMPLES, ("model",)),
        (make("1"), EXAMPLES.with_columns(title=pl.lit("other")), ("model",)),
        (make("2"), EXAMPLES, ()),
        (make("1"), EXAMPLES.with_columns(x=pl.col("x") + 1), ()),
        # Abstentions because of an outage are not what the model has to say.
        (make("3", final=False), EXAMPLES, ()),
        (make("3"), EXAMPLES, ()),
    ]:
        asked.clear()
        votes, found = apply_cached([lf], examples, cache)
        assert found == expected
        assert sum(asked) == (0 if expected else len(examples))
        if examples is EXAMPLES:
            assert votes.to_native().equals(plain.to_native())
