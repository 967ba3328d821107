"""What one gateway alone may have: its port before anybody listens, and its data folder.

An address and a port, or a folder, in; what holds it out, or what is in the way.
"""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

from proxy.listeners import Listener
from proxy.settings import ConsoleSettings


def reserve(host: str, port: int, setting: str = "proxy.port") -> socket.socket:
    """Hold the port (bound, not listening) so that a busy one is told at once, and none takes it later.

    Port 0 takes a free one; the socket knows which. Raises `OSError` that names address, port and setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port:
        with socket.socket(family) as probe:  # without SO_REUSEPORT: another gateway's port is a busy port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(probe, host, port, setting)
    held = socket.socket(family)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    _bind(held, host, port, setting)
    return held


def reserve_console(told: ConsoleSettings) -> socket.socket:
    """Hold the console's port, so that it stays its own between two lives of its process; without a console, any."""
    return reserve(told.host, told.port, "console.port") if told.enabled else reserve("127.0.0.1", 0)


class Door(NamedTuple):
    """One socket to listen on."""

    end: socket.socket
    """Bound, not listening."""
    redirected: bool
    """Whether what comes was redirected here by the firewall, and knows of no proxy."""


class Doors:
    """The sockets one worker listens on, held by its supervisor: one an address of the host.

    Bound but not listening until a worker listens; what waits in them to be accepted outlives the worker.
    """

    def __init__(self, host: str, port: int, transparent: Sequence[Listener] = ()) -> None:
        self._places = [(Listener(host, port), False), *((place, True) for place in transparent)]
        self._open: list[Door] = []

    def open(self) -> list[Door]:
        """The sockets, made when there are none. Raises `OSError`."""
        if not self._open:
            try:
                for (host, port), redirected in self._places:
                    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
                    for family, *_, address in dict.fromkeys(found):
                        self._open.append(Door(_door(family, address), redirected))
            except OSError:
                self.close()
                raise
        return self._open

    def close(self) -> None:
        """Let go of them: with no worker on them either, the kernel gives new connections to the others."""
        for door in self._open:
            door.end.close()
        self._open = []


def _door(family: int, address: tuple[object, ...]) -> socket.socket:
    end = socket.socket(family, socket.SOCK_STREAM)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        end.bind(address)
    except OSError as error:
        end.close()
        raise OSError(error.errno, f"cannot listen on {address[0]}:{address[1]}: {error.strerror}") from error
    return end


def own_data(data: Path) -> IO[str]:
    """Hold the data folder: two gateways would share one spool, one store and one control socket. Raises `OSError`."""
    run_folder = data / "run"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    run_folder.mkdir(mode=0o700, exist_ok=True)
    held = (run_folder / "lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(error.errno, "another gateway is running on this data folder", str(data)) from error
    return held


def _bind(end: socket.socket, host: str, port: int, setting: str) -> None:
    try:
        end.bind((host, port))
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port} ({setting}): {error.strerror}") from error
