"""What every annotation platform promises a round, as tests that run on yours.

Derive a class from ``PlatformConformance``, give it the fixtures ``platform`` and ``hands``, and
let pytest find it::

    # tests/test_my_platform.py
    import pytest

    pytest.register_assert_rewrite("labelkit.platforms.conformance")
    from labelkit.platforms.conformance import PlatformConformance


    class TestMyPlatform(PlatformConformance):
        @pytest.fixture
        def platform(self):
            return MyPlatform(...)        # empty, and real: what is mocked is not tested

        @pytest.fixture
        def hands(self, platform):
            return MyHands(platform)      # does what a person does there; see ``Hands``

Imports pytest, so nothing of labelkit imports this file.
"""

# ruff: noqa: S101 - these are tests, which assert
from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import polars as pl
import pytest

from labelkit.errors import PlatformError
from labelkit.platforms.hostile import HOSTILE_LABELS, HOSTILE_TEXTS
from labelkit.platforms.scripted import Answerable, ScriptedAnnotator
from labelkit.rounds import (
    AnnotationPlatform,
    DisplayField,
    Ledger,
    ProjectSpec,
    TaskAnswers,
    TaskSpec,
)

_NO, _YES = "not good", 'quite "good" <&>'
_MARKED_UP = "<script>window.hacked=1</script> $text {{7*7}} &amp; </View>"


class Hands(Protocol):
    """What a person can do at the platform, done for real; written by whoever tests it."""

    def answer(self, project: str, spec: ProjectSpec, task_id: str, label: str) -> str:
        """Choose a label (any text, even one that is not offered); id of the annotation."""
        ...

    def change(self, project: str, spec: ProjectSpec, id_: str, label: str) -> None:
        """Choose another label in the annotation ``id_``."""
        ...

    def skip(self, project: str, task_id: str) -> None:
        """Say that the task cannot be answered."""
        ...

    def delete(self, project: str, id_: str) -> None:
        """Take the annotation ``id_`` back."""
        ...

    def delete_project(self, project: str) -> None:
        """Remove the project with all that is in it."""
        ...

    def texts(self, project: str) -> Mapping[str, Mapping[str, str]]:
        """Task key → what is shown, by ``DisplayField.name``."""
        ...

    def guesses(self, project: str) -> Mapping[str, str | None]:
        """Task key → the label that is suggested, None where none is."""
        ...


class PlatformConformance:
    """The suite. Its fixtures may be overridden; its tests may be added to, not taken away."""

    @pytest.fixture
    def platform(self) -> AnnotationPlatform:
        """The platform under test."""
        raise NotImplementedError("give your test class a fixture 'platform'")

    @pytest.fixture
    def hands(self) -> Hands:
        """A person at that platform."""
        raise NotImplementedError("give your test class a fixture 'hands'")

    @pytest.fixture
    def spec(self) -> ProjectSpec:
        """A project that no other test has."""
        fields = (
            DisplayField("query", "query", True),
            DisplayField("text", "the <b>text</b>", False),
        )
        unique = uuid.uuid4().hex[:16]
        return ProjectSpec(unique, f"round {unique}", (_NO, _YES), fields)

    @pytest.fixture
    def tasks(self, spec: ProjectSpec) -> list[TaskSpec]:
        """Six tasks, every second with a guess."""
        return [
            TaskSpec(
                key=f'{spec.uid}/["q{i}"]',
                data={"query": f"q{i}", "text": _MARKED_UP},
                soft_label=(0.3, 0.7) if i % 2 else None,
                model_version="m1" if i % 2 else None,
            )
            for i in range(6)
        ]

    @pytest.fixture
    def batch(self) -> pl.DataFrame:
        """Twelve examples, four of them audited."""
        n = 12
        return pl.DataFrame(
            {
                "query": [f"q{i // 3}" for i in range(n)],
                "item": list(range(n)),
                "p_0": [0.3] * n,
                "p_1": [0.7] * n,
                "inclusion_probability": [1.0] * 8 + [0.25] * 4,
                "stratum": ["informative"] * 8 + ["audit"] * 4,
                "rank": list(range(n, 0, -1)),
            }
        )

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        with Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
            yield ledger

    # The protocol

    def test_a_project_is_made_once(self, platform: AnnotationPlatform, spec: ProjectSpec) -> None:
        first = platform.ensure_project(spec)
        assert platform.ensure_project(spec) == first
        assert platform.ensure_project(spec, project=first) == first
        assert dict(platform.existing_keys(first)) == {}

    def test_a_project_that_never_was_is_refused(
        self, platform: AnnotationPlatform, spec: ProjectSpec, hands: Hands
    ) -> None:
        project = platform.ensure_project(spec)
        hands.delete_project(project)
        with pytest.raises(PlatformError, match="recreate=True"):
            platform.ensure_project(spec, project=project)

    def test_what_was_pushed_can_be_asked_for_by_key(
        self, platform: AnnotationPlatform, spec: ProjectSpec, tasks: list[TaskSpec]
    ) -> None:
        project = platform.ensure_project(spec)
        ids = platform.push(project, spec, tasks[:4])
        assert platform.push(project, spec, tasks[4:]).keys() == {t.key for t in tasks[4:]}
        assert set(ids) == {task.key for task in tasks[:4]}
        there = platform.existing_keys(project)
        assert there.keys() == {task.key for task in tasks}
        assert {key: there[key] for key in ids} == dict(ids)

    def test_texts_arrive_as_they_are_markup_and_all(
        self, platform: AnnotationPlatform, spec: ProjectSpec, hands: Hands
    ) -> None:
        hostile = [
            TaskSpec(f"{spec.uid}/[{i}]", {"query": f"q{i}", "text": text})
            for i, text in enumerate(HOSTILE_TEXTS)
        ]
        project = platform.ensure_project(spec)
        platform.push(project, spec, hostile)
        texts = hands.texts(project)
        assert [texts[t.key]["text"] for t in hostile] == list(HOSTILE_TEXTS)

    def test_a_guess_is_shown_where_there_is_one_and_nowhere_else(
        self,
        platform: AnnotationPlatform,
        spec: ProjectSpec,
        tasks: list[TaskSpec],
        hands: Hands,
    ) -> None:
        project = platform.ensure_project(spec)
        platform.push(project, spec, tasks)
        guesses = hands.guesses(project)
        assert [guesses[task.key] for task in tasks] == [None, _YES] * 3

    def test_answers_skips_changes_and_deletions_come_back(
        self,
        platform: AnnotationPlatform,
        spec: ProjectSpec,
        tasks: list[TaskSpec],
        hands: Hands,
    ) -> None:
        project = platform.ensure_project(spec)
        ids = platform.push(project, spec, tasks)
        assert not any(task.answers for task in _read(platform, project).values())
        mark = platform.cursor(project)

        one = hands.answer(project, spec, ids[tasks[0].key], _NO)
        two = hands.answer(project, spec, ids[tasks[1].key], _YES)
        hands.skip(project, ids[tasks[2].key])
        for found in (_read(platform, project), _read(platform, project, mark)):
            (first,) = found[tasks[0].key].answers
            assert (first.id, first.label_name, first.status) == (one, _NO, "answered")
            assert found[tasks[1].key].answers[0].label_name == _YES
            (skip,) = found[tasks[2].key].answers
            assert (skip.label_name, skip.status) == (None, "skipped")

        mark = platform.cursor(project)
        hands.change(project, spec, one, _YES)
        hands.delete(project, two)
        found = _read(platform, project, mark)
        (changed,) = found[tasks[0].key].answers
        assert (changed.id, changed.label_name) == (one, _YES)
        assert found[tasks[1].key].answers == ()

    # A round on the platform

    def test_hostile_texts_and_labels_go_there_and_come_back(
        self, platform: AnnotationPlatform, ledger: Ledger, hands: Hands
    ) -> None:
        n = len(HOSTILE_TEXTS)
        batch = pl.DataFrame(
            {
                "query": list(HOSTILE_TEXTS),
                "item": list(range(n)),
                "inclusion_probability": [1.0] * n,
                "stratum": ["audit"] * n,
            }
        )
        round_ = ledger.open_round(
            batch, platform=platform, name=uuid.uuid4().hex, label_names=HOSTILE_LABELS
        )
        pushed = round_.push()
        assert (pushed.n_pushed, round_.push().n_pushed) == (n, 0)
        # One task for each label, spread over the corpus.
        chosen = round_.tasks()[:: n // len(HOSTILE_LABELS)][: len(HOSTILE_LABELS)]
        for task, label in zip(chosen, HOSTILE_LABELS, strict=True):
            hands.answer(pushed.project, round_.spec, str(task.task_id), label)
        result = round_.pull()
        assert (result.n_new_annotations, result.n_unreadable) == (len(chosen), 0)
        gold = {row[:2]: row[2] for row in ledger.gold().select("query", "item", "label").rows()}
        assert gold == {task.example: label for label, task in enumerate(chosen)}

    def test_a_label_that_is_not_asked_for_is_reported_not_dropped(
        self,
        platform: AnnotationPlatform,
        batch: pl.DataFrame,
        ledger: Ledger,
        hands: Hands,
    ) -> None:
        round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
        project = round_.push().project
        task = round_.tasks()[0]
        hands.answer(project, round_.spec, str(task.task_id), "relevantt")
        result = round_.pull()
        assert (result.n_new_annotations, result.n_unreadable, result.n_answered_tasks) == (1, 1, 0)
        assert "'relevantt'" in result.problems[0]
        assert "irrelevant, relevant" in result.problems[0]
        assert ledger.gold().is_empty()

    def test_a_project_that_is_gone_is_told_with_the_way_on(
        self,
        platform: AnnotationPlatform,
        batch: pl.DataFrame,
        ledger: Ledger,
        hands: Hands,
    ) -> None:
        round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
        project = round_.push().project
        hands.answer(project, round_.spec, str(round_.tasks()[0].task_id), "relevant")
        round_.pull()
        hands.delete_project(project)
        for step in (round_.push, round_.pull):
            with pytest.raises(PlatformError, match="recreate=True"):
                step()
        assert round_.push(recreate=True).n_pushed == len(batch)
        round_.pull()
        assert ledger.gold()["label"].to_list() == [1]

    def test_a_round_trip_gives_the_labels_that_were_given(
        self,
        platform: AnnotationPlatform,
        batch: pl.DataFrame,
        ledger: Ledger,
        hands: Hands,
    ) -> None:
        round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
        project = round_.push(batch_size=5).project
        assert round_.push().n_pushed == 0
        for part in (slice(0, 7), slice(7, None)):
            asked = round_.tasks()[part]
            for task in asked:
                label = round_.spec.label_names[int(task.example[1]) % 2]  # type: ignore[call-overload]
                hands.answer(project, round_.spec, str(task.task_id), label)
            assert round_.pull().n_new_annotations == len(asked)
        again = round_.pull()
        assert (again.n_new_annotations, again.n_changed_annotations, again.n_foreign) == (0, 0, 0)
        assert again.n_answered_tasks == len(batch)
        gold = ledger.gold().sort("item")
        assert gold["label"].to_list() == [i % 2 for i in range(len(batch))]
        given = batch["inclusion_probability"].to_list()
        assert gold["inclusion_probability"].to_list() == given

    def test_a_script_answers_where_it_may(
        self, platform: AnnotationPlatform, batch: pl.DataFrame, ledger: Ledger
    ) -> None:
        if not isinstance(platform, Answerable):
            pytest.skip(f"{platform.kind} takes no answers of a script")
        round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
        round_.push()
        annotator = ScriptedAnnotator(batch.with_columns(label=pl.col("item") % 2))
        assert annotator.answer(round_, limit=7) == 7
        assert round_.pull().n_new_annotations == 7
        assert annotator.answer(round_) == len(batch) - 7
        assert round_.pull().n_new_annotations == len(batch) - 7
        assert ledger.gold().sort("item")["label"].to_list() == [i % 2 for i in range(len(batch))]

    def test_a_skip_is_counted_and_is_no_gold(
        self,
        platform: AnnotationPlatform,
        batch: pl.DataFrame,
        ledger: Ledger,
        hands: Hands,
    ) -> None:
        round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
        project = round_.push().project
        hands.skip(project, str(round_.tasks()[0].task_id))
        skipped = round_.pull()
        assert (skipped.n_new_annotations, skipped.n_skipped) == (1, 1)
        assert round_.pull().n_new_annotations == 0
        assert ledger.gold().is_empty()

    def test_a_withdrawn_answer_leaves_gold(
        self,
        platform: AnnotationPlatform,
        batch: pl.DataFrame,
        ledger: Ledger,
        hands: Hands,
    ) -> None:
        round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
        project = round_.push().project
        one, two = round_.tasks()[:2]
        hands.answer(project, round_.spec, str(one.task_id), "relevant")
        wrong = hands.answer(project, round_.spec, str(two.task_id), "relevant")
        round_.pull()
        hands.delete(project, wrong)
        result = round_.pull()
        assert (result.n_withdrawn_annotations, result.n_answered_tasks) == (1, 1)
        assert ledger.gold().select("query", "item").rows() == [one.example]
        assert round_.pull().n_withdrawn_annotations == 0

    def test_an_annotator_who_answers_twice_counts_once(
        self,
        platform: AnnotationPlatform,
        batch: pl.DataFrame,
        ledger: Ledger,
        hands: Hands,
    ) -> None:
        round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
        project = round_.push().project
        task = round_.tasks()[0]
        for _ in range(2):
            hands.answer(project, round_.spec, str(task.task_id), "relevant")
        # A platform may keep both, or the second in place of the first.
        assert round_.pull().n_new_annotations in (1, 2)
        assert ledger.gold().select("annotators", "agreement").row(0) == (1, 1.0)

    def test_two_ledgers_of_the_same_round_share_its_tasks(
        self,
        platform: AnnotationPlatform,
        batch: pl.DataFrame,
        ledger: Ledger,
        tmp_path: Path,
    ) -> None:
        name = uuid.uuid4().hex
        first = ledger.open_round(batch, platform=platform, name=name).push()
        with Ledger(f"sqlite:///{tmp_path}/other.db") as other:
            second = other.open_round(batch, platform=platform, name=name).push()
        assert (second.project, second.n_pushed) == (first.project, 0)


def _read(
    platform: AnnotationPlatform, project: str, since: str | None = None
) -> dict[str, TaskAnswers]:
    pages: Iterator[Sequence[TaskAnswers]] = platform.answers(project, since=since)
    return {task.key: task for page in pages for task in page}
