"""What a model answered, and which label that is: one of the words it was offered, or none."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from labelkit.errors import LFError
from labelkit.lfs.patterns import ABSTAIN

_AROUND = " \t\r\n.,;:!?\"'`*_()[]“”‘’«»"


class Outcome(StrEnum):
    """What became of one example."""

    VOTED = "voted"
    DECLINED = "declined: the answer that stands for abstaining"
    REFUSED = "refused"
    MALFORMED = "malformed: none of the answers"
    TRUNCATED = "truncated before an answer"
    MISSING = "not asked: a text is missing or blank"
    FAILED = "failed: no answer from the endpoint"
    CAPPED = "not asked: cost cap"


@dataclass(frozen=True)
class Reply:
    """One answer, as it is kept.

    Parameters
    ----------
    content : what the model wrote
    refused : it, or the endpoint's filter, declined to answer
    finish : why it ended: ``"stop"``, ``"length"``, …
    served_by : the model that the endpoint says has answered
    tokens_in, tokens_out : as the endpoint counts them; None if it does not
    """

    content: str
    refused: bool
    finish: str
    served_by: str
    tokens_in: int | None
    tokens_out: int | None

    @classmethod
    def read(cls, body: Mapping[str, object]) -> Reply | None:
        """From the body of a chat completion; None if it is not one."""
        choices = body.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        message = first.get("message") if isinstance(first, dict) else None
        if not isinstance(first, dict) or not isinstance(message, dict):
            return None
        content, refusal = message.get("content"), message.get("refusal")
        finish = first.get("finish_reason")
        if not isinstance(content, str | None) or (content is None and not refusal and not finish):
            return None
        usage = body.get("usage")
        used = usage if isinstance(usage, dict) else {}
        return cls(
            content=content or "",
            refused=bool(refusal) or finish == "content_filter",
            finish=str(finish or ""),
            served_by=str(body.get("model") or ""),
            tokens_in=_count(used.get("prompt_tokens")),
            tokens_out=_count(used.get("completion_tokens")),
        )


@dataclass(frozen=True)
class Answers:
    """The answers that a prompt offers.

    Parameters
    ----------
    label_of : normalised word -> label, or ABSTAIN for a word that declines
    words : as they are offered
    """

    label_of: Mapping[str, int]
    words: tuple[str, ...]

    @classmethod
    def of(cls, labels: Mapping[str, int]) -> Answers:
        """From a mapping word -> label.

        Raises
        ------
        LFError
            No label is offered, or two words cannot be told apart.
        """
        found: dict[str, int] = {}
        for word, label in labels.items():
            plain = normalised(str(word))
            if not plain or plain in found:
                raise LFError(f"The answer {word!r} is blank, or like another one offered.")
            if isinstance(label, bool) or not isinstance(label, int) or not ABSTAIN <= label < 127:
                raise LFError(f"The answer {word!r} stands for a label 0, 1, …, or -1 to decline.")
            found[plain] = label
        if not set(found.values()) - {ABSTAIN}:
            raise LFError("labels says which answer is which label: {'yes': 1, 'no': 0}.")
        return cls(found, tuple(str(word) for word in labels))

    @property
    def labels(self) -> frozenset[int]:
        """The labels that may be voted."""
        return frozenset(self.label_of.values()) - {ABSTAIN}

    def judge(self, reply: Reply) -> tuple[int, Outcome]:
        """The vote, and why. An answer counts only if it is one of the words and nothing else.

        A word that is found somewhere in a sentence would turn "not relevant" into "relevant".
        """
        if reply.refused:
            return ABSTAIN, Outcome.REFUSED
        label = self.label_of.get(normalised(_unwrapped(reply.content)))
        if label is None:
            cut = reply.finish == "length"
            return ABSTAIN, Outcome.TRUNCATED if cut else Outcome.MALFORMED
        return label, Outcome.DECLINED if label == ABSTAIN else Outcome.VOTED


def normalised(text: str) -> str:
    """Without case, compatibility forms, and punctuation around it."""
    return unicodedata.normalize("NFKC", text).casefold().strip(_AROUND)


def _unwrapped(content: str) -> str:
    """The one text in a JSON object, for models that answer ``{"answer": "yes"}``."""
    text = content.strip()
    if not text.startswith("{"):
        return text
    try:
        values = list(json.loads(text).values())
    except ValueError:
        return text
    return values[0] if len(values) == 1 and isinstance(values[0], str) else text


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
