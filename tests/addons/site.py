"""A site in the hands of a test."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


class Site:
    """A site that says what the test tells it to, when it is told."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    @contextlib.contextmanager
    def asked(self) -> Iterator[socket.socket]:
        """The request has come."""
        end, _ = self.listener.accept()
        with end:
            end.settimeout(10)
            data = b""
            while b"\r\n\r\n" not in data:
                data += end.recv(65536)
            yield end
