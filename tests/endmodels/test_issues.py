"""Confident learning, by the real cleanlab."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from labelkit.endmodels import EndModel, label_issues, soft_labels
from labelkit.errors import EndModelError


def test_without_cleanlab_the_extra_is_named(
    make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    world = make_world()
    model = EndModel(LogisticRegression()).fit(world.X, world.proba)
    with pytest.raises(EndModelError, match=r"pip install 'labelkit\[cleanlab\]'"):
        model.label_issues()


def _needs_cleanlab() -> Any:
    return pytest.importorskip("cleanlab.filter", reason="the extra labelkit[cleanlab]")


@pytest.mark.peer
def test_it_is_cleanlab_s_answer_with_reasons(make_world: Callable[..., Any]) -> None:
    cleanlab = _needs_cleanlab()
    world = make_world(n=900, k=3, accuracy=0.85)
    model = EndModel(LogisticRegression()).fit(world.X, world.proba)
    given = world.proba.argmax(axis=1)
    found = model.label_issues()
    direct = cleanlab.find_label_issues(given, model.out_of_fold_proba_, n_jobs=1)
    np.testing.assert_array_equal(found.mask, direct)
    assert len(found) == found.frame.height == direct.sum() > 30
    first = found.frame.row(0, named=True)
    assert first["label"] == given[first["row"]] != first["suggested"]
    assert first["reason"].startswith(f"labeled {first['label']}, but the end model gives ")


@pytest.mark.peer
def test_most_doubted_labels_are_wrong_and_leaving_them_out_helps(
    make_world: Callable[..., Any],
) -> None:
    _needs_cleanlab()
    world = make_world(n=2000, accuracy=0.7)
    wrong = world.proba.argmax(axis=1) != world.truth
    model = EndModel(LogisticRegression()).fit(world.X, world.proba)
    issues = model.label_issues()
    assert wrong[issues.mask].mean() > 0.8
    kept = EndModel(LogisticRegression()).fit(world.X, world.proba, keep=~issues.mask)
    assert kept.trained_on_.sum() == 2000 - len(issues)
    assert wrong[kept.trained_on_].mean() < 0.3 * wrong.mean()


@pytest.mark.peer
def test_uncovered_and_absent_classes_are_set_aside(
    make_world: Callable[..., Any], engine: Callable[[pl.DataFrame], Any]
) -> None:
    _needs_cleanlab()
    world = make_world(n=500)
    # A class in the middle that no label has.
    table = world.table().rename({"p_1": "p_2"}).with_columns(p_1=0.0)
    model = EndModel(LogisticRegression()).fit(world.X, engine(table))
    issues = model.label_issues()
    frame = nw.from_native(issues.frame, eager_only=True).to_polars()
    assert set(frame["suggested"]) == {0, 2}
    assert not issues.mask[::7].any()  # uncovered
    assert issues.n_examined == model.trained_on_.sum()
    assert frame.columns[:2] == ["query", "item"]


@pytest.mark.peer
def test_nothing_to_doubt_and_unknown_filters_are_refused() -> None:
    _needs_cleanlab()
    one = soft_labels(np.array([[0.9, 0.1]] * 5))
    with pytest.raises(EndModelError, match="Fewer than two classes"):
        label_issues(one, one.proba)
    with pytest.raises(EndModelError, match="filter_by='best' is none of"):
        label_issues(one, one.proba, filter_by="best")  # type: ignore[arg-type]
