"""What a project's labeling functions do, seen from many sides: the verbs of ``labelkit lfs``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.errors import ProjectError
from labelkit.project.config import Config
from labelkit.project.manifest import Manifest
from labelkit.project.runs import Progress, Run
from labelkit.project.units import refuse_other_unit

if TYPE_CHECKING:
    import polars as pl

    from labelkit.lfs.suggest import Candidate, Suggestions
    from labelkit.project.diffing import LFDiff
    from labelkit.project.suggesting import Accepted
    from labelkit.project.watching import Look


class LFViews(ABC):
    """The half of ``Project`` that looks at labeling functions; the other half opens runs and gold.

    Parameters
    ----------
    directory : the project
    config : its ``labelkit.toml``
    """

    directory: Path
    config: Config

    @abstractmethod
    def gold(self) -> pl.DataFrame:
        """What people answered so far."""

    @abstractmethod
    def runs(self) -> tuple[Run, ...]:
        """Complete runs, oldest first."""

    @abstractmethod
    def run(self, run_id: str | None = None) -> Run:
        """The run of that id, or the latest."""

    @abstractmethod
    def _chosen(self, run_id: str | None) -> Run:
        """The run of that id, or the latest; it labels the unit of ``labelkit.toml``."""

    @abstractmethod
    def _gold_of(self, run: Run) -> pl.DataFrame:
        """What people answered about examples of a run."""

    @abstractmethod
    def _asked_of(self) -> tuple[Manifest, ...]:
        """The runs that rounds were drawn from, where gold is about rows of one log."""

    def lfs(self, *, run: str | None = None) -> pl.DataFrame:
        """The LF analysis of a run (default: the latest), measured on all gold of today."""
        from labelkit.lfs import analyze
        from labelkit.project.functions import votes_of

        chosen = self._chosen(run)
        votes = votes_of(chosen)
        analysis = chosen.lf_analysis()
        gold = self._gold_of(chosen)
        if gold.is_empty():
            return analysis
        fresh: pl.DataFrame = analyze(votes, gold=gold)
        estimates = [name for name in analysis.columns if name.startswith("estimated_")]
        return fresh.join(
            analysis.select("lf", *estimates), on="lf", how="left", maintain_order="left"
        )

    def lfs_agreement(self, *, run: str | None = None) -> pl.DataFrame:
        """How a run's LFs agree, pair by pair; see ``labelkit.lfs.agreement``."""
        from labelkit.project.functions import agreement_table, votes_of

        return agreement_table(votes_of(self._chosen(run))).frame

    def lfs_redundancy(self, *, run: str | None = None) -> pl.DataFrame:
        """Which of a run's LFs say nothing new; see ``labelkit.lfs.redundancy``."""
        from labelkit.project.functions import redundancy_table, votes_of

        return redundancy_table(votes_of(self._chosen(run))).frame

    def lfs_value(self, *, run: str | None = None) -> pl.DataFrame:
        """What a run's labels lose without each LF, on all gold of today.

        See ``labelkit.labelmodels.marginal_value``. The table is kept in the run, for its report.
        """
        from labelkit.project.functions import value_table, votes_of

        chosen = self._chosen(run)
        votes = votes_of(chosen)
        table = value_table(
            votes,
            self._gold_of(chosen),
            method=chosen.method,
            class_balance=self.config.model.class_balance,
            seed=chosen.manifest.seed,
        )
        table.save(chosen.path)
        return table.frame

    def lfs_errors(
        self,
        lf: str | None = None,
        *,
        vote: int | None = None,
        label: int | None = None,
        run: str | None = None,
    ) -> pl.DataFrame:
        """Votes beside gold: counts of every bucket, or the examples behind those of one LF.

        Parameters
        ----------
        lf : name of an LF, or "(labels)" for the weak labels; None gives the counts
        vote : what it voted, -1 for abstained; None: whatever gold contradicts
        label : the true class; None: any

        Raises
        ------
        GoldError
            There is no gold label for this run.
        """
        from labelkit.project import functions

        chosen = self._chosen(run)
        gold = self._gold_of(chosen)
        if lf is not None:
            return functions.errors_of(
                chosen, gold, self.config, self.directory, lf=lf, vote=vote, label=label
            )
        table = functions.errors_table(
            functions.votes_of(chosen),
            functions.honest_labels(chosen),
            functions.needed_gold(gold, chosen),
            chosen.manifest.label_names,
        )
        table.save(chosen.path)
        return table.frame

    def lfs_drift(self, before: str | None = None, after: str | None = None) -> pl.DataFrame:
        """What the LFs of two runs do otherwise, tested; the last two runs unless given.

        See ``labelkit.lfs.lf_drift``. Accuracy is measured on all gold of today.
        """
        from labelkit.lfs import lf_drift
        from labelkit.project.functions import votes_of

        runs = self._two_runs(before, after)
        known = [self._gold_of(run) for run in runs]
        both = all(len(side) for side in known)
        found: pl.DataFrame = lf_drift(
            *(votes_of(run) for run in runs),
            gold_before=known[0] if both else None,
            gold_after=known[1] if both else None,
        )
        return found

    def lfs_diff(
        self, before: str | None = None, after: str | None = None, *, n: int = 10
    ) -> LFDiff:
        """What the edits between two runs changed; the last two runs unless given.

        Parameters
        ----------
        n : examples to show
        """
        from labelkit.project.diffing import diff_runs

        runs = self._two_runs(before, after)
        return diff_runs(
            *runs,
            gold=self._gold_of(runs[1]),
            config=self.config,
            directory=self.directory,
            n=n,
        )

    def lfs_watch(
        self, *, n: int = 2_000, seed: int | None = None, progress: Progress | None = None
    ) -> Iterator[Look]:
        """The LFs on a sample of examples, at once and after every edit; it never ends by itself.

        Parameters
        ----------
        n : examples in the sample; whole queries are drawn, those with gold first
        seed : of the sample; that of ``labelkit.toml`` unless given
        """
        from labelkit.project.watching import watch

        return watch(
            self.directory,
            self.config,
            gold=self.gold(),
            asked_of=self._asked_of(),
            seed=self.config.run.seed if seed is None else seed,
            n=n,
            progress=progress,
        )

    def _two_runs(self, before: str | None, after: str | None) -> tuple[Run, Run]:
        """The runs named; the latest, and the one before it, where they are not."""
        second = self._chosen(after)
        if before is not None:
            return _comparable(self.run(before), second)
        earlier = [run for run in self.runs() if run.id < second.id]
        if not earlier:
            raise ProjectError(
                f"There is no run before {second.id!r} to compare it with. Run `labelkit label` "
                "after an edit."
            )
        return _comparable(earlier[-1], second)

    def suggest(
        self, *, run: str | None = None, n: int = 10, seed: int | None = None
    ) -> Suggestions:
        """Labeling functions that gold suggests, or without gold a run's own labels.

        See ``labelkit.lfs.suggest``. Nothing is written.
        """
        from labelkit.project.suggesting import suggest_for

        chosen = self._chosen(run)
        return suggest_for(
            chosen,
            self.config,
            self.directory,
            gold=self._gold_of(chosen),
            n=n,
            seed=self.config.run.seed if seed is None else seed,
        )

    def accept(
        self,
        candidates: Sequence[Candidate],
        *,
        file: str | Path = "labeling_functions/suggested.py",
    ) -> Accepted:
        """Keep suggested functions in a file of the project, as code for a person to edit."""
        from labelkit.project.suggesting import accept

        names = self.config.labels.names
        return accept(candidates, Path(file), self.config, self.directory, label_names=names)


def _comparable(first: Run, second: Run) -> tuple[Run, Run]:
    refuse_other_unit(first.manifest, second.manifest)
    return first, second
