"""A RunComfy on a real socket that answers with any bytes, in a thread of its own."""

import gzip
import json
import socketserver
import threading
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

Route = Literal["submit", "status", "result", "cancel"]
Coding = Literal["identity", "gzip", "deflate", "gzip, gzip", "br"]


@dataclass(frozen=True, kw_only=True)
class Hostility:
    """One answer.

    Attributes:
        status: Its HTTP status.
        body: Its JSON, its bytes, or a function that makes these bytes.
        charset: In what its JSON is written.
        said: The Content-Encoding that it says it has.
        done: The encoding that it has.
        cut: How many of its last bytes are never sent.
    """

    status: int = 200
    body: Any = None
    charset: str = "utf-8"
    said: Coding = "identity"
    done: Coding = "identity"
    cut: int = 0

    @property
    def sent(self) -> bytes:
        """The bytes of the body."""
        plain = self.body() if callable(self.body) else self.body
        if not isinstance(plain, bytes):
            plain = json.dumps(plain).encode(self.charset)
        if "gzip" in self.done:
            plain = gzip.compress(plain, 1)
        if self.done == "gzip, gzip":
            plain = gzip.compress(plain, 1)
        return zlib.compress(plain) if self.done == "deflate" else plain

    @property
    def can_be_read(self) -> bool:
        """Whether a reader of sense gets the JSON, if it is not too large."""
        once = self.said == self.done and self.said in {"identity", "gzip", "deflate"}
        return once and not self.cut


class HostileRunComfy:
    """The answers, by route.

    Attributes:
        url: Where it listens.
        answers: What is answered at each route; elsewhere, 404.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, Hostility] = {}

    def answer(self, method: str, path: str) -> Hostility:
        """Return the answer to a request."""
        leaf = path.partition("?")[0].rpartition("/")[2]
        if leaf in {"status", "result", "cancel"}:
            return self.answers[leaf]
        return self.answers["submit"] if method == "POST" else Hostility(status=404)


@contextmanager
def run_hostile_runcomfy() -> Generator[HostileRunComfy, None, None]:
    """Run it, and end it with the context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self._answer()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Log nothing."""

        def _answer(self) -> None:
            answer = hostile.answer(self.command, self.path)
            sent = answer.sent
            self.send_response(answer.status, "Any")
            self.send_header("Content-Encoding", answer.said)
            self.send_header("Content-Length", str(len(sent)))
            # Else every 429 and 503 would be waited for.
            self.send_header("Retry-After", "0")
            self.send_header("Location", "http://127.0.0.1:9/")
            self.end_headers()
            if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
                self.wfile.write(sent[: len(sent) - answer.cut])
            self.close_connection = True

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Let clients close as they like."""

    with Server(("127.0.0.1", 0), Handler) as server:
        hostile = HostileRunComfy(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hostile
        finally:
            server.shutdown()
            thread.join()


@cache
def bomb(megabytes: int) -> bytes:
    """Return spaces, compressed twice: some kilobytes for hundreds of megabytes."""
    inner = zlib.compressobj(1, wbits=31)
    spaces = b" " * 2**20
    once = b"".join([*(inner.compress(spaces) for _ in range(megabytes)), inner.flush()])
    return gzip.compress(once)
