"""Label Studio's JSON: tasks as it imports them, annotations as it exports them.

Both platforms speak it, so files written here can be imported into any Label Studio by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from labelkit.platforms.labeling_config import CHOICES, object_name
from labelkit.rounds.plan import TASK_KEY
from labelkit.rounds.platform import HumanAnswer, ProjectSpec, TaskSpec

# JSON as a parser gives it, at the border to a foreign format.
Json = dict[str, Any]


def task_json(spec: ProjectSpec, task: TaskSpec) -> Json:
    """A task with its pre-annotation, in the format of Label Studio's import."""
    record: Json = {"data": {**task.data, TASK_KEY: task.key}}
    if task.soft_label is not None:
        best = max(range(len(task.soft_label)), key=task.soft_label.__getitem__)
        record["predictions"] = [
            {
                "model_version": task.model_version or "labelkit",
                "score": task.soft_label[best],
                "result": choice_result(spec, spec.label_names[best]),
            }
        ]
    return record


def choice_result(spec: ProjectSpec, label_name: str) -> list[Json]:
    """The ``result`` of an annotation or prediction that chooses one label."""
    return [
        {
            "from_name": CHOICES,
            "to_name": object_name(spec),
            "type": "choices",
            "value": {"choices": [label_name]},
        }
    ]


def task_key_of(record: Mapping[str, Any]) -> str | None:
    """The stable key in a task's data; None for a task that labelkit did not make."""
    data = record.get("data")
    key = data.get(TASK_KEY) if isinstance(data, Mapping) else None
    return key if isinstance(key, str) else None


def human_answer(record: Mapping[str, Any], *, annotator: str) -> HumanAnswer:
    """One annotation of Label Studio's; what cannot be read says why, and is not dropped."""
    label, problem = _choice(record.get("result"))
    skipped = bool(record.get("was_cancelled"))
    lead_time = record.get("lead_time")
    return HumanAnswer(
        id=str(record.get("id")),
        annotator=annotator,
        label_name=None if skipped else label,
        status="skipped" if skipped else "answered" if label is not None else "unreadable",
        lead_time_s=float(lead_time) if isinstance(lead_time, (int, float)) else None,
        created_at=when(record.get("created_at")),
        updated_at=when(record.get("updated_at")),
        raw=json.dumps(record, ensure_ascii=True, default=str, sort_keys=True),
        problem=None if skipped else problem,
    )


def when(value: object) -> datetime | None:
    """An aware time from Label Studio's text or the SDK's ``datetime``."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _choice(result: object) -> tuple[str | None, str | None]:
    regions = [r for r in result if isinstance(r, Mapping)] if isinstance(result, list) else []
    ours = [r for r in regions if r.get("from_name") == CHOICES]
    if not ours:
        return None, f"an annotation without the control {CHOICES!r}"
    value = ours[-1].get("value")
    choices = value.get("choices") if isinstance(value, Mapping) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], str):
        return None, f"an annotation with {choices!r} where one label was asked for"
    return choices[0], None
