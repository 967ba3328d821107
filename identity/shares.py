"""Whose share a client's address uses, wherever something is counted or capped: an address in, the keys it counts under
out.

A device gives itself as many IPv6 addresses as it likes, all of one network of 64 bits; but all devices of a room share
that network, too. So an IPv6 client counts twice: by its address, as any client, and by its network, which has room for
more. Link-local addresses are the same on every link, so their zone, the link, belongs to both. What is recorded names
the address. Pure.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network

NETWORK = 64
"""Bits of an IPv6 address that a link has in common (RFC 4291 §2.5.1)."""
_NAT64 = ip_network("64:ff9b::/96")
"""Where the last 32 bits are an IPv4 address (RFC 6052 §2.1)."""


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
        bare, _, zone = address.partition("%")
        parsed = ip_address(bare)
    except ValueError:
        return (address,)
    if parsed.version == 4:
        return (str(parsed),)
    if parsed.ipv4_mapped is not None:
        return (str(parsed.ipv4_mapped),)
    if parsed in _NAT64:
        return (str(IPv4Address(int(parsed) & 0xFFFFFFFF)),)
    link = f"%{zone}" if zone and parsed.is_link_local else ""
    return f"{parsed}{link}", f"{ip_network((int(parsed), NETWORK), strict=False)}{link}"
