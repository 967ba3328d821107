"""Real origins on one free loopback port: HTTP and HTTPS, any host name, with a memory of everything that arrived.

A connection that opens with a TLS record is TLS (certificate by SNI), anything else is plain HTTP. `routes.py` says
what each path answers. Tests ask `seen(host)` and `hellos(host)` to know that the origin never heard of a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from tests.rig.certificates import Authority
from tests.rig.exchange import Arrival, Exchange
from tests.rig.routes import route

TLS_RECORD = 0x16
"""First byte of a TLS ClientHello."""


@dataclass
class Origin:
    """The server, running in a thread of its own between `start` and `stop`."""

    authority: Authority
    arrivals: list[Arrival] = field(default_factory=list)
    """Every request, in order of arrival."""
    names: list[str] = field(default_factory=list)
    """SNI of every TLS ClientHello, in order."""
    connections: int = 0
    """TCP connections accepted."""
    port: int = 0
    own: str = "127.0.0.1"
    """Whose certificate a client gets that names nobody."""

    def seen(self, host: str) -> list[Arrival]:
        """Requests that named `host`."""
        return [arrival for arrival in list(self.arrivals) if arrival.host == host]

    def hellos(self, host: str) -> int:
        """TLS handshakes begun for `host`."""
        return list(self.names).count(host)

    def contacted(self, host: str) -> bool:
        """True when anything at all for `host` reached the origin."""
        return bool(self.seen(host) or self.hellos(host))

    def forget(self) -> None:
        """Nothing has arrived so far."""
        self.arrivals.clear()
        self.names.clear()

    @property
    def address(self) -> str:
        """Where it listens, as `127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    def start(self, listeners: Sequence[socket.socket] = ()) -> Origin:
        """Listen, on these sockets when there are some; returns itself once the port is open."""
        listeners = listeners or [socket.create_server(("127.0.0.1", 0), backlog=1024)]
        for listener in listeners:
            listener.setblocking(False)
        self.port = listeners[0].getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(listeners,), name="origin", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join(10)

    def __enter__(self) -> Origin:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, listeners: Sequence[socket.socket]) -> None:
        asyncio.set_event_loop(self._loop)
        self._serving = self._loop.create_task(self._accept_all(listeners))
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serving)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
            with contextlib.suppress(BaseException):
                self._loop.run_until_complete(task)
        for listener in listeners:
            listener.close()
        self._loop.close()

    async def _accept_all(self, listeners: Sequence[socket.socket]) -> None:
        await asyncio.gather(*map(self._accept, listeners))

    async def _accept(self, listener: socket.socket) -> None:
        tasks: set[asyncio.Task[None]] = set()
        while True:
            connection, _ = await self._loop.sock_accept(listener)
            self.connections += 1
            task = self._loop.create_task(self._serve(connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ssl.SSLError, EOFError, ValueError, asyncio.LimitOverrunError):
            first = await self._peek(connection)
            if not first:
                connection.close()
                return
            secure = first[0] == TLS_RECORD
            reader = asyncio.StreamReader(limit=4 * 1024 * 1024)
            transport, protocol = await self._loop.connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader), connection, ssl=self._tls() if secure else None
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
            try:
                while await self._one(reader, writer, secure):
                    pass
            finally:
                writer.close()

    async def _peek(self, connection: socket.socket) -> bytes:
        readable: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(connection, lambda: readable.done() or readable.set_result(None))
        try:
            await readable
        finally:
            self._loop.remove_reader(connection)
        return connection.recv(1, socket.MSG_PEEK)

    def _tls(self) -> ssl.SSLContext:
        def choose(sslobject: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            self.names.append(name or "")
            if name:
                sslobject.context = self.authority.context(name)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = choose
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.authority.chain(self.own))
        return context

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secure: bool) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return False
        line, *rest = head.split("\r\n")
        method, target, _version = line.split(" ", 2)
        headers = [
            (name.strip().lower(), value.strip()) for name, _, value in (row.partition(":") for row in rest if row)
        ]
        parts = urlsplit(target)
        arrival = Arrival("", method, parts.path, dict(parse_qsl(parts.query)), headers, secure)
        arrival.host = (arrival.header("host") or "").lower().rsplit(":", 1)[0]
        self.arrivals.append(arrival)
        exchange = Exchange(arrival, reader, writer, keep=(arrival.header("connection") or "").lower() != "close")
        await route(exchange)
        return exchange.keep
