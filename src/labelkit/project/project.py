"""``Project``: a directory with ``labelkit.toml``, and the verbs that the command line has too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.errors import GoldError, ProjectError, RoundError
from labelkit.project import create as creating
from labelkit.project.config import FILE_NAME, Config, Strategy, read_config
from labelkit.project.runs import Progress, Run, list_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from labelkit.bias import Scheme
    from labelkit.lfs import AnyLF
    from labelkit.lfs.suggest import Candidate, Suggestions
    from labelkit.project.biasing import BiasReport
    from labelkit.project.diffing import LFDiff
    from labelkit.project.suggesting import Accepted
    from labelkit.project.training import TrainingSet, Unit
    from labelkit.project.watching import Look
    from labelkit.rounds import (
        AnnotationPlatform,
        Ledger,
        PullResult,
        PushResult,
        Round,
        RoundStatus,
    )
    from labelkit.validation import ValidationReport

LEDGER = "LABELKIT_LEDGER"
KEYS = ["query", "item"]


class Project:
    """A project directory: where the log is, the labeling functions, the rounds and the runs.

    Parameters
    ----------
    directory : holds ``labelkit.toml``

    Raises
    ------
    ProjectError
        There is no ``labelkit.toml``, or something in it is wrong.
    """

    def __init__(self, directory: str | Path = ".") -> None:
        self.directory = Path(directory)
        self.config: Config = read_config(self.directory / FILE_NAME)

    @classmethod
    def create(
        cls,
        directory: str | Path,
        *,
        log: Sequence[str] = ("logs/*.parquet",),
        columns: Mapping[str, str] | None = None,
    ) -> Project:
        """Make a new project; see ``labelkit.project.create``."""
        creating.create(Path(directory), log=log, columns=columns)
        return cls(directory)

    # Labels

    @cached_property
    def _lfs(self) -> tuple[AnyLF, ...]:
        from labelkit.lfs import load_lfs

        return tuple(load_lfs(self.config.lfs.modules, self.directory))

    def labeling_functions(self) -> tuple[AnyLF, ...]:
        """The labeling functions of the modules that ``[lfs]`` names, in order."""
        return self._lfs

    def label(self, *, seed: int | None = None, progress: Progress | None = None) -> Run:
        """Label the log, learning from the gold of the ledger if there is any.

        Twice with the same seed, the same log and the same gold gives byte-identical labels.

        Parameters
        ----------
        seed : of everything random; that of ``labelkit.toml`` unless given
        progress : called with the name of each stage as it begins
        """
        from labelkit.project.labeling import Job, label

        job = Job(
            directory=self.directory,
            config=self.config,
            lfs=self.labeling_functions(),
            gold=self.gold(),
            seed=self.config.run.seed if seed is None else seed,
        )
        run = label(job, progress=progress)
        if run.manifest.counts.n_gold:
            self.validate(run=run.id)
        return run

    def bias(
        self,
        *,
        run: str | None = None,
        n_windows: int = 4,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> BiasReport:
        """How far the log's propensities are to be believed, and what they do to the labels.

        Fits every estimator that the log can carry side by side, holds the position-based model
        against rival click models, compares time windows and rankers, weighs the weights, and
        moves θ across its interval to see how many labels change. The tables are kept in the run
        (default: the latest), so that its report shows them.

        Parameters
        ----------
        n_windows : time windows that the log is cut into
        seed : of everything random; that of ``labelkit.toml`` unless given
        progress : called with the name of each stage as it begins
        """
        from labelkit.project.examining import examine_project

        chosen = self.run(run) if run is not None or self.runs() else None
        return examine_project(
            self.directory,
            self.config,
            lfs=self.labeling_functions(),
            gold=self.gold(),
            run=chosen,
            n_windows=n_windows,
            seed=self.config.run.seed if seed is None else seed,
            progress=progress,
        )

    def training_set(
        self,
        path: str | Path,
        *,
        run: str | None = None,
        unit: Unit = "example",
        scheme: Scheme = "self_normalised",
        clip: float | None = None,
        features: Sequence[str] = (),
    ) -> TrainingSet:
        """Write a run's labels as a Parquet training set, with weights and group ids.

        Parameters
        ----------
        unit, scheme, clip : as in ``labelkit.project.training.write_training_set``
        features : columns of the tables of ``labelkit.toml`` to put beside the labels
        """
        from labelkit.project.training import project_training_set

        return project_training_set(
            Path(path),
            self.directory,
            self.config,
            self.run(run),
            gold=self.gold(),
            unit=unit,
            scheme=scheme,
            clip=clip,
            features=features,
        )

    def runs(self) -> tuple[Run, ...]:
        """Complete runs, oldest first."""
        return list_runs(self.directory / "runs")

    def run(self, run_id: str | None = None) -> Run:
        """The run of that id, or the latest.

        Raises
        ------
        ProjectError
            There is no such run.
        """
        runs = self.runs()
        if not runs:
            raise ProjectError("There is no run yet. Run `labelkit label` first.")
        if run_id is None:
            return runs[-1]
        for run in runs:
            if run.id == run_id:
                return run
        raise ProjectError(f"There is no run {run_id!r}. The latest is {runs[-1].id!r}.")

    def latest(self) -> Run:
        """The latest run."""
        return self.run()

    def lfs(self, *, run: str | None = None) -> pl.DataFrame:
        """The LF analysis of a run (default: the latest), measured on all gold of today."""
        import narwhals as nw

        from labelkit.lfs import analyze
        from labelkit.project.functions import votes_of
        from labelkit.project.gold import match_gold

        chosen = self.run(run)
        votes = votes_of(chosen)
        analysis = chosen.lf_analysis()
        gold = match_gold(self.gold(), nw.to_native(votes.frame))
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

        return agreement_table(votes_of(self.run(run))).frame

    def lfs_redundancy(self, *, run: str | None = None) -> pl.DataFrame:
        """Which of a run's LFs say nothing new; see ``labelkit.lfs.redundancy``."""
        from labelkit.project.functions import redundancy_table, votes_of

        return redundancy_table(votes_of(self.run(run))).frame

    def lfs_value(self, *, run: str | None = None) -> pl.DataFrame:
        """What a run's labels lose without each LF, on all gold of today.

        See ``labelkit.labelmodels.marginal_value``. The table is kept in the run, for its report.
        """
        from labelkit.project.functions import value_table, votes_of
        from labelkit.project.gold import match_gold

        chosen = self.run(run)
        votes = votes_of(chosen)
        table = value_table(
            votes,
            match_gold(self.gold(), chosen.labels()),
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

        chosen, gold = self.run(run), self.gold()
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
        from labelkit.project.gold import match_gold

        gold = self.gold()
        runs = self._two_runs(before, after)
        known = [match_gold(gold, run.labels()) for run in runs]
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

        return diff_runs(
            *self._two_runs(before, after),
            gold=self.gold(),
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
            seed=self.config.run.seed if seed is None else seed,
            n=n,
            progress=progress,
        )

    def _two_runs(self, before: str | None, after: str | None) -> tuple[Run, Run]:
        """The runs named; the latest, and the one before it, where they are not."""
        second = self.run(after)
        if before is not None:
            return self.run(before), second
        earlier = [run for run in self.runs() if run.id < second.id]
        if not earlier:
            raise ProjectError(
                f"There is no run before {second.id!r} to compare it with. Run `labelkit label` "
                "after an edit."
            )
        return earlier[-1], second

    def suggest(
        self, *, run: str | None = None, n: int = 10, seed: int | None = None
    ) -> Suggestions:
        """Labeling functions that gold suggests, or without gold a run's own labels.

        See ``labelkit.lfs.suggest``. Nothing is written.
        """
        from labelkit.project.suggesting import suggest_for

        return suggest_for(
            self.run(run),
            self.config,
            self.directory,
            gold=self.gold(),
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

    # Rounds

    @property
    def ledger_url(self) -> str:
        """The ledger's database; the environment's LABELKIT_LEDGER beats ``labelkit.toml``."""
        url = os.environ.get(LEDGER) or self.config.rounds.ledger
        prefix = "sqlite:///"
        name = url.removeprefix(prefix)
        if url.startswith(prefix) and not Path(name).is_absolute():
            return f"{prefix}{(self.directory / name).resolve()}"
        return url

    def _has_ledger(self) -> bool:
        url = self.ledger_url
        return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).is_file()

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger of human labeling, opened for a ``with`` block."""
        from labelkit.rounds import Ledger

        with Ledger(self.ledger_url) as ledger:
            yield ledger

    def platform(self) -> AnnotationPlatform:
        """The platform that ``[platform]`` names, with its secrets from the environment.

        Raises
        ------
        PlatformError
            It is Label Studio, and LABEL_STUDIO_API_KEY is not set.
        """
        from labelkit.platforms import FilesPlatform, LabelStudio

        platform = self.config.platform
        if platform.kind == "files":
            return FilesPlatform(self.directory / platform.directory)
        # It takes its token from LABEL_STUDIO_API_KEY: a secret passes through no file of ours.
        return LabelStudio(str(platform.url), project=platform.project)

    def where_to_label(self, project: str) -> str:
        """One sentence that tells people where the tasks of a platform project are."""
        platform = self.config.platform
        if platform.kind == "files":
            folder = self.directory / platform.directory / project
            return f"Fill in {folder / 'annotations.csv'}, or put Label Studio's export beside it."
        return f"Label at {str(platform.url).rstrip('/')}/projects/{project}/data"

    def gold(self) -> pl.DataFrame:
        """What people answered so far; an empty frame before the first round."""
        if not self._has_ledger():
            from labelkit.rounds.gold import gold_frame

            return gold_frame([], default_keys=KEYS)
        with self.ledger() as ledger:
            return ledger.gold()

    def round_plan(
        self,
        n: int | None = None,
        *,
        strategy: Strategy | None = None,
        audit_share: float | None = None,
        name: str | None = None,
        seed: int | None = None,
        run: str | None = None,
    ) -> RoundStatus:
        """Draw a batch from a run's labels, and open it as a round; nothing is sent yet.

        Whatever an earlier round asked about is left out. Settings that are not given come from
        ``[selection]`` in ``labelkit.toml``.
        """
        from labelkit.project.gold import match_gold
        from labelkit.project.tables import shown_items
        from labelkit.selection import select

        settings, chosen = self.config.selection, self.run(run)
        labels = chosen.labels()
        with self.ledger() as ledger:
            asked = match_gold(ledger.asked(), labels)
            batch = select(
                labels,
                settings.n if n is None else n,
                strategy=strategy or settings.strategy,
                audit_share=settings.audit_share if audit_share is None else audit_share,
                max_per_query=settings.max_per_query,
                exclude=asked if len(asked) else None,
                seed=self.config.run.seed if seed is None else seed,
            )
            planned = ledger.open_round(
                batch,
                platform=self.platform(),
                items=shown_items(batch.frame, self.config.tables, self.directory),
                label_names=self.config.labels.names,
                instructions=self.config.rounds.instructions,
                name=name,
                model_version=chosen.id,
            )
            return planned.status()

    def round_push(self, name: str | None = None) -> PushResult:
        """Send a round's tasks to the platform (default: the round that is open)."""
        with self._round(name) as round_:
            return round_.push()

    def round_pull(self, name: str | None = None) -> PullResult:
        """Bring a round's answers into the ledger (default: the round that is open)."""
        with self._round(name) as round_:
            return round_.pull()

    def round_close(self, name: str | None = None) -> RoundStatus:
        """Close a round (default: the round that is open)."""
        with self._round(name) as round_:
            return round_.close()

    def round_status(self) -> tuple[RoundStatus, ...]:
        """Where every round stands, oldest first."""
        if not self._has_ledger():
            return ()
        with self.ledger() as ledger:
            return ledger.rounds()

    @contextmanager
    def _round(self, name: str | None) -> Iterator[Round]:
        if name is None:
            still_open = [status.name for status in self.round_status() if status.state != "closed"]
            if not still_open:
                raise RoundError("No round is open. Run `labelkit round plan` first.")
            if len(still_open) > 1:
                raise RoundError(f"Several rounds are open: name one of {', '.join(still_open)}.")
            (name,) = still_open
        with self.ledger() as ledger:
            yield ledger.round(name, platform=self.platform())

    # What it is worth

    def validate(self, *, run: str | None = None) -> ValidationReport:
        """What a run's labels are worth, on all gold, next to the naive reading of the clicks.

        Gold that the run was fitted with is compared with labels from models that did not see it.
        The result is kept in the run as ``validation.parquet``.

        Raises
        ------
        GoldError
            There is no gold label for this run.
        """
        from labelkit.project.gold import match_gold
        from labelkit.project.measuring import measure

        chosen = self.run(run)
        gold = match_gold(self.gold(), chosen.labels())
        if gold.is_empty():
            raise GoldError(
                "There is no gold label yet to validate on. Ask people: `labelkit round plan`, "
                "`labelkit round push`, and when they have labeled `labelkit round pull`."
            )
        report = measure(chosen, self._in_time(gold), seed=self.config.run.seed)
        chosen.save_validation(report)
        return report

    def _in_time(self, gold: pl.DataFrame) -> pl.DataFrame:
        """Gold whose ``round`` sorts by time: "round-10" comes after "round-2"."""
        import polars as pl

        order = {status.name: number for number, status in enumerate(self.round_status())}
        return gold.with_columns(pl.col("round").replace_strict(order, return_dtype=pl.Int64))
