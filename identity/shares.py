"""Whose share a client's address uses, wherever something is counted or capped: an address in, the keys it counts under
out.

A device gives itself as many IPv6 addresses as it likes, all of one network of 64 bits; but all devices of a room share
that network, too. So an IPv6 client counts twice: by its address, as any client, and by its network, which has room for
more. What is recorded names the address. Pure.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

NETWORK = 64
"""Bits of an IPv6 address that a link has in common (RFC 4291 §2.5.1)."""


def shares(address: str) -> tuple[str, ...]:
    """The address, and for IPv6 its network behind it. An IPv4 address inside an IPv6 one is the IPv4 address; what is
    no address stands for itself."""
    return _shares(address) if ":" in address else (address,)


def network_of(address: str) -> str:
    """What stands for a device that may have many addresses: its IPv4 address, or its IPv6 network."""
    return shares(address)[-1]


@lru_cache(maxsize=16_384)
def _shares(address: str) -> tuple[str, ...]:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return (address,)
    if parsed.version == 4:
        return (str(parsed),)
    if parsed.ipv4_mapped is not None:
        return (str(parsed.ipv4_mapped),)
    return str(parsed), str(ip_network((int(parsed), NETWORK), strict=False))
