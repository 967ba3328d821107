"""Addresses and networks as entries are compared.

In comes `10.0.0.0/8`, one address, or a range `10.0.0.1-10.0.0.9`; out go canonical networks, and the string of bits
by which the index finds every network around an address with one prefix search.
"""

from __future__ import annotations

import ipaddress

from categories.hosts import NameProblem, canonical_host

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NetworkProblem(ValueError):
    """A text that is no address, network or range."""


def canonical_networks(text: str) -> list[str]:
    """The networks a line names, one address written without its length. Raises `NetworkProblem`."""
    first, dash, last = text.partition("-")
    try:
        if dash:
            found: list[Network] = list(_range(first.strip(), last.strip()))
        else:
            found = [_network(text)]
    except (ValueError, TypeError) as error:
        raise NetworkProblem(f"is no address, network or range: {error}") from error
    if any(network.prefixlen == 0 for network in found):
        raise NetworkProblem("names every address there is; name networks")
    return [str(network[0]) if network.num_addresses == 1 else str(network) for network in found]


def bits_of(network: str) -> str:
    """A canonical address or network as a key: family and leading bits. A network's key begins every key in it."""
    parsed = ipaddress.ip_network(network)
    width = parsed.max_prefixlen
    bits = format(int(parsed.network_address), f"0{width}b")[: parsed.prefixlen]
    return f"#{parsed.version}{bits}"


def network_of(bits: str) -> str:
    """The way back from `bits_of`."""
    version, digits = bits[1], bits[2:]
    width = 32 if version == "4" else 128
    value = int(digits.ljust(width, "0"), 2)
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    address = ipaddress.IPv4Address(value) if version == "4" else ipaddress.IPv6Address(value)
    return str(address) if len(digits) == width else f"{address}/{len(digits)}"


def _network(text: str) -> Network:
    address, slash, length = text.strip().partition("/")
    try:
        network = ipaddress.ip_network(canonical_host(address) + slash + length, strict=False)
    except NameProblem as error:
        raise ValueError(str(error)) from error
    return network


def _range(first: str, last: str) -> list[Network]:
    start, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
    if isinstance(start, ipaddress.IPv4Address) and isinstance(end, ipaddress.IPv4Address):
        return list(ipaddress.summarize_address_range(start, end))
    if isinstance(start, ipaddress.IPv6Address) and isinstance(end, ipaddress.IPv6Address):
        return list(ipaddress.summarize_address_range(start, end))
    raise ValueError("the two ends are of different families")
