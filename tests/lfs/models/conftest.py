"""A local server that speaks the protocol of OpenAI-compatible endpoints, and fails on demand."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Say:
    """What the server does with one request.

    ``content`` answers; ``status`` fails with ``headers``; ``body`` is sent as it is; ``reset``
    breaks the connection; ``delay_s`` waits first.
    """

    content: str | None = "yes"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay_s: float = 0.0
    reset: bool = False
    refusal: str | None = None
    finish: str = "stop"
    usage: bool = True
    tokens_out: int = 1


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float

    @property
    def user(self) -> str:
        text: str = self.body["messages"][-1]["content"]
        return text


class ChatServer:
    """Answers chat completions and embeddings as `script` says, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answered: list[str] = []
        self.n_at_once = self.most_at_once = 0
        self.billed_tokens = 0
        self.script: Callable[[str, int], Say] = lambda prompt, n_before: Say()
        self.embed: Callable[[list[str]], Any] = lambda texts: [[float(len(t)), 1.0] for t in texts]
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"chat": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def times_asked(self, prompt: str) -> int:
        return sum(prompt in asked.user for asked in self.asked)

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    chat: ChatServer

    def do_GET(self) -> None:
        """Where a client that follows redirects would arrive."""
        self.chat.asked.append(Asked(self.path, {}, dict(self.headers), time.monotonic()))
        self._send(404, b"{}", {})

    def do_POST(self) -> None:
        chat = self.chat
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = Asked(self.path, body, dict(self.headers), time.monotonic())
        with chat.lock:
            if self.path.endswith("/chat/completions"):
                n_before = chat.times_asked(asked.user)
                say = chat.script(asked.user, n_before)
            else:
                say = chat.script("", len(chat.asked))
            chat.asked.append(asked)
            chat.n_at_once += 1
            chat.most_at_once = max(chat.most_at_once, chat.n_at_once)
        time.sleep(say.delay_s)
        with chat.lock:
            chat.n_at_once -= 1
        if say.reset:
            # Closing with linger 0 sends RST, as a crashed server's kernel does.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        data = say.body
        if data is None and say.status == 200:
            data = json.dumps(self._answer(asked, say)).encode()
        self._send(say.status, data or b"", say.headers)

    def _answer(self, asked: Asked, say: Say) -> dict[str, Any]:
        chat = self.chat
        if asked.path.endswith("/embeddings"):
            vectors = chat.embed(asked.body["input"])
            data = [{"index": i, "embedding": v} for i, v in enumerate(vectors)]
            return {"object": "list", "data": data[::-1], "model": asked.body["model"]}
        tokens_in = sum(len(m["content"]) for m in asked.body["messages"]) // 4
        with chat.lock:
            chat.billed_tokens += tokens_in + say.tokens_out
            chat.answered.append(asked.user)
        message = {"role": "assistant", "content": say.content, "refusal": say.refusal}
        usage = {
            "prompt_tokens": tokens_in,
            "completion_tokens": say.tokens_out,
            "total_tokens": tokens_in + say.tokens_out,
        }
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": asked.body["model"] + "-2026-01-01",
            "choices": [{"index": 0, "message": message, "finish_reason": say.finish}],
        } | ({"usage": usage} if say.usage else {})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass  # the client gave up waiting, which is what some tests are about

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def say() -> type[Say]:
    return Say


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as chat:
        yield chat


@pytest.fixture
def another_server() -> Iterator[ChatServer]:
    with ChatServer() as chat:
        yield chat
