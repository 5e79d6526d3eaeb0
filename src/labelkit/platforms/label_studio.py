"""Label Studio through its own SDK (2.x): projects, tasks, pre-annotations and answers.

Measured with label-studio 1.23.2: an import of 1,000 tasks with predictions takes about a second,
a listing of keys a third of that, and a filter on ``updated_at`` a tenth of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from labelkit.errors import PlatformError
from labelkit.platforms import label_studio_copies as copies
from labelkit.platforms import label_studio_listing as listing
from labelkit.platforms.exchange import (
    ORDER_VERSION,
    choice_result,
    human_answer,
    task_json,
    task_key_of,
)
from labelkit.platforms.interface import Interface
from labelkit.platforms.label_studio_calls import (
    Client,
    MaybeDone,
    NotAllowed,
    Server,
    checked_url,
    trusting,
)
from labelkit.platforms.labeling_config import CHOICES, labeling_config
from labelkit.platforms.scripted import ScriptedAnswer
from labelkit.platforms.tokens import find_token
from labelkit.rounds.platform import ProjectSpec, TaskAnswers, TaskSpec
from labelkit.rounds.retry import RetryPolicy

Order = Literal["pushed", "priority"]
Identity = Literal["email", "id"]

_IMPORT_TIMEOUT_S = 180
# How long to look for the tasks of an import whose answer was lost, before it is sent again.
_SETTLED_S = 2.0


class LabelStudio:
    """An annotation platform on a Label Studio server, Community or hosted.

    Parameters
    ----------
    url : address of the server, such as ``http://localhost:8080``
    token : access token (personal or legacy); by default from ``LABEL_STUDIO_API_KEY``, else from
        the system's keyring (``keyring set labelkit <url>``)
    project : title of one project for all rounds; by default each round has its own
    interface : images, links, pairs, a box for remarks, worked examples
    overlap : how many people answer each task; None leaves it as the project has it (1 if new)
    order : "pushed" shows tasks in the order in which they were sent; "priority" in that of
        ``TaskSpec.priority`` over all rounds of a project, by Label Studio's "Uncertainty sampling"
    annotators : what stands for an annotator in the ledger: the e-mail address, or the bare id
    retry : how often and how long a call is made again
    timeout_s : seconds to wait for one call
    ca_bundle : file with the certificates to trust, if the server's is signed by your own authority

    Raises
    ------
    PlatformError
        There is no token, the address is no http(s) URL, or a setting is out of range. The server
        itself is first asked when a round is pushed.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        project: str | None = None,
        interface: Interface | None = None,
        overlap: int | None = None,
        order: Order = "pushed",
        annotators: Identity = "email",
        retry: RetryPolicy | None = None,
        timeout_s: float = 60,
        ca_bundle: str | Path | None = None,
    ) -> None:
        if overlap is not None and overlap < 1:
            raise PlatformError(f"overlap is how many people answer a task, at least 1: {overlap}.")
        if order not in ("pushed", "priority"):
            raise PlatformError(f'order is "pushed" or "priority"; got {order!r}.')
        if annotators not in ("email", "id"):
            raise PlatformError(f'annotators is "email" or "id"; got {annotators!r}.')
        self.url = checked_url(url)
        self.project = project
        self.interface = interface or Interface()
        self.overlap = overlap
        self.order = order
        self.annotators = annotators
        self._server = Server(
            self.url,
            find_token(self.url, token),
            timeout_s=timeout_s,
            retry=retry or RetryPolicy(),
            tls=trusting(ca_bundle),
        )

    def __repr__(self) -> str:
        return f"LabelStudio({self.url!r}, project={self.project!r})"

    def __getstate__(self) -> dict[str, Any]:
        raise PlatformError("A LabelStudio holds a token and cannot be pickled: make a new one.")

    @property
    def kind(self) -> str:
        return "label_studio"

    def project_url(self, project: str) -> str:
        """The address where people label this project."""
        return f"{self.url}/projects/{project}/data"

    def ensure_project(self, spec: ProjectSpec, *, project: str | None = None) -> str:
        self.interface.checked(spec)
        mark = self._mark(spec)
        if project is None:
            project = self._find(mark)
        if project is None:
            project = self._create(spec, mark)
        found = self._server.ask(
            "open the project",
            lambda sdk: sdk.projects.get(int(project)),
            then="push",
            project=project,
        )
        offered = _offered_labels(found.parsed_label_config)
        lost = [name for name in spec.label_names if name not in offered]
        if lost:
            raise PlatformError(
                f"Project {project} on {self.url} does not offer the label {lost[0]!r} (it offers "
                f"{', '.join(offered) or 'none'} in a control named {CHOICES!r}). Its labeling "
                "configuration was edited by hand: put the label back, then repeat the command "
                "(labelkit round push)."
            )
        wanted = {k: v for k, v in self._settings().items() if getattr(found, k, None) != v}
        if wanted:
            self._server.ask(
                "change the project's settings",
                lambda sdk: sdk.projects.update(int(project), **wanted),
                then="push",
                project=project,
            )
        return project

    def existing_keys(self, project: str) -> Mapping[str, str]:
        keys: dict[str, str] = {}
        for page in listing.pages_of_keys(self._server, project):
            keys = {**listing.keys_in(page), **keys}
        return keys

    def push(self, project: str, spec: ProjectSpec, tasks: Sequence[TaskSpec]) -> Mapping[str, str]:
        ids: dict[str, str] = {}
        missing = list(tasks)
        pauses = self._server.retry.pauses()
        while missing:
            try:
                ids |= self._import(project, spec, missing)
                break
            except MaybeDone as error:
                # Never repeated blindly: a call that failed half-way may have created its tasks.
                ids |= self._settled(project, {task.key for task in missing}, over=error.over)
                missing = [task for task in tasks if task.key not in ids]
                pause = next(pauses, None)
                if missing and pause is None:
                    raise
            time.sleep(pause or 0)
        return ids

    def cursor(self, project: str) -> str | None:
        return listing.last_touch(self._server, project)

    def answers(self, project: str, *, since: str | None = None) -> Iterator[Sequence[TaskAnswers]]:
        people: Mapping[int, str] | None = None
        for page in listing.pages_of_answers(self._server, project, since=since):
            if people is None:
                people = self._people()
            yield [
                TaskAnswers(key, str(task.id), _answers_of(task.annotations or [], people))
                for task in page
                if (key := task_key_of({"data": task.data})) is not None
            ]

    def n_tasks(self, project: str) -> int:
        return copies.n_tasks(self._asking(project), project)

    def remove_copies(self, project: str) -> Mapping[str, tuple[str, int]]:
        return copies.remove_copies(self._asking(project), project)

    def _asking(self, project: str) -> copies.Ask:
        def ask(what: str, call: Callable[[Client], Any]) -> Any:
            # Copies are looked for at the end of a push and at the start of a pull.
            return self._server.ask(what, call, then="push or pull", project=project)

        return ask

    def submit(
        self, project: str, spec: ProjectSpec, answers: Sequence[ScriptedAnswer], *, annotator: str
    ) -> None:
        """Hand in a script's answers, as the user that the token belongs to."""

        def hand_in(answer: ScriptedAnswer) -> None:
            result: Any = choice_result(spec, answer.label_name)
            self._server.ask(
                "create an annotation",
                lambda sdk: sdk.annotations.create(
                    int(answer.task_id), result=result, lead_time=1.0
                ),
                then="pull",
                project=project,
                repeatable=False,
            )

        # Four at a time are 1.5 times as fast as one after the other; SQLite allows no more.
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(hand_in, answers))

    @property
    def _sdk(self) -> Client:
        return self._server.sdk

    def _mark(self, spec: ProjectSpec) -> str:
        return f"labelkit:{spec.uid}" if self.project is None else "labelkit:shared"

    def _title(self, spec: ProjectSpec) -> str:
        return _fitting(self.project or f"labelkit {spec.title}")

    def _settings(self) -> dict[str, Any]:
        """What the project must be set to; both work in the Community edition, whose interface
        hides them."""
        settings: dict[str, Any] = {}
        if self.overlap is not None:
            settings["maximum_annotations"] = self.overlap
        if self.order == "priority":
            settings |= {"sampling": "Uncertainty sampling", "model_version": ORDER_VERSION}
        return settings

    def _find(self, mark: str) -> str | None:
        """The oldest project with our mark, which is the one that every process agrees on."""

        def listed_at(sdk: Client) -> list[Any]:
            answer = sdk.projects.list(include="id,title,description", page=page, page_size=100)
            some: list[Any] = answer.items or []
            return some

        found = []
        page = 1
        title = None if self.project is None else _fitting(self.project)
        while True:
            listed = self._server.ask("list projects", listed_at, then="push")
            for project in listed:
                marks = (project.description or "").split()
                titled = title in (None, project.title)
                if mark in marks and titled:
                    found.append(int(project.id))
            if len(listed) < 100:
                return str(min(found)) if found else None
            page += 1

    def _create(self, spec: ProjectSpec, mark: str) -> str:
        settings = self._settings()
        guidelines = self.interface.guidelines(spec.instructions)
        if guidelines:
            settings |= {"expert_instruction": guidelines, "show_instruction": True}
        try:
            made = self._server.ask(
                "create the project",
                lambda sdk: sdk.projects.create(
                    title=self._title(spec),
                    description=f"Made by labelkit; do not change this mark: {mark}",
                    label_config=labeling_config(spec, self.interface),
                    show_collab_predictions=True,
                    **settings,
                ),
                then="push",
                repeatable=False,
            )
        except MaybeDone:
            time.sleep(_SETTLED_S)
            there = self._find(mark)
            if there is None:
                raise
            return there
        first = self._find(mark)
        if first is not None and first != str(made.id):
            # Another process made it in the same moment; ours is still empty.
            self._server.ask(
                "delete a project that another process made as well",
                lambda sdk: sdk.projects.delete(int(made.id)),
                then="push",
            )
        return first or str(made.id)

    def _import(
        self, project: str, spec: ProjectSpec, tasks: Sequence[TaskSpec]
    ) -> Mapping[str, str]:
        ordered = self.order == "priority"
        request: Any = [task_json(spec, task, self.interface, ordered=ordered) for task in tasks]
        answer = self._server.ask(
            "import tasks",
            lambda sdk: sdk.projects.import_tasks(
                int(project), request=request, return_task_ids=True
            ),
            then="push",
            project=project,
            repeatable=False,
        )
        ids = getattr(answer, "task_ids", None)
        if ids and len(ids) == len(tasks):
            return {task.key: str(id_) for task, id_ in zip(tasks, ids, strict=True)}
        return self._wait_for(project, {task.key for task in tasks})

    def _settled(self, project: str, keys: set[str], *, over: bool) -> Mapping[str, str]:
        """Which tasks of an import that failed are there, once no more of them appear."""
        there = listing.newest_of(self._server, project, keys)
        while not over and len(there) < len(keys):
            time.sleep(_SETTLED_S)
            before, there = there, listing.newest_of(self._server, project, keys)
            over = len(there) == len(before)
        return there

    def _wait_for(self, project: str, keys: set[str]) -> Mapping[str, str]:
        """Hosted editions import in the background: wait until the tasks can be seen."""
        deadline = time.monotonic() + _IMPORT_TIMEOUT_S
        pause_s = 0.2
        while True:
            there = listing.newest_of(self._server, project, keys)
            if len(there) == len(keys) or time.monotonic() > deadline:
                return there
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 10)

    def _people(self) -> Mapping[int, str]:
        """User id → e-mail address; empty where ids are wanted, or the token may not list users."""
        if self.annotators == "id":
            return {}
        try:
            users: list[Any] = self._server.ask(
                "list users", lambda sdk: list(sdk.users.list()), then="pull", past_the_end=[]
            )
        except NotAllowed:
            return {}
        return {user.id: user.email for user in users if user.email}


def _answers_of(annotations: Sequence[Mapping[str, Any]], people: Mapping[int, str]) -> Any:
    answers = []
    for annotation in annotations:
        person = annotation.get("completed_by")
        if isinstance(person, Mapping):
            person = person.get("id")
        who = people.get(person) if isinstance(person, int) else None
        answers.append(human_answer(annotation, annotator=who or f"user {person}"))
    return tuple(answers)


def _fitting(title: str) -> str:
    """Label Studio takes titles of 3 to 50 characters."""
    return title[:50].ljust(3, "_")


def _offered_labels(parsed: object) -> tuple[str, ...]:
    control = parsed.get(CHOICES) if isinstance(parsed, Mapping) else None
    labels = control.get("labels") if isinstance(control, Mapping) else None
    return tuple(labels or ())
