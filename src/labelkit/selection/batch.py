"""``Batch``: examples drawn for people to label, and ``Design``: how they were drawn."""

from __future__ import annotations

from dataclasses import dataclass

from labelkit.engine import NativeFrame


@dataclass(frozen=True)
class Design:
    """What is needed to draw a batch again, and to weigh its labels.

    Parameters
    ----------
    n_population : examples that could be drawn: the pool without the excluded ones (N)
    n_excluded : pool examples that could not be drawn, because ``exclude`` names them
    n_informative : size of the certainty stratum, drawn by score with probability 1
    n_audit : size of the probability sample from the other N − n_informative examples
    strategy : "margin", "entropy" or "random"
    audit : "equal", "pps", "poisson", "class" or "score": how the probability sample was drawn
    audit_share : the share of the batch that was asked for as audit sample
    max_per_query : most informative examples of one query, or None
    seed : seed of the draw
    keys : columns that identify an example
    distinct : columns that mark duplicates among informative examples; empty: none were looked for
    """

    n_population: int
    n_excluded: int
    n_informative: int
    n_audit: int
    strategy: str
    audit: str
    audit_share: float
    max_per_query: int | None
    seed: int
    keys: tuple[str, ...]
    distinct: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Examples in the batch."""
        return self.n_informative + self.n_audit

    @property
    def population(self) -> str:
        """One sentence on what labels of this batch can speak about."""
        who = f"{self.n_population:,} examples"
        if self.n_excluded:
            who += f" (the pool without {self.n_excluded:,} that were labeled before)"
        if self.n_audit == 0 and self.n < self.n_population:
            return (
                f"The {self.n:,} chosen examples only: without an audit sample, nothing is known "
                f"about the other {self.n_population - self.n:,}."
            )
        return f"All {who}."


@dataclass(frozen=True)
class Batch:
    """Examples drawn for people to label.

    ::

        frame   key columns
                inclusion_probability  float in (0, 1], known by design
                stratum                "informative" (drawn by score, π = 1) or "audit"
                score                  acquisition score in [0, 1], of the strategy
                                       (of margin, for information, when the strategy is random)
                rank                   1 … n, the order in which to label
                label, p_0 … p_{k-1}   carried along from the weak labels
        design  how it was drawn

    ``rank`` mixes the audit examples in at random places: an annotator cannot tell the strata
    apart, and tiredness hits both alike. Among informative examples it follows the score.
    """

    frame: NativeFrame
    design: Design

    def __len__(self) -> int:
        return self.design.n
