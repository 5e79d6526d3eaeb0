"""A real Label Studio behind a proxy that answers 500, 429, too late, or not at all."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import traceback
import uuid
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from faulty_proxy import Fault, faulty_proxy

import labelkit as lk
from labelkit.errors import PlatformError
from labelkit.platforms import ScriptedAnnotator
from labelkit.platforms.label_studio_listing import pages_of_keys
from labelkit.rounds.retry import RetryPolicy

pytestmark = [pytest.mark.label_studio, pytest.mark.xdist_group("label_studio")]

QUICK = RetryPolicy(attempts=4, first_s=0.05, longest_s=2.0)
N = 30


@pytest.fixture
def proxy(label_studio_server: Any) -> Any:
    with faulty_proxy(label_studio_server.url) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: Any, label_studio_server: Any) -> lk.LabelStudio:
    return lk.LabelStudio(proxy.url, label_studio_server.token, retry=QUICK, timeout_s=10)


@pytest.fixture
def directly(label_studio_server: Any) -> lk.LabelStudio:
    return lk.LabelStudio(label_studio_server.url, label_studio_server.token)


@pytest.fixture
def round_(through: lk.LabelStudio, tmp_path: Path) -> Any:
    batch = pl.DataFrame(
        {
            "query": [f"q{i}" for i in range(N)],
            "item": range(N),
            "inclusion_probability": [1.0] * N,
            "stratum": ["informative"] * N,
        }
    )
    with lk.Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
        yield ledger.open_round(batch, platform=through, name=uuid.uuid4().hex)


def keys_on(platform: lk.LabelStudio, project: str) -> list[str]:
    pages = pages_of_keys(platform._server, project)
    return [task.data["labelkit_key"] for page in pages for task in page]


def answer_all(platform: lk.LabelStudio, round_: Any, *, limit: int) -> None:
    truth = {(f"q{i}", i): i % 2 for i in range(N)}
    ScriptedAnnotator(truth).answer(round_, limit=limit)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_for_a_while_delays_a_push_and_a_pull_and_no_more(
    proxy, through, directly, round_, status
):
    proxy.first(2, "/api/", Fault(status=status))
    project = round_.push().project
    assert len(proxy.seen) >= 3
    proxy.first(2, "/import", Fault(status=status))
    assert sorted(keys_on(directly, project)) == sorted(task.key for task in round_.tasks())
    answer_all(through, round_, limit=6)
    proxy.first(2, "/api/tasks", Fault(status=status))
    assert round_.pull().n_new_annotations == 6


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_import_that_is_refused_is_sent_again(proxy, directly, round_, status):
    proxy.first(2, "/import", Fault(status=status))
    result = round_.push()
    assert result.n_pushed == N
    assert proxy.count("/import", method="POST") == 3
    keys = keys_on(directly, result.project)
    assert len(keys) == len(set(keys)) == N


@pytest.mark.parametrize(
    "fault",
    [
        Fault(after=True, cut=True),
        Fault(after=True, status=500),
        Fault(after=True, status=504),
        Fault(late_s=0.5, cut=True),
    ],
    ids=["done, then cut", "done, then 500", "done, then 504", "cut, and done half a second later"],
)
def test_an_import_whose_answer_is_lost_is_found_and_not_sent_again(proxy, directly, round_, fault):
    proxy.first(1, "/import", fault)
    result = round_.push()
    assert proxy.count("/import", method="POST") == 1
    keys = keys_on(directly, result.project)
    assert len(keys) == len(set(keys)) == N
    assert round_.status().n_on_platform == N
    assert all(task.task_id for task in round_.tasks())


def test_an_import_in_the_background_as_hosted_editions_do_it_is_waited_for(
    proxy, directly, round_
):
    proxy.first(1, "/import", Fault(status=201, body=b'{"import": 7}', late_s=1.0))
    result = round_.push()
    assert proxy.count("/import", method="POST") == 1
    assert len(keys_on(directly, result.project)) == N
    assert round_.status().n_on_platform == N


def test_a_project_whose_creation_was_not_heard_of_is_found(proxy, directly, round_):
    proxy.first(1, "/api/projects", Fault(after=True, cut=True), method="POST")
    project = round_.push().project
    listed = directly._sdk.projects.list(include="id,description", page_size=100).items
    marked = [p for p in listed if round_.uid in (p.description or "")]
    assert [str(p.id) for p in marked] == [project]


def test_answers_come_through_cut_connections_exactly_once(proxy, through, round_):
    round_.push()
    answer_all(through, round_, limit=10)
    proxy.first(2, "/api/tasks", Fault(cut=True))
    assert round_.pull().n_new_annotations == 10
    proxy.first(1, "/api/tasks", Fault(after=True, cut=True))
    assert round_.pull().n_new_annotations == 0


def test_users_that_cannot_be_listed_for_a_while_rename_nobody(proxy, through, round_):
    round_.push()
    answer_all(through, round_, limit=2)
    assert round_.pull().n_new_annotations == 2
    proxy.first(2, "/api/users", Fault(status=502))
    pulled = round_.pull()
    assert pulled.n_changed_annotations == 0


def test_a_slow_server_is_waited_for_and_a_dead_slow_one_asked_again(
    proxy, label_studio_server, round_
):
    round_.push()
    hasty = lk.LabelStudio(proxy.url, label_studio_server.token, retry=QUICK, timeout_s=3)
    proxy.first(1, "/api/tasks", Fault(delay_s=1.0))
    assert hasty.cursor(round_.project) is None
    asked = len(proxy.seen)
    proxy.first(1, "/api/tasks", Fault(delay_s=4.0))
    assert hasty.cursor(round_.project) is None
    assert len(proxy.seen) == asked + 2


def test_a_server_that_stays_broken_is_told_with_the_command_that_goes_on(
    proxy, label_studio_server, round_, caplog
):
    proxy.plan = lambda number, method, path: Fault(status=500, headers={"Set-Cookie": "s=1"})
    with pytest.raises(PlatformError, match=r"\(500\).*labelkit round push") as caught:
        round_.push()
    assert len(proxy.seen) == QUICK.attempts
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "attempt 2 of 4" in told
    assert label_studio_server.token not in told
    assert "s=1" not in told
    proxy.plan = lambda number, method, path: None
    assert round_.push().n_pushed == N
    proxy.plan = lambda number, method, path: Fault(cut=True)
    with pytest.raises(PlatformError, match=r"does not answer.*labelkit round (push or )?pull"):
        round_.pull()


def test_a_token_that_expires_on_the_way_is_not_tried_again(proxy, directly, round_):
    proxy.first(1, "/import", Fault(status=401))
    with pytest.raises(PlatformError, match=r"\(401\).*LABEL_STUDIO_API_KEY.*labelkit round push"):
        round_.push(batch_size=10)
    assert proxy.count("/import", method="POST") == 1
    again = round_.push(batch_size=10)
    assert again.n_pushed == N
    assert len(keys_on(directly, again.project)) == N


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for this machine, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a self-signed certificate with")
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*request, *files], check=True, capture_output=True)
    return folder / "cert.pem"


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_token_is_sent(
    label_studio_server, certificate
):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with faulty_proxy(label_studio_server.url, tls=tls) as proxy:
        untrusting = lk.LabelStudio(proxy.url, label_studio_server.token)
        with pytest.raises(PlatformError, match=r"certificate.*cannot be verified.*ca_bundle"):
            untrusting.cursor("1")
        assert proxy.seen == []
        ours = lk.LabelStudio(proxy.url, label_studio_server.token, ca_bundle=certificate)
        with pytest.raises(PlatformError, match="project 99999999 is not there"):
            ours.cursor("99999999")
        assert proxy.seen


def test_a_ca_bundle_that_is_none_is_refused_at_once(tmp_path):
    with pytest.raises(PlatformError, match="holds no certificates"):
        lk.LabelStudio("https://localhost", "token", ca_bundle=tmp_path / "nowhere.pem")
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(PlatformError, match="holds no certificates"):
        lk.LabelStudio("https://localhost", "token", ca_bundle=tmp_path / "junk.pem")
