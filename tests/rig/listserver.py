"""A list maker's web server on loopback: files with ETag, redirects, lies about length, silence; it counts requests."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass
class ListServer:
    """Serves `files`; change them between two updates."""

    files: dict[str, bytes] = field(default_factory=dict)
    """Path to content."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Path to where it leads."""
    cut: set[str] = field(default_factory=set)
    """Paths whose answer ends before its promised length."""
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Every request: path and status."""

    def url(self, path: str) -> str:
        """The address of a file."""
        return f"http://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> ListServer:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """One request."""
        path = request.path
        data = self.files.get(path)
        etag = None if data is None else f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        if path in self.redirects:
            status = 302
        elif data is None:
            status = 404
        else:
            status = 304 if request.headers.get("If-None-Match") == etag else 200
        self.asked.append((path, status))
        request.send_response(status)
        if status == 302:
            request.send_header("Location", self.redirects[path])
        if status == 200 and data is not None:
            request.send_header("Content-Length", str(len(data) + (1000 if path in self.cut else 0)))
        if etag is not None:
            request.send_header("ETag", etag)
        request.end_headers()
        if status == 200 and data is not None:
            request.wfile.write(data)
