"""Where the gateway listens, as people write it. Pure.

`:8090` or `10.0.0.1:8090` or `[::]:8090` in; address and port out.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple


class Listener(NamedTuple):
    """An address and a port to listen on."""

    host: str
    """IP literal; empty for every address of this machine, IPv4 and IPv6."""
    port: int
    """From 0, which picks a free one, to 65535."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listener(text: str) -> Listener:
    """What the text means. Raises `ValueError` that says what would have been right."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        if not (colon and port.isascii() and port.isdecimal() and int(port) <= 65535):
            raise ValueError("no port")
        address = ipaddress.ip_address(host.strip("[]")) if host else None
        if address is not None and (address.version == 6) != bracketed:
            raise ValueError("an IPv6 address stands in brackets, and nothing else does")
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no place to listen on; one is ':8090', '10.0.0.1:8090' or '[::]:8090'"
        ) from error
    return Listener("" if address is None else str(address), int(port))
