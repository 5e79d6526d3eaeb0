"""From tasks to ``label.html``: one file with its style, its script and its data inside.

The page carries a Content-Security-Policy that allows this one script and this one style, by their
hashes, and no request at all. The data stands in a JSON block that cannot end early.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from labelkit.platforms.exchange import Json, task_key_of
from labelkit.rounds.platform import ProjectSpec

# What could end the block or a line of it; and halves of surrogate pairs, which UTF-8 cannot hold.
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_BLANK = re.compile("@@([A-Z]+)@@")


def document(
    spec: ProjectSpec, tasks: Sequence[Json], *, pair: tuple[str, str] | None = None
) -> str:
    """The page of a round.

    Parameters
    ----------
    tasks : in Label Studio's import format, in the order in which people see them
    pair : what the names of the columns begin with that stand on the left and on the right
    """
    style, script = _part("page.css"), _part("page.js")
    filled = {
        "POLICY": _policy(style, script),
        "TITLE": html.escape(spec.title),
        "STYLE": style,
        "DATA": _safe_json(_data(spec, tasks, pair)),
        "SCRIPT": script,
    }
    # In one pass: what is filled in is not looked at again, whatever it says.
    return _BLANK.sub(lambda blank: filled[blank[1]], _part("page.html"))


def _data(spec: ProjectSpec, tasks: Sequence[Json], pair: tuple[str, str] | None) -> dict[str, Any]:
    return {
        "uid": spec.uid,
        "title": spec.title,
        "instructions": spec.instructions,
        "labels": spec.label_names,
        "fields": [
            {
                "caption": field.caption,
                "is_key": field.is_key,
                "side": _side(field.caption, pair),
            }
            for field in spec.fields
        ],
        "tasks": [_task(spec, task) for task in tasks],
    }


def _task(spec: ProjectSpec, task: Json) -> dict[str, Any]:
    made: dict[str, Any] = {
        "key": task_key_of(task),
        "texts": [task["data"][field.name] for field in spec.fields],
    }
    for prediction in task.get("predictions", ()):
        (region,) = prediction["result"]
        (label,) = region["value"]["choices"]
        made |= {"guess": spec.label_names.index(label), "score": prediction["score"]}
    return made


def _side(caption: str, pair: tuple[str, str] | None) -> int | None:
    for number, beginning in enumerate(pair or ()):
        if caption.startswith(beginning):
            return number
    return None


def _part(name: str) -> str:
    text = (files("labelkit.platforms.offline_page") / name).read_text(encoding="utf-8")
    # A browser hashes what it parsed, and parsing makes every line end a line feed.
    return text.replace("\r\n", "\n")


def _policy(style: str, script: str) -> str:
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            # Where the browser knows it, even a mistake of ours cannot turn text into markup.
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _safe_json(value: object) -> str:
    """JSON that holds no ``<``, so that no ``</script>`` and no ``<!--`` can stand in it.

    >>> _safe_json(["</script>", "é"])
    '["\\\\u003c/script\\\\u003e","é"]'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
