"""What one gateway alone may have: its port before anybody listens, and its data folder.

An address and a port, or a folder, in; what holds it out, or what is in the way.
"""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path
from typing import IO

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
