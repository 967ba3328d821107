"""People and places in force, as one immutable value: names and addresses in, `Person` and `Place` out.

Built from the overlay (`identity.overlay`) and replaced whole; nothing here is ever changed in place. Account names
have one spelling (`account_name`), addresses have one spelling (`canonical_address`), so that nobody is two people.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType

REMEMBERED_ADDRESSES = 16384
"""Addresses whose place is remembered; a school of 2,000 devices fits many times over."""

type _Network = tuple[int, int, int]
"""IP version, prefix length, and as many leading bits."""
_WIDTH = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class Person:
    """An account: one person, or one class login."""

    name: str
    """Account name, as `account_name` spells it."""
    password_hash: str | None = field(default=None, repr=False)
    """Argon2id hash in PHC form; None when this account cannot sign in with a password."""
    band: str | None = None
    """Age band name; None when unknown."""
    groups: frozenset[str] = frozenset()
    """Names of the groups this account belongs to."""
    shared: bool = False
    """True for a class login: a row under this name stands for several children (B-17, B-18)."""
    disabled: bool = False
    """True when access was withdrawn until somebody gives it back (A-11, B-21)."""
    consent: bool = True
    """False while a parent's consent is missing or withdrawn (B-54)."""
    suspended_until: datetime | None = None
    """Aware time at which access comes back by itself (B-65); None when not suspended."""
    site: str | None = None
    """Home site: counts only where the address belongs to no known site."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an address means: a network, or one machine."""

    network: str
    """`10.4.2.0/24`, `2001:db8::/64`, or one address."""
    site: str
    """Site name."""
    device: str | None = None
    """Device name, for one machine (A-10, D-20)."""
    groups: frozenset[str] = frozenset()
    """Groups everything at this address belongs to."""
    band: str | None = None
    """Band of whoever is here and has not signed in."""
    shared: bool = False
    """True for a machine that several people use without signing in."""


def account_name(text: str) -> str:
    """The one spelling of an account name: NFKC, case folded, without outer blanks.

    Folding a name twice gives the same name; for a few letters Unicode needs more than one pass (3.13, D146 and D147).
    """
    name = text
    for _ in range(4):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
        if folded == name:
            break
        name = folded
    return name


def canonical_address(text: str) -> str:
    """The one spelling of an IP address: IPv4-mapped IPv6 unwrapped, no zone. What is none comes back as it is."""
    address = _parse_address(text)
    return text if address is None else str(address)


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class Directory:
    """Everybody who may sign in, and what every known address means. Immutable."""

    __slots__ = ("_networks", "_people", "_places", "_remembered", "_revision")

    def __init__(
        self, people: Mapping[str, Person] | None = None, places: Sequence[Place] = (), revision: str = "none"
    ) -> None:
        """`people` by canonical account name; of two places for one network the later counts.

        Takes the mapping over: who hands it in never changes it again. Raises `ValueError` for a network that is none.
        """
        self._people = MappingProxyType({} if people is None else people)
        self._places = _with_inherited({_network(place.network): place for place in places})
        self._networks = _by_prefix(self._places)
        self._remembered: dict[str, Place | None] = {}
        self._revision = revision

    @property
    def people(self) -> Mapping[str, Person]:
        """Everybody, by account name. Read-only."""
        return self._people

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place, with what it takes over from the networks around it."""
        return tuple(self._places.values())

    @property
    def revision(self) -> str:
        """Which state of the registry this is; equal revisions hold equal people and places."""
        return self._revision

    def person(self, name: str) -> Person | None:
        """The account of that name in any spelling; None when there is none."""
        canonical = account_name(name)
        person = self._people.get(canonical)
        return person if person is not None and person.name == canonical else None

    def place(self, address: str) -> Place | None:
        """The place with the longest prefix around `address`; None when no place knows it."""
        try:
            return self._remembered[address]
        except KeyError:
            pass
        if len(self._remembered) >= REMEMBERED_ADDRESSES:
            self._remembered.clear()
        found = self._remembered[address] = self._look_up(address)
        return found

    def _look_up(self, text: str) -> Place | None:
        address = _parse_address(text)
        if address is None:
            return None
        number, width = int(address), address.max_prefixlen
        for prefix, networks in self._networks.get(address.version, ()):
            place = networks.get(number >> (width - prefix))
            if place is not None:
                return place
        return None


@lru_cache(maxsize=32768)
def _network(text: str) -> _Network:
    network = ipaddress.ip_network(text, strict=False)
    version, prefix, width = network.version, network.prefixlen, network.max_prefixlen
    bits = int(network.network_address) >> (width - prefix)
    if version == 6 and prefix >= 96 and bits >> (prefix - 96) == 0xFFFF:
        return 4, prefix - 96, bits & ((1 << (prefix - 96)) - 1)
    return version, prefix, bits


def _with_inherited(places: Mapping[_Network, Place]) -> dict[_Network, Place]:
    """Let each place take over from the next wider one around it: groups and `shared` add up, the nearer band wins."""
    done: dict[_Network, Place] = {}
    lengths = {version: sorted({key[1] for key in places if key[0] == version}, reverse=True) for version in _WIDTH}
    for network in sorted(places):
        wider = _nearest(done, network, lengths[network[0]])
        done[network] = places[network] if wider is None else _inherit(places[network], wider)
    return done


def _nearest(done: Mapping[_Network, Place], network: _Network, lengths: Iterable[int]) -> Place | None:
    version, length, bits = network
    around = ((version, shorter, bits >> (length - shorter)) for shorter in lengths if shorter < length)
    return next((done[key] for key in around if key in done), None)


def _inherit(place: Place, wider: Place) -> Place:
    return replace(
        place,
        groups=place.groups | wider.groups,
        band=place.band or wider.band,
        shared=place.shared or wider.shared,
    )


def _by_prefix(places: Mapping[_Network, Place]) -> dict[int, tuple[tuple[int, dict[int, Place]], ...]]:
    """Places by IP version, then by prefix length, longest first, then by the network's leading bits."""
    tables: dict[int, dict[int, dict[int, Place]]] = {version: {} for version in _WIDTH}
    for (version, length, bits), place in places.items():
        tables[version].setdefault(length, {})[bits] = place
    return {version: tuple(sorted(table.items(), reverse=True)) for version, table in tables.items()}
