"""Label Studio's JSON: tasks as it imports them, annotations as it exports them.

Both platforms speak it, so files written here can be imported into any Label Studio by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from labelkit.platforms.interface import Interface
from labelkit.platforms.labeling_config import CHOICES, COMMENT, object_name
from labelkit.rounds.plan import TASK_KEY
from labelkit.rounds.platform import HumanAnswer, ProjectSpec, TaskSpec

# JSON as a parser gives it, at the border to a foreign format.
Json = dict[str, Any]

ORDER_VERSION = "labelkit"
"""The ``model_version`` of predictions whose score is an order, and of those without a version."""


def task_json(
    spec: ProjectSpec, task: TaskSpec, interface: Interface | None = None, *, ordered: bool = False
) -> Json:
    """A task with its pre-annotation, in the format of Label Studio's import.

    Parameters
    ----------
    ordered : the score of the prediction is the task's ``priority``, by which Label Studio's
        "Uncertainty sampling" orders a project (lowest first). A task without a soft label then has
        a prediction as well, which is empty and shows nothing
    """
    made = {} if interface is None else interface.task_data(spec, task)
    record: Json = {"data": {**task.data, **made, TASK_KEY: task.key}}
    prediction: Json = {}
    if task.soft_label is not None:
        best = max(range(len(task.soft_label)), key=task.soft_label.__getitem__)
        prediction = {
            "model_version": task.model_version or ORDER_VERSION,
            "score": task.soft_label[best],
            "result": choice_result(spec, spec.label_names[best]),
        }
    if ordered and task.priority is not None:
        # Only predictions of the version that the project names are looked at.
        prediction = {"result": [], **prediction, "score": task.priority}
        prediction["model_version"] = ORDER_VERSION
    if prediction:
        record["predictions"] = [prediction]
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
        comment=_comment(record.get("result")),
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


def _regions(result: object, control: str) -> list[Mapping[str, Any]]:
    regions = [r for r in result if isinstance(r, Mapping)] if isinstance(result, list) else []
    return [region for region in regions if region.get("from_name") == control]


def _comment(result: object) -> str | None:
    said: list[str] = []
    for region in _regions(result, COMMENT):
        value = region.get("value")
        text = value.get("text") if isinstance(value, Mapping) else None
        said += [text] if isinstance(text, str) else [t for t in text or () if isinstance(t, str)]
    return "\n".join(said) or None


def _choice(result: object) -> tuple[str | None, str | None]:
    ours = _regions(result, CHOICES)
    if not ours:
        return None, f"an annotation without the control {CHOICES!r}"
    value = ours[-1].get("value")
    choices = value.get("choices") if isinstance(value, Mapping) else None
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], str):
        return None, f"an annotation with {choices!r} where one label was asked for"
    return choices[0], None
