"""Clients of the gateway: curl, a Python client, a raw socket and a WebSocket client.

Each may sign in and may come from any loopback address, which stands for a classroom or a staff room.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from tests.rig.gateway import TEACHER, Gateway
from tests.rig.tools import need

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: for gateways that run under a shifted clock."""


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    """Names in lower case; the last of several wins."""
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


def basic(user: str, password: str) -> str:
    """The value of a Basic `Proxy-Authorization` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def trusting(gateway: Gateway, *, any_time: bool = False) -> ssl.SSLContext:
    """TLS as a school device does it: our CA is the only one it trusts."""
    context = ssl.create_default_context(cafile=str(gateway.ca_cert))
    if any_time:
        context.verify_flags |= NO_CHECK_TIME
    return context


# -- curl -----------------------------------------------------------------------------------------------------------


@dataclass
class Curl(Answer):
    """What curl got, and how it ended."""

    code: int = 0
    """Exit code of curl: 0, 56 (reset), 60 (certificate), 7 (refused) …"""
    connect_status: int = 0
    """Answer to its CONNECT; 0 without one."""
    error: str = ""
    seconds: float = 0.0


def curl(
    gateway: Gateway,
    url: str,
    *words: str,
    source: str = TEACHER,
    user: str | None = None,
    trust: Path | None = None,
    seconds: int = 30,
) -> Curl:
    """Fetch `url` through the gateway with curl; `user` is `name:password`, `trust` another CA file."""
    command = [need("curl", "curl"), "-sS", "--proxy", gateway.proxy_url, "--interface", source, "--noproxy", ""]
    command += ["--cacert", str(trust or gateway.ca_cert), "--max-time", str(seconds), "-o", "-"]
    command += ["-w", "%{stderr}\n%{json}\n%{header_json}", "--globoff"]
    if user is not None:
        command += ["--proxy-user", user]
    done = subprocess.run([*command, *words, url], capture_output=True, timeout=seconds + 10)
    error, _, told = done.stderr.decode("utf-8", "replace").partition("\n{")
    facts, _ = json.JSONDecoder().raw_decode("{" + told)
    headers: dict[str, Any] = {}
    with contextlib.suppress(ValueError, IndexError):
        headers = json.loads(("{" + told)[json.JSONDecoder().raw_decode("{" + told)[1] :])
    return Curl(
        status=facts["http_code"],
        headers={name.lower(): values[-1] for name, values in headers.items()},
        body=done.stdout,
        code=done.returncode,
        connect_status=facts["http_connect"],
        error=error.strip(),
        seconds=facts["time_total"],
    )


# -- Python -----------------------------------------------------------------------------------------------------------


class Browser:
    """A keep-alive client through the gateway, HTTP and HTTPS, one connection a host."""

    def __init__(
        self, gateway: Gateway, *, source: str = TEACHER, user: tuple[str, str] | None = None, any_time: bool = False
    ) -> None:
        self.gateway = gateway
        self.source = source
        self.sign_in = {"Proxy-Authorization": basic(*user)} if user else {}
        self.tls = trusting(gateway, any_time=any_time)
        self._open: dict[tuple[str, str, int], http.client.HTTPConnection] = {}

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def fetch(
        self, url: str, *, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; a refused CONNECT is answered as such (status of the CONNECT)."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        place = (parts.scheme, host, port)
        connection = self._open.get(place) or self._connect(*place)
        target = parts._replace(scheme="", netloc="").geturl() or "/"
        more = {"Accept": "text/html,*/*", **(headers or {})}
        if parts.scheme == "http":
            target, more = url, {**self.sign_in, **more}
        try:
            connection.request(method, target, body=body, headers=more)
            response = connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except OSError as error:
            connection.close()
            if str(error).startswith("Tunnel connection failed: "):
                return Answer(int(str(error).split()[3]))
            raise
        if response.will_close:
            connection.close()
        else:
            self._open[place] = connection
        return answer

    def _connect(self, scheme: str, host: str, port: int) -> http.client.HTTPConnection:
        where: dict[str, Any] = {"timeout": 30, "source_address": (self.source, 0)}
        if scheme == "http":
            return http.client.HTTPConnection(*self.gateway.address, **where)
        connection = http.client.HTTPSConnection(*self.gateway.address, context=self.tls, **where)
        connection.set_tunnel(host, port, self.sign_in)
        return connection


# -- raw --------------------------------------------------------------------------------------------------------------


class _Unbuffered:
    """A socket whose reader takes nothing that belongs to the next answer."""

    def __init__(self, whole: socket.socket) -> None:
        self.whole = whole

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self.whole.makefile(mode, buffering=0), 1)  # type: ignore[call-overload]


class Raw:
    """A socket to the gateway, for what no library would send."""

    def __init__(self, gateway: Gateway, *, source: str = TEACHER, timeout: float = 20.0) -> None:
        self.gateway = gateway
        self.socket: socket.socket = socket.create_connection(gateway.address, timeout, source_address=(source, 0))

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send it all."""
        self.socket.sendall(data)

    def read_all(self) -> bytes:
        """Everything until the gateway closes; a reset counts as closed."""
        parts = []
        with contextlib.suppress(ConnectionResetError, BrokenPipeError, ssl.SSLError):
            while piece := self.socket.recv(65536):
                parts.append(piece)
        return b"".join(parts)

    def read_head(self) -> bytes:
        """One answer's head, or what came before the end."""
        data = b""
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while b"\r\n\r\n" not in data:
                piece = self.socket.recv(1)
                if not piece:
                    break
                data += piece
        return data

    def answer(self) -> Answer:
        """One complete answer."""
        response = http.client.HTTPResponse(_Unbuffered(self.socket))  # type: ignore[arg-type]
        response.begin()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def tunnel(self, target: str, *, sign_in: str | None = None) -> int:
        """CONNECT to `host:port`; the status of the answer, 0 when the gateway just closed."""
        who = f"Proxy-Authorization: {sign_in}\r\n" if sign_in else ""
        self.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{who}\r\n".encode())
        head = self.read_head()
        return int(head.split()[1]) if head else 0

    def secure(self, name: str | None, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """TLS inside the tunnel with `name` as SNI; the raw socket speaks TLS from then on."""
        context = context or trusting(self.gateway)
        if name is None:
            context.check_hostname = False
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        return self.socket


@contextlib.contextmanager
def websocket(
    gateway: Gateway, url: str, *, source: str = TEACHER, any_time: bool = False
) -> Iterator[ClientConnection]:
    """A WebSocket through the gateway, as browsers do it: CONNECT first, then the upgrade inside.

    `any_time`: the gateway's clock was moved, so its certificates may not be valid yet by ours.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    raw = Raw(gateway, source=source)
    try:
        status = raw.tunnel(f"{parts.hostname}:{parts.port or (443 if secure else 80)}")
        if status != 200:
            raise ConnectionRefusedError(f"CONNECT was answered {status}")
        tls = trusting(gateway) if secure else None
        if tls is not None and any_time:
            tls.verify_flags |= NO_CHECK_TIME
        with connect(url, sock=raw.socket, ssl=tls, proxy=None) as connection:
            yield connection
    finally:
        raw.socket.close()
