"""A proxy auto-configuration file: gateways and what goes past them in, JavaScript out.

    python deploy/pac.py --gateway gateway.school.example:8080 --direct intranet.school.example > proxy.pac

Serve it as `proxy.pac` and, for WPAD, as `wpad.dat`, with media type `application/x-ns-proxy-autoconfig`. It never says
DIRECT for the internet: with every gateway down, devices are offline, not unfiltered. It asks no DNS question, which
would stall browsers and tell the network what they look for.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from categories.names import NameProblem, canonical_host
from proxy.settings import Settings, SettingsError, find_settings, load_settings

TEMPLATE = Path(__file__).with_name("proxy.pac.template")


class PacProblem(ValueError):
    """Something a PAC file cannot say. The text says what, and what would have been right."""


def pac(gateways: Sequence[str], direct: Iterable[str] = ()) -> str:
    """The PAC file for `gateways` (`host:port`, tried in this order) with `direct` hosts and networks going past them.

    A direct host covers everything below it; a direct network covers IPv4 addresses written as such. Pure.
    """
    if not gateways:
        raise PacProblem("no gateway: name at least one as host:port")
    names: list[str] = []
    networks: list[list[int]] = []
    for item in dict.fromkeys(direct):
        network = _network(item)
        if network is None:
            names.append(_host(item))
        elif network.version == 4:
            networks.append([int(network.network_address), network.prefixlen])
        else:
            raise PacProblem(f"{item!r}: direct networks are IPv4; name IPv6 servers by host")
    answer = "; ".join(f"PROXY {_gateway(item)}" for item in gateways)
    text = TEMPLATE.read_text(encoding="ascii")
    for word, value in (("@GATEWAYS@", answer), ("@NAMES@", names), ("@NETWORKS@", networks)):
        text = text.replace(word, json.dumps(value))
    return text


def _network(item: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(item, strict=False)
    except ValueError:
        if "/" in item:
            raise PacProblem(f"{item!r} is not a network; write 10.0.0.0/8") from None
        return None


def _host(item: str) -> str:
    try:
        host = canonical_host(item)
    except NameProblem as problem:
        raise PacProblem(f"{item!r}: {problem}") from None
    if not re.fullmatch(r"[0-9a-z._:-]+", host):
        raise PacProblem(f"{item!r} is not a host name; write intranet.school.example")
    return host


def _gateway(item: str) -> str:
    host, colon, port = item.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise PacProblem(f"{item!r} is not host:port; write gateway.school.example:8080")
    name = _host(host)
    return f"[{name}]:{int(port)}" if ":" in name else f"{name}:{int(port)}"


def _from_settings(settings: Settings) -> tuple[list[str], list[str]]:
    """The gateways the settings know, and their own names: asked through themselves they would be a loop."""
    names = list(settings.proxy.names)
    return [f"{name}:{settings.proxy.port}" for name in names], names


def main(words: Sequence[str] | None = None) -> int:
    """Print the PAC file; 0 yes, 1 no, 2 usage."""
    parser = argparse.ArgumentParser(prog="pac", description="Print a proxy auto-configuration file.")
    parser.add_argument("--settings", type=Path, help="settings file; default: where `schoolgate` looks")
    parser.add_argument(
        "--gateway", action="append", default=[], help="host:port, may be repeated; default: the settings'"
    )
    parser.add_argument("--direct", action="append", default=[], help="host or network that goes past the gateway")
    args = parser.parse_args(words)
    try:
        known, own = _from_settings(load_settings(find_settings(args.settings)))
        print(pac(args.gateway or known, [*own, *args.direct]), end="")
    except (PacProblem, SettingsError) as problem:
        print(f"pac: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
