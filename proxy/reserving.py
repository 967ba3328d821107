"""The proxy port before anybody listens: an address and a port in, a bound socket out, or what is in the way."""

from __future__ import annotations

import socket


def reserve(host: str, port: int) -> socket.socket:
    """Hold the port (bound, not listening) so that a busy one is told at once, and none takes it later.

    Port 0 takes a free one; the socket knows which. Raises `OSError` that names address, port and setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if port:
        with socket.socket(family) as probe:  # without SO_REUSEPORT: another gateway's port is a busy port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(probe, host, port)
    held = socket.socket(family)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    _bind(held, host, port)
    return held


def _bind(end: socket.socket, host: str, port: int) -> None:
    try:
        end.bind((host, port))
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port} (proxy.port): {error.strerror}") from error
