"""A throw-away Label Studio server on this machine: for tests, benchmarks and trying things out.

Run it (``python scripts/label_studio_server.py``): it prints where it is and how to get in.
Ctrl-C stops it, and everything it held is then gone. From Python::

    with running_label_studio(find_label_studio()) as server:
        lk.LabelStudio(server.url, server.token)
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

VENV_VARIABLE = "LABELKIT_LABEL_STUDIO_VENV"
_ROOT = Path(__file__).resolve().parents[1]
_START_TIMEOUT_S = 300


@dataclass(frozen=True)
class LabelStudioServer:
    """Where a server is, and how to get in."""

    url: str
    username: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    log: Path


def find_label_studio() -> Path | None:
    """The server's program, in the virtual environment that ``make test`` installs it in."""
    venv = Path(os.environ.get(VENV_VARIABLE) or _ROOT / ".venv-label-studio")
    program = venv / "bin" / "label-studio"
    return program if program.exists() else None


@contextmanager
def running_label_studio(program: Path) -> Iterator[LabelStudioServer]:
    """A server with a database of its own on a free local port, until the block ends.

    Raises
    ------
    RuntimeError
        The server ended or did not answer in time; the message ends in its log's last lines.
    """
    with tempfile.TemporaryDirectory(prefix="labelkit-label-studio-") as folder:
        data = Path(folder) / "data"
        shutil.copytree(_empty_database(program), data)
        port = _free_port()
        server = LabelStudioServer(
            url=f"http://127.0.0.1:{port}",
            username="annotator@example.com",
            password=secrets.token_hex(12),
            token=secrets.token_hex(20),
            log=Path(folder) / "server.log",
        )
        user = ["--username", server.username, "--password", server.password]
        user += ["--user-token", server.token]
        with _process(program, data, port, server.log, user):
            yield server


def _empty_database(program: Path) -> Path:
    """A data folder whose database is made, but empty; kept beside the program.

    Making it takes Label Studio most of a minute, starting on it a few seconds.
    """
    done = program.parent.parent / "labelkit-empty-database"
    if not done.is_dir():
        making = Path(tempfile.mkdtemp(prefix=f"{done.name}-", dir=done.parent))
        with _process(program, making / "data", _free_port(), making / "server.log", []):
            pass
        # Two test runs may make it at once; the first to finish is the one that stays.
        with contextlib.suppress(OSError):
            os.rename(making / "data", done)
        shutil.rmtree(making)
    return done


@contextmanager
def _process(
    program: Path, data: Path, port: int, log_path: Path, options: list[str]
) -> Iterator[None]:
    data.mkdir(exist_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command on our own machine
            [*_command(program, port), *options],
            env=_environment(data),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children end with it
        )
        try:
            _wait_until_healthy(process, port, log_path)
            yield
        finally:
            _end(process)


def _command(program: Path, port: int) -> list[str]:
    address = ["--internal-host", "127.0.0.1", "--port", str(port)]
    return [str(program), "start", "--no-browser", "--enable-legacy-api-token", *address]


def _environment(data: Path) -> dict[str, str]:
    return {
        **os.environ,
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        # Nothing of a test leaves this machine.
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    # A proxy from the environment must not stand between us and this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"Label Studio did not start; its log ends:\n{tail}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, kind)
            process.wait(timeout=10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def main() -> int:
    program = find_label_studio()
    if program is None:
        sys.stderr.write("Label Studio is not installed: run scripts/install_label_studio.sh\n")
        return 1
    with running_label_studio(program) as server:
        sys.stdout.write(
            f"Label Studio runs at {server.url}\n"
            f"  log in as {server.username} with password {server.password}\n"
            f"  export LABEL_STUDIO_API_KEY={server.token}\n"
            "Ctrl-C ends it, and everything it holds is gone.\n"
        )
        sys.stdout.flush()
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
