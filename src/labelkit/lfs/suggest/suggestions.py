"""``Suggestions``: the rules that came out, as a table and as code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from labelkit.lfs.suggest.candidate import HEADER, Basis, Candidate

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Suggestions:
    """Suggested rules, the most useful first.

    Parameters
    ----------
    candidates : the rules
    basis : what they were learned and judged on
    n_targets : labels learned from
    n_judged : rules that the other half judged; the intervals hold for all of them at once
    n_terms : single conditions that were tried, alone and in pairs
    level : of the intervals, all at once
    """

    candidates: tuple[Candidate, ...]
    basis: Basis
    n_targets: int
    n_judged: int
    n_terms: int
    level: float

    @property
    def worth(self) -> tuple[Candidate, ...]:
        """Those that gold shows to be better than knowing nothing; none without gold."""
        return tuple(c for c in self.candidates if c.verdict == "accept")

    @property
    def summary(self) -> str:
        """One sentence: what was tried, and whether anything is worth accepting."""
        tried = (
            f"{self.n_terms:,} conditions and their pairs were tried on {self.n_targets:,} "
            f"{'gold labels' if self.basis == 'gold' else 'weak labels'}, "
            f"{self.n_judged} rules were judged"
        )
        if self.basis != "gold":
            return (
                f"{tried}. Accuracies are agreement with the label model, which nobody has "
                "checked: ask people about these rules before you accept one."
            )
        if not self.worth:
            return f"{tried}: none is worth accepting; gold does not show it better than guessing."
        return f"{tried}: {len(self.worth)} worth a look, better than guessing beyond chance."

    @cached_property
    def frame(self) -> pl.DataFrame:
        """One row per rule: what it says, what it is worth, what it adds, what it repeats."""
        import polars as pl

        rows = [
            {
                "lf": c.lf.name,
                "rule": c.lf.rule,
                "label": c.label,
                "verdict": c.verdict,
                "accuracy": None if c.accuracy.n == 0 else c.accuracy.estimate,
                "low": c.accuracy.low,
                "high": c.accuracy.high,
                "floor": c.floor,
                "n": c.accuracy.n,
                "effective_n": c.accuracy.effective_n,
                "coverage": c.coverage,
                "new_coverage": c.new_coverage,
                "conflicts": c.conflicts,
                "closest": c.closest,
                "redundancy": c.redundancy,
                "basis": c.basis,
            }
            for c in self.candidates
        ]
        return pl.DataFrame(rows, schema=_SCHEMA())

    def code(
        self, accepted: Sequence[Candidate] | None = None, *, label_names: Sequence[str] | None
    ) -> str:
        """A module with the accepted rules (default: those that are worth it)."""
        chosen = self.worth if accepted is None else tuple(accepted)
        return "\n\n".join([HEADER, *(c.code(label_names=label_names) for c in chosen)])


def _SCHEMA() -> dict[str, pl.DataType]:
    import polars as pl

    text, real, whole = pl.String(), pl.Float64(), pl.Int64()
    return {
        "lf": text, "rule": text, "label": whole, "verdict": text, "accuracy": real, "low": real,
        "high": real, "floor": real, "n": whole, "effective_n": real, "coverage": real,
        "new_coverage": real, "conflicts": real, "closest": text, "redundancy": real, "basis": text,
    }  # fmt: skip
