"""A throw-away PostgreSQL server on this machine: for tests, benchmarks and trying things out.

Run it (``python scripts/postgresql_server.py``): it prints the URL of an empty database. Ctrl-C
stops it, and everything it held is then gone. From Python::

    with running_postgresql(find_postgresql()) as server:
        lk.Ledger(server.new_database())

PostgreSQL does not run as root: started by root, the server belongs to ``postgres`` or ``nobody``.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS_VARIABLE = "LABELKIT_POSTGRESQL_BIN"
_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = ("postgres", "nobody")
_START_TIMEOUT_S = 60


@dataclass(frozen=True)
class PostgresqlServer:
    """Where a server is, and how to get in."""

    port: int
    user: str
    password: str = field(repr=False)

    def url(self, database: str) -> str:
        """The URL of one of the server's databases."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        import psycopg

        name = f"labelkit_{secrets.token_hex(8)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.url(name)


def find_postgresql() -> Path | None:
    """The folder of the server's programs: of the newest version that is installed."""
    given = os.environ.get(PROGRAMS_VARIABLE)
    on_path = shutil.which("initdb")
    found = [Path(given)] if given else []
    versions = _DEBIAN.glob("*/bin") if _DEBIAN.is_dir() else ()
    found += sorted(versions, key=lambda path: float(path.parent.name), reverse=True)
    found += [Path(on_path).resolve().parent] if on_path else []
    return next((path for path in found if (path / "initdb").exists()), None)


@contextmanager
def running_postgresql(programs: Path) -> Iterator[PostgresqlServer]:
    """A server with data of its own on a free local port, until the block ends.

    Raises
    ------
    RuntimeError
        The server ended or did not answer in time; the message ends in its log's last lines.
    """
    user = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="labelkit-postgresql-") as folder:
        home = Path(folder)
        server = PostgresqlServer(_free_port(), "labelkit", secrets.token_hex(12))
        password = home / "password"
        password.write_text(server.password)
        log = home / "server.log"
        if user is not None:
            for path in (home, password):
                shutil.chown(path, user)
        options = ["--auth=scram-sha-256", f"--username={server.user}", f"--pwfile={password}"]
        options += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D", str(home / "data")]
        made = subprocess.run(  # noqa: S603 - our own command on our own machine
            [programs / "initdb", *options], user=user, cwd=home, capture_output=True, text=True
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stderr[-2000:]}")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": server.port,
            "unix_socket_directories": home,
            "max_connections": 50,
            # What it holds is thrown away: no write need survive a power cut.
            "fsync": "off",
        }
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603
                [programs / "postgres", "-D", home / "data", *chosen],
                user=user,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                _wait_until_ready(process, programs, server, log)
                yield server
            finally:
                _end(process)


def _unprivileged() -> str | None:
    """Whom the server is to run as; None where we are somebody ordinary ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in known)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(
    process: subprocess.Popen[bytes], programs: Path, server: PostgresqlServer, log: Path
) -> None:
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(server.port)]
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if subprocess.run(ready).returncode == 0:  # noqa: S603
            return
        time.sleep(0.1)
    tail = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"PostgreSQL did not start; its log ends:\n{tail}")


def _end(process: subprocess.Popen[bytes]) -> None:
    # Quit is its "immediate shutdown": what it held is thrown away, so nothing need be written.
    for kind in (signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(kind)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            continue


def main() -> int:
    programs = find_postgresql()
    if programs is None:
        sys.stderr.write("PostgreSQL is not installed: run scripts/install_postgresql.sh\n")
        return 1
    with running_postgresql(programs) as server:
        sys.stdout.write(
            f"A ledger for a team: {server.new_database()}\n"
            "Ctrl-C ends the server, and everything it holds is gone.\n"
        )
        sys.stdout.flush()
        try:
            signal.pause()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
