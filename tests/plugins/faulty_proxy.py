"""A reverse proxy that misbehaves on purpose: real HTTP between us and a real server.

A fault is a function of the request's number and path; it says what happens to that request.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of its plain way through.

    Parameters
    ----------
    status : answer with this status and do not pass the request on
    headers : of that answer
    body : of that answer
    after : the server gets the request and carries it out; then the fault happens all the same
    cut : close the connection without an answer
    delay_s : seconds to wait before anything else
    late_s : pass the request on this much later, in the background, like a slow import
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"detail": "the proxy says no"}'
    after: bool = False
    cut: bool = False
    delay_s: float = 0.0
    late_s: float | None = None


Plan = Callable[[int, str, str], Fault | None]


class FaultyProxy:
    """Where the proxy is, what it is to do wrong, and what it saw."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.plan: Plan = lambda number, method, path: None
        self.seen: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self.late: list[threading.Thread] = []

    def first(self, n: int, part: str, fault: Fault, *, method: str | None = None) -> None:
        """The first ``n`` requests whose path contains ``part`` meet ``fault``."""
        left = iter(range(n))

        def plan(number: int, how: str, path: str) -> Fault | None:
            hit = part in path and method in (None, how) and next(left, None) is not None
            return fault if hit else None

        self.plan = plan

    def count(self, part: str, *, method: str) -> int:
        with self.lock:
            return sum(how == method and part in path for how, path in self.seen)


@contextmanager
def faulty_proxy(upstream: str, *, tls: ssl.SSLContext | None = None) -> Iterator[FaultyProxy]:
    """A proxy before ``upstream`` on a free port of this machine, until the block ends."""
    parts = urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with proxy.lock:
                proxy.seen.append((self.command, self.path))
                fault = proxy.plan(len(proxy.seen), self.command, self.path)
            if fault is None:
                self.give(*self.passed_on(body))
                return
            time.sleep(fault.delay_s)
            if fault.late_s is not None:
                # The next request of this connection overwrites what this one was.
                request = (body, self.command, self.path, dict(self.headers))
                late = threading.Timer(fault.late_s, self.passed_on, args=request)
                proxy.late.append(late)
                late.start()
            elif fault.after:
                self.passed_on(body)
            if fault.cut:
                self.close_connection = True
                self.connection.close()
            elif fault.status is not None:
                headers = {"Content-Type": "application/json", **fault.headers}
                self.give(fault.status, list(headers.items()), fault.body)
            else:
                self.give(*self.passed_on(body))

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = do_any

        def passed_on(
            self,
            body: bytes,
            command: str | None = None,
            path: str | None = None,
            sent: dict[str, str] | None = None,
        ) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=120)
            skipped = ("host", "connection", "accept-encoding")
            headers = {k: v for k, v in (sent or self.headers).items() if k.lower() not in skipped}
            connection.request(
                command or self.command, path or self.path, body=body, headers=headers
            )
            answer = connection.getresponse()
            found = answer.status, answer.getheaders(), answer.read()
            connection.close()
            return found

        def give(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is what these tests are about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    scheme = "http"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    proxy = FaultyProxy(f"{scheme}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        for late in proxy.late:
            late.join()
        server.shutdown()
        server.server_close()
        thread.join()
