"""A school whose devices know of no proxy: firewall rules as shipped, a gateway, websites, and what a device sends.

The network it stands on is that of `tests.rig.namespaces`.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.certificates import Authority
from tests.rig.clients import Answer
from tests.rig.gateway import Gateway, merged
from tests.rig.namespaces import DEVICE, SITE, SITE_6, SchoolNetwork
from tests.rig.origin import Origin

REPOSITORY = Path(__file__).resolve().parent.parent.parent
RULES = REPOSITORY / "deploy" / "nftables" / "schoolgate.nft"
PORT = 8090
PLACES = [
    {"network": "10.77.1.0/24", "site": "oakwood", "band": "ks2", "groups": ["year-4"]},
    {"network": DEVICE, "site": "oakwood", "device": "oak-console-1", "band": "ks2", "groups": ["year-4"]},
    {"network": "2001:db8:77:1::/64", "site": "oakwood", "band": "ks2", "groups": ["year-4"]},
]


class InsideGateway(Gateway):
    """A gateway in a namespace."""

    network: SchoolNetwork

    def reached(self) -> bool:
        return self.network.inside(self.network.gateway, super().reached)

    def metrics(self) -> str:
        return self.network.inside(self.network.gateway, super().metrics)


LESSONS, SIX = "lessons.example", "six.example"
"""Websites that everybody may see; the second has an IPv6 address."""


@dataclass
class School:
    """A device, a gateway, and websites."""

    network: SchoolNetwork
    gateway: Gateway
    site: Origin
    """Where the names in DNS lead."""
    elsewhere: Origin
    """What is at another address."""

    def open(self, name: str | None, at: str = SITE, source: str = DEVICE) -> socket.socket:
        """TLS of a device that trusts our CA, with this name or none; the address `at` is where it connects to."""
        context = ssl.create_default_context(cafile=str(self.gateway.ca_cert))
        return context.wrap_socket(self.network.connect((at, 443), source), server_hostname=name or at)

    def fetch(
        self, url: str, path: str, at: str = SITE, source: str = DEVICE, *, host: str | None = None, **more: Any
    ) -> Answer:
        """What a device gets that looks for `url`'s host at the address `at`; `host` is what it says in the request."""
        scheme, _, name = url.partition("://")
        end = self.open(name, at, source) if scheme == "https" else self.network.connect((at, 80), source)
        with end:
            return asked(end, host or name, path, **more)

    def refused(self) -> int:
        """Rows of bytes that became no request."""
        return len(self.gateway.rows(ending="refused"))


def asked(end: socket.socket, host: str, path: str, *, more: str = "", body: bytes = b"") -> Answer:
    """A request of a device that believes it talks to the website itself."""
    method, length = ("POST", f"Content-Length: {len(body)}\r\n") if body else ("GET", "")
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n{length}{more}\r\n"
    end.sendall(head.encode() + body)
    response = http.client.HTTPResponse(end)
    response.begin()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def rest_of(end: socket.socket) -> bytes:
    """Everything that still comes, until the connection ends."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while data := end.recv(65536):
            got += data
    return got


def load(network: SchoolNetwork, change: Callable[[str], str] = str) -> None:
    """The firewall rules that are shipped, fitted to this network."""
    rules = change(RULES.read_text().replace('"vlan20"', '"pupils0"'))
    network.run(network.gateway, network.nft, "--file", "-", text=rules)


def websites(network: SchoolNetwork, authority: Authority, *addresses: str) -> Iterator[Origin]:
    """Websites with real ports, at these addresses."""
    ends = [network.listen(network.internet, address, port) for address in addresses for port in (80, 443)]
    origin = Origin(authority, own=addresses[0]).start(ends)
    yield origin
    origin.stop()


def gateway_in(network: SchoolNetwork, folder: Path, authority: Authority, more: Mapping[str, Any]) -> Gateway:
    """A gateway between device and internet, which finds names where DNS says."""
    names = dict.fromkeys((LESSONS, "blocked.example", "bank.example", "warn.example", "mixed.example"), SITE)
    settings = {
        "proxy": {
            "host": "0.0.0.0",
            "transparent": [f":{PORT}"],
            "hosts": {**names, SIX: SITE_6},
            "private_destinations": ["203.0.113.0/24", "2001:db8:113::/64"],
        },
        "identity": {"places": PLACES},
    }
    prefix = network.prefix(network.gateway)
    gateway = InsideGateway(folder, trust=authority.pem, settings=merged(settings, more), prefix=prefix)
    gateway.network = network
    return gateway
