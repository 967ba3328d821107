"""The origin of the benchmark: a process that answers fixed pages on ports 80 and 443 of one loopback address.

In comes an authority; out goes a running server with pages of known size. Not one of its cycles is counted for a proxy,
and it does as little as it can: a thread a connection, bytes made beforehand.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import socket
import ssl
import threading
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.rig.certificates import Authority

ADDRESS = f"127.0.9.{os.getpid() % 250 + 2}"
"""Every name of the benchmark leads here; two runs at once do not meet."""
LENGTH = "bytes="
"""What a path ends with, and a number, to be answered by so many bytes."""
BLOCK = b"0123456789abcdef" * 4096
HEADERS = (
    'Date: Sat, 21 Nov 2026 10:00:00 GMT\r\nServer: site\r\nCache-Control: no-store\r\nETag: "5f3a"\r\n'
    "Vary: Accept-Encoding\r\nX-Content-Type-Options: nosniff\r\nStrict-Transport-Security: max-age=31536000\r\n"
)
TEXT = """
the volcano rises where plates of rock meet and molten stone finds a way up pupils draw a map of the island and label
each layer before the lesson ends teachers ask what happens when pressure grows under the crater and why some mountains
sleep for a thousand years while others smoke every day
"""


def page(size: int, seed: str = "page") -> bytes:
    """An HTML page of exactly `size` bytes, of harmless words."""
    choose, words = random.Random(seed), TEXT.split()
    head, tail = f"<!doctype html><html><head><title>{seed}</title></head><body>", "</body></html>"
    parts, length = [head], len(head) + len(tail)
    while length < size:
        line = f'<p class="t{choose.randrange(9)}">{" ".join(choose.choices(words, k=14))}.</p>\n'
        parts.append(line)
        length += len(line)
    text = "".join(parts)[: size - len(tail)] + tail
    return text.encode()


BAD_WORDS = "the unspeakable marmalade of the wire"
"""What a page of the origin says that every reader of pages is told to close."""


def bad_page(size: int) -> bytes:
    """A page of exactly `size` bytes that says it, in the middle."""
    whole, words = page(size, "bad"), f"<p>{BAD_WORDS}</p>".encode()
    return whole[: size // 2] + words + whole[size // 2 + len(words) :]


def answer(kind: str, length: int) -> bytes:
    """A response head."""
    return f"HTTP/1.1 200 OK\r\n{HEADERS}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


PAGES: dict[str, bytes] = {
    "/1k": (small := page(1000)) and answer("text/plain", len(small)) + small,
    "/1k.png": answer("image/png", len(small)) + small,  # nobody reads its words
    "/bad50k": (bad := bad_page(50_000)) and answer("text/html; charset=utf-8", len(bad)) + bad,
    "/html50k": (large := page(50_000)) and answer("text/html; charset=utf-8", len(large)) + large,
}


def _send(connection: socket.socket, path: str) -> None:
    if (whole := PAGES.get(path.partition("?")[0])) is not None:
        connection.sendall(whole)
    elif LENGTH in path:
        left = int(path.rpartition(LENGTH)[2])
        connection.sendall(answer("application/octet-stream", left))
        while left > 0:
            connection.sendall(BLOCK[: min(left, len(BLOCK))])
            left -= len(BLOCK)
    else:
        connection.sendall(PAGES["/1k"])


def _serve(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError, ValueError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        waiting = b""
        while chunk := connection.recv(65536):
            waiting += chunk
            while (end := waiting.find(b"\r\n\r\n")) >= 0:
                head, waiting = waiting[:end], waiting[end + 4 :]
                _send(connection, head.split(b" ", 2)[1].decode("latin-1"))
    with contextlib.suppress(OSError):
        connection.close()


def _accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, context), daemon=True).start()


def _listen(port: int) -> socket.socket:
    return socket.create_server((ADDRESS, port), backlog=1024)


def _run(folder: Path, ready: multiprocessing.Queue[str]) -> None:
    authority = Authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            connection.context = authority.context(name)

    context.sni_callback = choose
    context.load_cert_chain(authority.chain("127.0.0.1"))
    threading.Thread(target=_accept, args=(_listen(80), None), daemon=True).start()
    listener = _listen(443)
    ready.put(str(authority.pem))
    _accept(listener, context)


class Site:
    """The origin, running. `trust` is the PEM file of its authority."""

    def __init__(self, folder: Path) -> None:
        ready: multiprocessing.Queue[str] = multiprocessing.Queue()
        self.process: BaseProcess = multiprocessing.Process(target=_run, args=(folder, ready), daemon=True)
        self.process.start()
        self.trust = Path(ready.get(timeout=30))

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.join(10)
