"""Where lists that people add may come from: the Internet, and servers inside that the settings name.

Settings in; a way to connect out, for `categories.fetch`. The rule: whoever may add a list must not have the gateway
ask machines they cannot reach themselves, so every address a name leads to is judged when it is connected to: there is
no second look-up for DNS to answer differently.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from addons.destinations import Destinations, read_destinations
from categories.fetch import Connect, FetchProblem
from proxy.outbound import own_addresses
from proxy.settings import Settings


def connecting(settings: Settings) -> Connect:
    """Connects to allowed addresses only. What it gives raises `FetchProblem` for others, `OSError` for silent ones."""
    own = own_addresses()
    inside = read_destinations(settings.list_servers, {}, own_ports=(), own_addresses=own, own_names=())
    return connect_by(lambda address, port, name: refusal(inside, address, port, name))


def refusal(inside: Destinations, address: str, port: int, name: str) -> str | None:
    """Why no list comes from an address that `name` led to; None when one may."""
    why = inside.refuse_address(address, port, name=name.lower().rstrip("."))
    return None if why is None else f"{why}; the settings can name a server inside in `list_servers`"


def connect_by(judge: Callable[[str, int, str], str | None]) -> Connect:
    """As `socket.create_connection`, but only to addresses of which `judge` tells nothing."""

    def connect(
        address: tuple[str, int], timeout: float | None = None, source: tuple[str, int] | None = None
    ) -> socket.socket:
        host, port = address
        failed: OSError | FetchProblem | None = None
        for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            if (why := judge(str(place[0]), port, host)) is not None:
                failed = failed or FetchProblem(f"{host[:200]} leads to where no list comes from: {why}")
                continue
            try:
                return socket.create_connection((str(place[0]), port), timeout, source)
            except OSError as error:
                failed = error
        raise failed or OSError(f"{host[:200]} has no address")

    return connect
