"""What the page exports: one person's answers to one round, as JSON.

::

    {"format": "labelkit answers 1", "round": <uid>, "annotator": "anna", "session": <32 hex>,
     "answers": [{"key": …, "status": "answered" | "skipped" | "withdrawn", "label": …,
                  "lead_time_s": 4.2, "created_at": …, "updated_at": …}, …]}

A session is one person in one browser. Each export holds everything that the session has said, so
of several files of one session the latest word on each task counts, in whatever order they come.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelkit.errors import PlatformError
from labelkit.platforms.exchange import when
from labelkit.platforms.folder import load_json
from labelkit.rounds.platform import HumanAnswer

FORMAT = "labelkit answers 1"
_STATUSES = ("answered", "skipped", "withdrawn")
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Word:
    """The last that a session said about a task; ``answer`` is None if it was taken back."""

    said_at: float
    answer: HumanAnswer | None


Session = dict[str, Word]
"""Task key → the last word on it."""


def read_sessions(paths: Iterable[Path], uid: str) -> Mapping[str, Session]:
    """All that the sessions of a round have said, by session.

    Raises
    ------
    PlatformError
        A file is no export of the page, is one of another round, or holds records that cannot be
        read; the message names the file, how many, and the first.
    """
    sessions: dict[str, Session] = {}
    for path in paths:
        record = load_json(path)
        annotator, session = _header(path, record, uid)
        words = sessions.setdefault(session, {})
        bad: list[str] = []
        for entry in record["answers"]:
            problem = _problem(entry)
            if problem is not None:
                bad.append(problem)
                continue
            word = _word(entry, annotator, session)
            there = words.get(entry["key"])
            if there is None or word.said_at >= there.said_at:
                words[entry["key"]] = word
        if bad:
            raise PlatformError(
                f"{path} has {len(bad):,} of {len(record['answers']):,} answers that cannot be "
                f"read (first: {bad[0]}). Export again from the page."
            )
    return sessions


def _header(path: Path, record: object, uid: str) -> tuple[str, str]:
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise PlatformError(
            f'{path} is not an export of the labeling page: it lacks \'"format": "{FORMAT}"\'.'
        )
    if record.get("round") != uid:
        raise PlatformError(
            f"{path} holds answers to another round. Put it into the folder of the round whose "
            "page it was exported from."
        )
    annotator, session = record.get("annotator"), record.get("session")
    if not isinstance(annotator, str) or not _is_name(annotator):
        raise PlatformError(
            f"{path} does not say who answered: 'annotator' must be a name of at most "
            f"{_LONGEST_NAME} printable characters."
        )
    if not isinstance(session, str) or not re.fullmatch(r"[0-9a-f]{32}", session):
        raise PlatformError(f"{path} has no 'session' of 32 hex digits. Export again.")
    if not isinstance(record.get("answers"), list):
        raise PlatformError(f"{path} has no list of 'answers'. Export again from the page.")
    return annotator, session


def _is_name(text: str) -> bool:
    # Cf stays allowed: some scripts need joiners inside names.
    bad = any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text)
    return bool(text.strip()) and len(text) <= _LONGEST_NAME and not bad


def _problem(entry: object) -> str | None:
    """What is wrong with one record, None if nothing is."""
    if not isinstance(entry, dict) or not isinstance(entry.get("key"), str):
        return f"{entry!r:.80} has no 'key'"
    key, label, lead = entry["key"], entry.get("label"), entry.get("lead_time_s")
    if entry.get("status") not in _STATUSES:
        return f"{key:.80} has the status {entry.get('status')!r:.40}"
    if entry["status"] == "answered" and not isinstance(label, str):
        return f"{key:.80} is answered without a label"
    number = isinstance(lead, (int, float)) and not isinstance(lead, bool)
    if lead is not None and not (number and math.isfinite(lead) and lead >= 0):
        return f"{key:.80} has the lead time {lead!r:.40}"
    if when(entry.get("updated_at")) is None:
        return f"{key:.80} has the time {entry.get('updated_at')!r:.40}"
    return None


def _word(entry: Mapping[str, Any], annotator: str, session: str) -> Word:
    updated_at = when(entry["updated_at"])
    said_at = 0.0 if updated_at is None else updated_at.timestamp()
    if entry["status"] == "withdrawn":
        return Word(said_at, None)
    answered = entry["status"] == "answered"
    return Word(
        said_at,
        HumanAnswer(
            id=session,
            annotator=annotator,
            label_name=entry["label"] if answered else None,
            status="answered" if answered else "skipped",
            lead_time_s=entry.get("lead_time_s"),
            created_at=when(entry.get("created_at")),
            updated_at=updated_at,
            raw=json.dumps(entry, ensure_ascii=True, sort_keys=True),
        ),
    )
