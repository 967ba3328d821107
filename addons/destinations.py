"""Where the gateway may connect to. Pure.

In comes an address literal and a port; out comes why it is refused, or None. A name is judged twice: as written, and by
every address it resolves to (so that DNS rebinding gains nothing). Closes the self-connect loop and SSRF
(reference: CVE-2025-23217, requirement F-22).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64 = ipaddress.ip_network("64:ff9b::/96")
SIX_TO_FOUR = ipaddress.ip_network("2002::/16")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


class DestinationMistake(ValueError):
    """A destination in the settings cannot be read."""


@dataclass(frozen=True, slots=True)
class Pin:
    """Where a name is sent instead of asking DNS."""

    address: str
    """IP literal."""
    port: int | None
    """Port; None keeps the one asked for."""


def parse_pin(text: str) -> Pin:
    """`10.1.2.3`, `10.1.2.3:8080`, `[::1]:8080`. Raises `DestinationMistake`."""
    host, port = _split_port(text)
    try:
        return Pin(str(ipaddress.ip_address(host)), port)
    except ValueError as error:
        raise DestinationMistake(f"{text!r} is not an IP address with an optional port") from error


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        if not bracket:
            raise DestinationMistake(f"{text!r}: the bracket is not closed")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if port and not (port.isdecimal() and int(port) <= 65535):
        raise DestinationMistake(f"{text!r}: {port!r} is not a port number")
    return host, int(port) if port else None


def _plain_name(host: str, text: str) -> str:
    name = host.lower().rstrip(".")
    if not _NAME.fullmatch(name):
        raise DestinationMistake(f"{text!r} is no network, address or host name")
    return name


@dataclass(frozen=True, slots=True)
class Destinations:
    """Which addresses and names may be connected to."""

    allowed_networks: tuple[tuple[Network, int | None], ...] = ()
    """The school's own servers: network and port (None is any)."""
    allowed_names: frozenset[tuple[str, int | None]] = frozenset()
    """Names whose private addresses are fine."""
    own_ports: frozenset[int] = frozenset()
    """Ports this gateway listens on: never reached through itself at any own address."""
    own_addresses: frozenset[str] = frozenset()
    """Addresses of this machine."""
    own_names: frozenset[str] = frozenset()
    """Names of this machine."""
    pins: Mapping[str, Pin] = field(default_factory=dict)
    """Pinned names; `*` stands for every other name."""

    def pin(self, host: str) -> Pin | None:
        """Where `host` is pinned to."""
        return self.pins.get(host) or self.pins.get("*")

    def refuse_name(self, host: str, port: int) -> str | None:
        """Why a connection to this name is refused before DNS is asked; None when it may go on."""
        if host in self.own_names and port in self.own_ports:
            return "loop"
        if host == "localhost" or host.endswith(".localhost"):
            return None if self._name_allowed(host, port) else "loopback"
        return None

    def refuse_address(self, literal: str, port: int, *, name: str | None = None) -> str | None:
        """Why a connection to this address is refused; None when it may go on.

        `name` is the name that resolved to it, when one did.
        """
        try:
            written = ipaddress.ip_address(literal.partition("%")[0])
        except ValueError:
            return "not an address"
        address = unwrap(written)
        if port in self.own_ports and (
            address.is_loopback or address.is_unspecified or str(address) in self.own_addresses
        ):
            return "loop"
        if name is not None and self._name_allowed(name, port):
            return None
        if any(address in network and allowed in (None, port) for network, allowed in self.allowed_networks):
            return None
        if str(address) in self.own_addresses:
            return "own address"
        return _special(address) or _special(written)

    def is_own(self, literal: str) -> bool:
        """Whether this address is the machine's own, in whatever form; what cannot be read counts as such."""
        try:
            address = unwrap(ipaddress.ip_address(literal.partition("%")[0]))
        except ValueError:
            return True
        return address.is_loopback or address.is_unspecified or str(address) in self.own_addresses

    def _name_allowed(self, name: str, port: int) -> bool:
        return (name, None) in self.allowed_names or (name, port) in self.allowed_names


def unwrap(address: Address) -> Address:
    """The IPv4 address inside an IPv4-mapped, IPv4-compatible, 6to4 or NAT64 address; else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if 1 < int(address) < 2**32:  # IPv4-compatible, RFC 4291 §2.5.5.1: deprecated, still connected to by some stacks
        return ipaddress.IPv4Address(int(address))
    if address in SIX_TO_FOUR:
        return ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    return address


def _special(address: Address) -> str | None:
    if address.is_loopback:
        return "loopback"
    if address.is_unspecified:
        return "unspecified address"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if not address.is_global:
        return "private network"
    return None


def read_destinations(
    private: Iterable[str],
    hosts: Mapping[str, str],
    *,
    own_ports: Iterable[int],
    own_addresses: Iterable[str],
    own_names: Iterable[str],
) -> Destinations:
    """Destinations from the settings' texts. Raises `DestinationMistake` naming every bad one."""
    networks: list[tuple[Network, int | None]] = []
    names: set[tuple[str, int | None]] = set()
    mistakes: list[str] = []
    for text in private:
        try:
            networks.append((ipaddress.ip_network(text, strict=False), None))
            continue
        except ValueError:
            pass
        try:
            host, port = _split_port(text)
            try:
                networks.append((ipaddress.ip_network(host, strict=False), port))
            except ValueError:
                names.add((_plain_name(host, text), port))
        except DestinationMistake as mistake:
            mistakes.append(str(mistake))
    pins: dict[str, Pin] = {}
    for name, target in hosts.items():
        try:
            pin = parse_pin(target)
        except DestinationMistake as mistake:
            mistakes.append(str(mistake))
        else:
            pins[name.lower().rstrip(".")] = pin
            networks.append((ipaddress.ip_network(pin.address), pin.port))
    if mistakes:
        raise DestinationMistake("; ".join(mistakes))
    return Destinations(
        allowed_networks=tuple(networks),
        allowed_names=frozenset(names),
        own_ports=frozenset(own_ports),
        own_addresses=frozenset(own_addresses),
        own_names=frozenset(own_names),
        pins=pins,
    )
