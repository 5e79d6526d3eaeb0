"""What is wanted: a metric, and how far its interval may reach to either side."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labelkit.errors import SelectionError
from labelkit.selection.planning.confusion import METRICS

_FORM = re.compile(r"\s*([a-z0-9_]+)\s*(?:±|\+/?-)\s*([0-9.]+)\s*(%?)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """An interval of ``metric`` no wider than ``half_width`` to either side, on average.

    ::

        metric      "accuracy", "precision", "recall" or "f1"
        half_width  in (0, 0.5): half of (high − low)
    """

    metric: str
    half_width: float

    def __str__(self) -> str:
        return f"{self.metric} ± {self.half_width:g}"


def read_target(text: str | Target) -> Target:
    """A target from words.

    >>> read_target("f1 ± 0.03"), read_target("recall +- 5 %")
    (Target(metric='f1', half_width=0.03), Target(metric='recall', half_width=0.05))

    Raises
    ------
    SelectionError
        The words are not a metric and a half-width between 0 and 0.5.
    """
    if isinstance(text, Target):
        return text
    found = _FORM.fullmatch(text)
    try:
        half = float(found[2]) / (100 if found[3] else 1) if found else 0.0
    except ValueError:
        half = 0.0
    if found is None or found[1].lower() not in METRICS or not 0 < half < 0.5:
        raise SelectionError(
            f"target = {text!r} is not understood. Write a metric ({', '.join(METRICS)}) and a "
            f"half-width between 0 and 0.5, as in 'f1 ± 0.03', 'f1 +- 0.03' or 'recall +- 5 %'."
        )
    return Target(found[1].lower(), half)
