"""What stands on a real Label Studio twice comes to stand there once, and no answer is lost."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import labelkit as lk
from labelkit.platforms import ScriptedAnnotator
from labelkit.platforms import label_studio_copies as copies
from labelkit.platforms.exchange import choice_result
from labelkit.rounds import RemovesCopies
from labelkit.rounds.platform import TaskSpec

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label_studio")]


@pytest.fixture
def platform(label_studio_server: Any) -> lk.LabelStudio:
    return lk.LabelStudio(label_studio_server.url, label_studio_server.token)


@pytest.fixture
def round_(platform: lk.LabelStudio, tmp_path: Path) -> Any:
    batch = pl.DataFrame({"query": [f"q{i}" for i in range(10)], "item": range(10)}).with_columns(
        inclusion_probability=pl.lit(1.0), stratum=pl.lit("audit")
    )
    with lk.Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
        yield ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)


def ids_on(platform: lk.LabelStudio, project: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for task in platform._sdk.tasks.list(project=int(project), page_size=500):
        found.setdefault(task.data["labelkit_key"], []).append(task.id)
    return found


def land_late(round_: lk.Round, keys: list[str]) -> dict[str, str]:
    """An import that was on its way while somebody else sent the same tasks again."""
    tasks = [TaskSpec(key, {"query": "q", "item": "i"}) for key in keys]
    return dict(round_.platform.push(str(round_.project), round_.spec, tasks))


def test_label_studio_can_remove_copies(platform):
    assert isinstance(platform, RemovesCopies)


def test_a_copy_that_landed_late_is_gone_after_the_next_pull(platform, round_):
    project = round_.push().project
    before = ids_on(platform, project)
    land_late(round_, list(before)[2:6])
    assert platform.n_tasks(project) == 14
    assert round_.pull().n_new_annotations == 0
    assert ids_on(platform, project) == before
    assert round_.push().n_already_there == 10


def test_the_copy_that_somebody_answered_is_the_one_that_stays(platform, round_):
    project = round_.push().project
    keys = list(ids_on(platform, project))
    late = land_late(round_, keys[:3])
    result: Any = choice_result(round_.spec, "relevant")
    platform._sdk.annotations.create(int(late[keys[0]]), result=result, lead_time=1.0)
    platform._sdk.annotations.create(int(late[keys[1]]), result=[], was_cancelled=True)
    pulled = round_.pull()
    assert (pulled.n_new_annotations, pulled.n_skipped, pulled.n_withdrawn_annotations) == (2, 1, 0)
    left = ids_on(platform, project)
    assert left[keys[0]] == [int(late[keys[0]])]
    assert left[keys[1]] == [int(late[keys[1]])]
    assert [len(ids) for ids in left.values()] == [1] * 10
    places = {task.key: task.task_id for task in round_.tasks()}
    assert places == {key: str(ids[0]) for key, ids in left.items()}
    assert round_.push().n_already_there == 10


def test_two_copies_that_were_both_answered_both_stay_and_count_as_one_task(platform, round_):
    project = round_.push().project
    keys = list(ids_on(platform, project))
    late = land_late(round_, keys[:1])
    result: Any = choice_result(round_.spec, "relevant")
    for id_ in (late[keys[0]], round_.tasks()[0].task_id):
        platform._sdk.annotations.create(int(id_), result=result, lead_time=1.0)
    pulled = round_.pull()
    assert (pulled.n_new_annotations, pulled.n_answered_tasks) == (2, 1)
    assert len(ids_on(platform, project)[keys[0]]) == 2


def test_the_server_itself_spares_what_was_answered_after_we_looked(platform, round_):
    project = round_.push().project
    answered, skipped, untouched = (int(str(task.task_id)) for task in round_.tasks()[:3])
    result: Any = choice_result(round_.spec, "relevant")
    platform._sdk.annotations.create(answered, result=result, lead_time=1.0)
    platform._sdk.annotations.create(skipped, result=[], was_cancelled=True)
    asking = platform._asking(project)
    assert copies._delete(asking, project, [answered, skipped, untouched]) == [untouched]


def test_tasks_that_somebody_made_by_hand_are_left_alone(platform, round_):
    project = round_.push().project
    by_hand: Any = [{"data": {"query": "by", "item": "hand"}}]
    platform._sdk.projects.import_tasks(int(project), request=by_hand)
    assert round_.push().n_copies_removed == 0
    assert platform.n_tasks(project) == 11
    assert ScriptedAnnotator({(f"q{i}", i): 1 for i in range(10)}).answer(round_) == 10
    assert round_.pull().n_new_annotations == 10
