"""Hosts files: an address, then the names it stands for, `0.0.0.0 ads.example.org tracker.example.org`.

In comes a hosts file; out come the names it sends nowhere, each with everything below it. A hosts file means the very
name, so that is told once with its number; a name with an address of its own is that host's address (an intranet, a
SafeSearch redirection), not a block, and is told and not taken.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from categories.hosts import is_address
from categories.importers.told import Told
from categories.model import EntryKind, Problem
from categories.names import NameProblem, canonical_host
from categories.networks import NetworkProblem
from categories.parse import Entry, Line, Refused, Understood, domain_items, lines, problem

_OWN_NAMES = frozenset(
    """localhost localhost.localdomain local broadcasthost 0.0.0.0 127.0.0.1 ::1 ip6-localhost ip6-loopback
    ip6-localnet ip6-mcastprefix ip6-allnodes ip6-allrouters ip6-allhosts""".split()  # noqa: SIM905
)
"""Names every hosts file gives to the machine itself."""
_NOBODY = frozenset({ipaddress.IPv4Address("255.255.255.255")})
_NO_LINE = "a line of a hosts file is an address and then names: `0.0.0.0 name`"
_WIDENED = "means this very name; taken with everything below it"
_REDIRECTED = "gives the name an address: a redirection, not a block; SafeSearch and own names are set elsewhere"


def read_hosts(stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = "") -> Iterator[Entry | Problem]:
    """Read a hosts file."""
    told = Told(name)
    for line in lines(stream, name):
        if isinstance(line, Problem):
            yield line
            continue
        address, *names = line.text.split()
        literal = address_of(address)
        if literal is None or not names:
            yield problem(name, line.number, line.text, _NO_LINE)
            continue
        try:
            items = hosts_items(line, literal, names, told, top_levels=top_levels)
        except (Refused, NameProblem, NetworkProblem) as why:
            yield problem(name, line.number, line.text, str(why))
            continue
        for kind, value, weight in items:
            yield Entry(kind, value, line.number, weight)
    yield from told.told()


def hosts_items(line: Line, address: str, names: Iterable[str], told: Told, *, top_levels: bool = False) -> Understood:
    """What names listed with an address in its one form are; `told` hears what it changes or leaves out.

    Raises `Refused`, `NameProblem` or `NetworkProblem`.
    """
    others = [host for host in names if host.lower() not in _OWN_NAMES]
    items = [item for host in others for item in domain_items(host, top_levels=top_levels)]
    if items and not _nowhere(address):
        told.see(line, _REDIRECTED, taken=False)
        return ()
    if any(kind is EntryKind.DOMAIN for kind, _, _ in items):
        told.see(line, _WIDENED, taken=True)
    return items


def address_of(text: str) -> str | None:
    """An address in its one form; None for what is none."""
    try:
        address = canonical_host(text)
    except NameProblem:
        return None
    return address if is_address(address) else None


def _nowhere(address: str) -> bool:
    """Whether nobody answers there: no address, this machine itself, or the broadcast."""
    found = ipaddress.ip_address(address)
    return found.is_unspecified or found.is_loopback or (found in _NOBODY)
