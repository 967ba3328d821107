"""The clients of the benchmark: plain sockets in threads, that ask through a proxy and check every answer.

In: where the proxy is, whom to trust, what to ask and how often. Out: how long each answer took. An answer that is not
the page that was asked for ends the run.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.wire.site import ADDRESS

FIELDS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.7\r\n"
    "Referer: https://lessons.wire.example/map\r\nCookie: theme=light; week=12; seen=0123456789abcdef\r\n"
    "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nPriority: u=0, i\r\n"
)
"""What a browser sends, about 500 bytes of it."""
SECONDS = 60.0
SLOW_PIECE = 16 * 1024
SLOW_PAUSE = 0.2
CHILD = "127.0.3.10"
"""Address the clients come from: a Year 11 pupil's machine in the laboratory."""


_numbers = count(1)


class WrongAnswer(Exception):
    """A proxy did not deliver what was asked for."""


class Closed(Exception):
    """A proxy closed a connection between two exchanges, as it may."""


@dataclass(slots=True)
class Way:
    """How clients reach the origin."""

    proxy: tuple[str, int] | None
    """The proxy; None goes directly."""
    trust: Path
    """PEM file of the authority whose certificates they must be shown."""
    exchanges: int = 0
    """Exchanges begun on conversations that are over."""
    reopened: int = 0
    """Connections that were closed between two exchanges and opened again."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held to count."""


class Conversation:
    """One connection to one site, kept open."""

    def __init__(self, way: Way, url: str) -> None:
        split = urlsplit(url)
        self.way = way
        self.asked = 0
        self.host = host = split.hostname or ""
        self.secure = split.scheme == "https"
        port = 443 if self.secure else 80
        self.issuer = ""
        self._left = b""
        target = way.proxy or (ADDRESS, port)
        self.socket: socket.socket = socket.create_connection(target, SECONDS, source_address=(CHILD, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._prefix = f"http://{host}" if way.proxy is not None and not self.secure else ""
        if self.secure:
            if way.proxy is not None:
                self.socket.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
                status, _ = self._head()
                if status != 200:
                    raise WrongAnswer(f"CONNECT {host}: {status}")
            wrapped = context_of(way.trust).wrap_socket(self.socket, server_hostname=host)
            self.issuer = _issuer(wrapped)
            self.socket = wrapped

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()
        with self.way.lock:
            self.way.exchanges += self.asked

    def ask(self, path: str) -> tuple[int, int]:
        """Status and length of the body."""
        self._send(path)
        status, length = self._head()
        return status, self._body(length)

    def lost(self) -> None:
        """The proxy closed before the last question: it is asked again elsewhere."""
        self.asked -= 1
        with self.way.lock:
            self.way.reopened += 1

    def _send(self, path: str) -> None:
        self.asked += 1
        page, _, query = path.partition("?")
        path = f"{page}?n={next(_numbers)}{'&' if query else ''}{query}"  # no two alike: ours would fold their rows
        self.socket.sendall(f"GET {self._prefix}{path} HTTP/1.1\r\nHost: {self.host}\r\n{FIELDS}\r\n".encode())

    def ask_slowly(self, path: str, piece: int, pause: float) -> int:
        """Read an answer `piece` bytes at a time, with a pause of so many seconds after each; bytes of the body."""
        self._send(path)
        _, length = self._head()
        got = len(self._left)
        while got < length:
            chunk = self.socket.recv(piece)
            if not chunk:
                raise WrongAnswer(f"{self.host}{path} ended after {got} of {length} bytes")
            got += len(chunk)
            time.sleep(pause)
        return got

    def _head(self) -> tuple[int, int]:
        data = self._left
        while (end := data.find(b"\r\n\r\n")) < 0:
            chunk = self.socket.recv(65536)
            if not chunk and not data and self.asked > 1:
                raise Closed
            if not chunk:
                raise WrongAnswer(f"{self.host}: the connection ended within a head: {data[:200]!r}")
            data += chunk
        self._left = data[end + 4 :]
        head = data[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        length = int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else -1
        if b"\r\ntransfer-encoding:" in head:
            length = -2
        return int(head[9:12]), length

    def _body(self, length: int) -> int:
        if length == -2:
            return self._chunks()
        if length < 0:
            return 0
        got = len(self._left)
        while got < length:
            chunk = self.socket.recv(262144)
            if not chunk:
                raise WrongAnswer(f"{self.host}: the body ended after {got} of {length} bytes")
            got += len(chunk)
        self._left = b""
        return got

    def _chunks(self) -> int:
        got, data = 0, self._left
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += self._more()
            size = int(data[:end].split(b";")[0], 16)
            data = data[end + 2 :]
            while len(data) < size + 2:
                data += self._more()
            got, data = got + size, data[size + 2 :]
            if size == 0:
                self._left = data
                return got

    def _more(self) -> bytes:
        chunk = self.socket.recv(262144)
        if not chunk:
            raise WrongAnswer(f"{self.host}: the connection ended within a chunk")
        return chunk


_contexts: dict[Path, ssl.SSLContext] = {}


def context_of(trust: Path) -> ssl.SSLContext:
    """TLS that believes one authority only."""
    if trust not in _contexts:
        context = _contexts[trust] = ssl.create_default_context(cafile=str(trust))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # some peers' certificates do not name their authority's key
    return _contexts[trust]


def _issuer(connection: ssl.SSLSocket) -> str:
    told = connection.getpeercert() or {}
    parts = [value for group in told.get("issuer", ()) for name, value in group if name == "commonName"]
    return str(parts[0]) if parts else ""


def together(threads: int, work: Callable[[int], None]) -> None:
    """`work(number)` in so many threads; the first exception is raised."""
    failed: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    running = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if failed:
        raise failed[0]


def kept_open(way: Way, urls: Sequence[str], clients: int, requests: int, size: int) -> list[float]:
    """Clients that keep their connections, each to one of the URLs. Seconds of every answer."""
    felt: list[float] = []

    def work(number: int) -> None:
        url = urls[number % len(urls)]
        done = -1  # the first answer opens the way and is not counted
        while done < requests // clients:
            with Conversation(way, url) as conversation:
                done = _ask_on(conversation, url, size, felt, done, requests // clients)

    together(clients, work)
    return felt


def _ask_on(conversation: Conversation, url: str, size: int, felt: list[float], done: int, wanted: int) -> int:
    """Ask until enough were answered or the proxy closes; how many were."""
    path = _target(url)
    while done < wanted:
        began = time.perf_counter()
        try:
            got = conversation.ask(path)
        except (Closed, ConnectionResetError, BrokenPipeError):
            conversation.lost()
            return done
        if done >= 0:
            felt.append(time.perf_counter() - began)
        expect(got, url, size)
        done += 1
    return done


def opened_anew(way: Way, urls: Sequence[str], clients: int, requests: int, size: int) -> list[float]:
    """Clients that open a connection for each request. Seconds from the first packet to the answer."""
    felt: list[float] = []
    numbers = count()

    def work(_: int) -> None:
        for _ in range(requests // clients):
            url = urls[next(numbers) % len(urls)]
            began = time.perf_counter()
            with Conversation(way, url) as conversation:
                got = conversation.ask(_target(url))
            felt.append(time.perf_counter() - began)
            expect(got, url, size)

    together(clients, work)
    return felt


def _target(url: str) -> str:
    split = urlsplit(url)
    return f"{split.path}?{split.query}" if split.query else split.path


def expect(got: tuple[int, int], url: str, size: int) -> None:
    """Raise `WrongAnswer` unless the page came whole."""
    if got != (200, size):
        raise WrongAnswer(f"{url}: status {got[0]} and {got[1]} bytes instead of 200 and {size}")


def slowly(way: Way, urls: Sequence[str], clients: int, size: int) -> list[float]:
    """Clients that read a page in small pieces with a pause after each. Seconds of every answer."""
    felt: list[float] = []

    def work(number: int) -> None:
        url = urls[number % len(urls)]
        with Conversation(way, url) as conversation:
            began = time.perf_counter()
            got = conversation.ask_slowly(_target(url), SLOW_PIECE, SLOW_PAUSE)
            felt.append(time.perf_counter() - began)
        expect((200, got), url, size)

    together(clients, work)
    return felt


def visits(way: Way, mix: Sequence[tuple[str, Sequence[tuple[str, int]]]], clients: int) -> list[float]:
    """Clients that open a site, ask for its pages one after the other and leave. Seconds of every answer.

    `mix` holds sites (`https://host`) and, of each, paths and the length of their answers.
    """
    felt: list[float] = []

    def work(number: int) -> None:
        for site, pages in mix[number::clients]:
            done = 0
            while done < len(pages):
                with Conversation(way, site) as conversation:
                    done += _visit(conversation, site, pages[done:], felt)

    together(clients, work)
    return felt


def _visit(conversation: Conversation, site: str, pages: Sequence[tuple[str, int]], felt: list[float]) -> int:
    """Ask for pages until all came or the proxy closes; how many came."""
    for done, (path, size) in enumerate(pages):
        began = time.perf_counter()
        try:
            got = conversation.ask(path)
        except (Closed, ConnectionResetError, BrokenPipeError):
            conversation.lost()
            return done
        felt.append(time.perf_counter() - began)
        expect(got, site + path, size)
    return len(pages)
