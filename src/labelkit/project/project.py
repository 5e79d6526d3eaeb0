"""``Project``: a directory with ``labelkit.toml``, and the verbs that the command line has too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.errors import GoldError, ProjectError, RoundError
from labelkit.evidence.units import EXAMPLE, IMPRESSION
from labelkit.project import create as creating
from labelkit.project.config import FILE_NAME, Config, Strategy, read_config
from labelkit.project.lf_views import LFViews
from labelkit.project.manifest import Manifest
from labelkit.project.runs import Progress, Run, list_runs
from labelkit.project.units import as_toml, in_words, refuse_other_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from labelkit.bias import Scheme
    from labelkit.lfs import AnyLF
    from labelkit.project.biasing import BiasReport
    from labelkit.project.people import Adjudicated, PeopleReport
    from labelkit.project.training import Rows, TrainingSet
    from labelkit.rounds import (
        AnnotationPlatform,
        Ledger,
        PullResult,
        PushResult,
        Round,
        RoundStatus,
    )
    from labelkit.selection import LabelPlan, LearningCurves
    from labelkit.validation import ValidationReport

LEDGER = "LABELKIT_LEDGER"


class Project(LFViews):
    """A project directory: where the log is, the labeling functions, the rounds and the runs.

    The views of labeling functions are those of ``LFViews``.

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
        unit: Sequence[str] = EXAMPLE,
    ) -> Project:
        """Make a new project; see ``labelkit.project.create``."""
        creating.create(Path(directory), log=log, columns=columns, unit=unit)
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
            asked_of=self._asked_of(),
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

        chosen = self._chosen(run) if run is not None or self.runs() else None
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
        unit: Rows = "example",
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
            self._chosen(run),
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

    def _chosen(self, run_id: str | None) -> Run:
        """``run``, if it labels what ``labelkit.toml`` says; verbs that work on runs take it."""
        run, unit = self.run(run_id), self.config.labels.unit
        if run.manifest.unit != unit:
            raise ProjectError(
                f"Run {run.id} labels {in_words(run.manifest.unit)}, and labelkit.toml says "
                f"[labels] unit = {as_toml(unit)}. Run `labelkit label`, or set it back."
            )
        return run

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
        from labelkit.platforms import FilesPlatform, Interface, LabelStudio, OfflinePage

        platform = self.config.platform
        if platform.kind == "files":
            return FilesPlatform(self.directory / platform.directory)
        pair = (platform.pair[0], platform.pair[1]) if platform.pair else None
        if platform.kind == "page":
            return OfflinePage(self.directory / platform.directory, pair=pair)
        ca_bundle = platform.ca_bundle
        # The token comes from the environment or the keyring: it passes through no file of ours.
        return LabelStudio(
            str(platform.url),
            project=platform.project,
            interface=Interface(
                images=platform.images,
                links=platform.links,
                pair=pair,
                comments=platform.comments,
                hosts=platform.hosts,
            ),
            overlap=platform.overlap,
            order=platform.order,
            annotators=platform.annotators,
            ca_bundle=None if ca_bundle is None else self.directory / ca_bundle,
        )

    def where_to_label(self, project: str) -> str:
        """One sentence that tells people where the tasks of a platform project are."""
        platform = self.config.platform
        folder = self.directory / platform.directory / project
        if platform.kind == "files":
            return f"Fill in {folder / 'annotations.csv'}, or put Label Studio's export beside it."
        if platform.kind == "page":
            return (
                f"Open {folder / 'label.html'} in a browser (`labelkit round open`), and put the "
                "file that it exports beside it."
            )
        return f"Label at {self.labeling_address(project)}"

    def labeling_address(self, project: str) -> str:
        """The address at which a platform project is labeled, for a browser or the desktop."""
        platform = self.config.platform
        if platform.kind == "label_studio":
            return f"{str(platform.url).rstrip('/')}/projects/{project}/data"
        name = "label.html" if platform.kind == "page" else "annotations.csv"
        return (self.directory / platform.directory / project / name).resolve().as_uri()

    def gold(self) -> pl.DataFrame:
        """What people answered so far; an empty frame before the first round."""
        from labelkit.rounds.gold import gold_frame

        nothing = gold_frame([], default_keys=self.config.labels.unit)
        if not self._has_ledger():
            return nothing
        with self.ledger() as ledger:
            gold = ledger.gold()
        return gold if len(gold) else nothing

    def _gold_of(self, run: Run) -> pl.DataFrame:
        """The gold of examples that a run labeled, with keys of its types."""
        from labelkit.project.gold import match_gold

        gold = self.gold()
        if len(gold):
            refuse_other_rows(run.manifest.log_files, self._asked_of())
        return match_gold(gold, run.labels(), run.keys)

    def _asked_of(self) -> tuple[Manifest, ...]:
        """The runs that rounds were drawn from, where gold is about rows of one log: impressions.

        A run that was deleted tells nothing any more.
        """
        if self.config.labels.unit != (IMPRESSION,) or not self._has_ledger():
            return ()
        with self.ledger() as ledger:
            names = set(ledger.model_versions())
        return tuple(run.manifest for run in self.runs() if run.id in names)

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
        from labelkit.project.asking import open_round

        chosen = self._chosen(run)
        refuse_other_rows(chosen.manifest.log_files, self._asked_of())
        selection = self.config.selection
        asked = replace(
            selection,
            n=selection.n if n is None else n,
            strategy=strategy or selection.strategy,
            audit_share=selection.audit_share if audit_share is None else audit_share,
        )
        with self.ledger() as ledger:
            planned = open_round(
                ledger,
                chosen,
                replace(self.config, selection=asked),
                self.directory,
                platform=self.platform(),
                name=name,
                seed=self.config.run.seed if seed is None else seed,
            )
            return planned.status()

    def plan_labels(
        self,
        target: str,
        *,
        strategy: Strategy | None = None,
        audit_share: float | None = None,
        cost_per_label: float | None = None,
        seconds_per_label: float | None = None,
        n_max: int | None = None,
        seed: int | None = None,
        run: str | None = None,
    ) -> LabelPlan:
        """How many labels a target such as "f1 ± 0.03" takes; see ``labelkit.plan_labels``.

        Further rounds are taken to be drawn as ``[selection]`` says. Time per label is what the
        ledger's answers took, unless given.
        """
        from labelkit.project.planning import plan_project

        settings = self.config.selection
        chosen, timed = self._chosen(run), None
        gold = self._gold_of(chosen)
        if self._has_ledger():
            with self.ledger() as ledger:
                timed = ledger.seconds_per_label()
        return plan_project(
            chosen,
            self._in_time(gold) if len(gold) else gold,
            target,
            n_max=n_max,
            strategy=strategy or settings.strategy,
            audit_share=settings.audit_share if audit_share is None else audit_share,
            audit=settings.audit,
            cost_per_label=cost_per_label,
            seconds_per_label=timed if seconds_per_label is None else seconds_per_label,
            seed=self.config.run.seed if seed is None else seed,
        )

    def simulate_rounds(
        self,
        truth: str | Path,
        *,
        strategies: Sequence[str] | None = None,
        rounds: int = 10,
        n: int = 20,
        seeds: int = 10,
        metric: str = "f1",
        error_rate: float = 0.0,
        cost_per_label: float = 1.0,
        seed: int | None = None,
        run: str | None = None,
    ) -> LearningCurves:
        """Which strategy would have paid on this project's labels; ``labelkit.simulate_rounds``.

        Parameters
        ----------
        truth : Parquet, CSV or JSON-lines file with the key columns and ``label``
        """
        from labelkit.project.planning import simulate_project

        return simulate_project(
            self._chosen(run),
            Path(truth),
            strategies=strategies,
            rounds=rounds,
            n=n,
            seeds=seeds,
            metric=metric,
            error_rate=error_rate,
            cost=cost_per_label,
            seed=self.config.run.seed if seed is None else seed,
        )

    def round_push(self, name: str | None = None) -> PushResult:
        """Send a round's tasks to the platform (default: the round that is open)."""
        with self._round(name) as round_:
            return round_.push()

    def round_address(self, name: str | None = None) -> str:
        """The address at which a round is labeled (default: the round that is open).

        Raises
        ------
        RoundError
            The round was never pushed.
        """
        with self._round(name) as round_:
            project = round_.project
            if project is None:
                raise RoundError(
                    f"Round {round_.name!r} is not on the platform yet: push it first "
                    "(`labelkit round push`)."
                )
            return self.labeling_address(project)

    def round_pull(self, name: str | None = None) -> PullResult:
        """Bring a round's answers into the ledger (default: the round that is open)."""
        with self._round(name) as round_:
            return round_.pull()

    def round_close(self, name: str | None = None) -> RoundStatus:
        """Close a round (default: the round that is open)."""
        with self._round(name) as round_:
            return round_.close()

    def round_adjudicate(self, name: str | None = None) -> Adjudicated:
        """Ask again what people disagree on, or take in what was answered to that.

        ``name`` is the round itself, not its follow-up round (default: the one that is open).
        """
        from labelkit.project.people import adjudicate

        if name is None:
            name = self._only_open()
        with self.ledger() as ledger:
            round_ = ledger.round(name, platform=self.platform())
            return adjudicate(ledger, round_, min_agreement=self.config.rounds.min_agreement)

    def _only_open(self) -> str:
        from labelkit.rounds.adjudication import SUFFIX

        names = [s.name for s in self.round_status() if s.state != "closed"]
        names = [name for name in names if not name.endswith(SUFFIX)]
        if len(names) != 1:
            which = ", ".join(names) or "none is open"
            raise RoundError(f"Name the round to adjudicate with --name ({which}).")
        return names[0]

    def round_people(
        self, name: str | None = None, *, cost_per_label: float | None = None
    ) -> PeopleReport:
        """How far people agree, how good each is, and when the work will end.

        Raises
        ------
        RoundError
            There is no round, or none of that name.
        """
        from labelkit.project.people import people_report

        if not self._has_ledger():
            raise RoundError("There is no round yet. Run `labelkit round plan` first.")
        with self.ledger() as ledger:
            return people_report(ledger, name, cost_per_label=cost_per_label)

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
        from labelkit.project.measuring import measure

        chosen = self._chosen(run)
        gold = self._gold_of(chosen)
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
