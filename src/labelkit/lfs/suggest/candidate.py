"""A suggested labeling function: what it is worth, and the Python that a person may accept."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from labelkit.lfs.function import LabelingFunction
from labelkit.lfs.suggest.share import Share

Basis = Literal["gold", "weak labels"]
Verdict = Literal["accept", "unsure", "ask people"]

_WIDTH = 96


@dataclass(frozen=True)
class Candidate:
    """One suggested rule.

    Parameters
    ----------
    lf : the function
    label : what it votes
    accuracy : on the half of the targets that did not propose it; its interval holds for all the
        rules that were judged at once. With ``basis`` "weak labels" it is the agreement with the
        label model and not with the truth
    floor : what a rule is worth that knows nothing: the larger of 1/k and the label's own share
    coverage : share of all examples on which it votes
    new_coverage : share of all examples on which it votes and no present function does
    conflicts : share of all examples on which it votes and present functions disagree
    closest, redundancy : the present function whose votes it repeats most, and the share of either
        one's votes that both cast alike (Jaccard, 0 … 1)
    basis : what the accuracy was measured on
    n_targets, n_judged : targets in all, and rules that were judged beside this one
    conditions : Python of each condition
    """

    lf: LabelingFunction
    label: int
    accuracy: Share
    floor: float
    coverage: float
    new_coverage: float
    conflicts: float
    closest: str
    redundancy: float
    basis: Basis
    n_targets: int
    n_judged: int
    conditions: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether a person should think of accepting it.

        "accept" only where gold shows, beyond what choosing among many explains, that it is better
        than knowing nothing. Without gold nobody knows, and people should be asked.
        """
        if self.accuracy.low <= self.floor:
            return "unsure"
        return "accept" if self.basis == "gold" else "ask people"

    def code(self, *, label_names: Sequence[str] | None = None) -> str:
        """Python of the function, to be read, edited and kept in ``labeling_functions/``.

        It needs ``from labelkit import col, labeling_function, vote``.

        Parameters
        ----------
        label_names : names of the classes, to say in a comment which one it votes for
        """
        name = "" if label_names is None else f"  # {' '.join(label_names[self.label].split())}"
        where = (
            self.conditions[0].removeprefix("(").removesuffix(")")
            if len(self.conditions) == 1 and self.conditions[0].startswith("(")
            else " & ".join(self.conditions)
        )
        body = f"    return vote({self.label}, where={where}){name}\n"
        if len(body) > _WIDTH:
            joined = "\n        & ".join(self.conditions) if len(self.conditions) > 1 else where
            body = (
                f"    return vote(\n        {self.label},{name}\n        where={joined},\n    )\n"
            )
        return f"@labeling_function\ndef {self.lf.name}():\n{_docstring(self.lf.doc)}{body}"


HEADER = '''"""Suggested by labelkit, accepted by a person: edit them; say why each should hold."""

from labelkit import col, labeling_function, vote
'''


def _docstring(doc: str) -> str:
    lines = textwrap.wrap(doc.replace("\\", r"\\").replace('"""', "'''"), width=_WIDTH - 4)
    text = "\n    ".join(lines)
    return f'    """{text}"""\n'
