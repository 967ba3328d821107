"""People by name in any spelling; places by address, the nearest one first."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.directory import Directory, Person, Place, account_name, canonical_address

OAKWOOD = Place("10.4.0.0/16", "oakwood", groups=frozenset({"oakwood-pupils"}), band="ks2")
SUITE = Place("10.4.2.0/24", "oakwood", groups=frozenset({"it-suite"}), shared=True)
LAB14 = Place("10.4.2.14", "oakwood", device="lab2-14")
STAFF = Place("10.4.9.0/24", "oakwood", band="staff")
ELM = Place("2001:db8:5::/48", "elm-park", band="ks3")
PLACES = (LAB14, OAKWOOD, SUITE, STAFF, ELM)


@pytest.mark.parametrize(
    ("address", "site", "device", "band", "groups", "shared"),
    [
        ("10.4.1.1", "oakwood", None, "ks2", {"oakwood-pupils"}, False),
        ("10.4.2.7", "oakwood", None, "ks2", {"oakwood-pupils", "it-suite"}, True),
        ("10.4.2.14", "oakwood", "lab2-14", "ks2", {"oakwood-pupils", "it-suite"}, True),
        ("::ffff:10.4.2.14", "oakwood", "lab2-14", "ks2", {"oakwood-pupils", "it-suite"}, True),
        ("10.4.9.3", "oakwood", None, "staff", {"oakwood-pupils"}, False),
        ("2001:db8:5:1::9", "elm-park", None, "ks3", set(), False),
        ("2001:0DB8:0005:0001::9%eth0", "elm-park", None, "ks3", set(), False),
    ],
)
def test_an_address_means_a_place(
    address: str, site: str, device: str | None, band: str, groups: set[str], shared: bool
) -> None:
    """The nearest place counts, and takes over band, groups and `shared` from the networks around it."""
    place = Directory(places=PLACES).place(address)
    assert place is not None
    assert (place.site, place.device, place.band, place.groups, place.shared) == (site, device, band, groups, shared)


@pytest.mark.parametrize("address", ["10.5.0.1", "192.0.2.1", "2001:db8:6::1", "", "not an address", "10.4.2", "::"])
def test_an_unknown_address_is_no_place(address: str) -> None:
    """What no network contains, and what is no address, has no place."""
    directory = Directory(places=PLACES)
    assert directory.place(address) is None
    assert directory.place(address) is None


def test_the_later_of_two_places_for_one_network_counts() -> None:
    """What the registry says about a network replaces what the settings say."""
    directory = Directory(places=(OAKWOOD, Place("10.4.0.0/16", "elm-park")))
    place = directory.place("10.4.1.1")
    assert place is not None
    assert place.site == "elm-park"


networks = st.builds(
    lambda number, length: str(ipaddress.ip_network((number, length), strict=False)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)


@given(st.lists(networks, max_size=12), st.integers(0, 2**32 - 1))
def test_longest_prefix_as_the_standard_library_sees_it(texts: list[str], number: int) -> None:
    """The place found is the one a plain search over all networks finds."""
    address = ipaddress.IPv4Address(number)
    around = [ipaddress.ip_network(text) for text in texts if address in ipaddress.ip_network(text)]
    expected = str(max(around, key=lambda network: network.prefixlen)) if around else None
    place = Directory(places=[Place(text, "oakwood") for text in texts]).place(str(address))
    assert (None if place is None else place.network) == expected


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Teacher", "teacher"),
        (" teacher ", "teacher"),
        ("ＴＥＡＣＨＥＲ", "teacher"),
        ("Zoe\u0308", "zoë"),
        ("STRASSE", "strasse"),
    ],
)
def test_one_spelling_of_a_name(written: str, name: str) -> None:
    """Case, width, composition and outer blanks make no second account."""
    assert account_name(written) == name
    assert Directory({name: Person(name)}).person(written) == Person(name)


@given(st.text(max_size=40))
def test_a_name_folded_twice_is_the_same(text: str) -> None:
    """Folding is stable, so that what is stored is found again."""
    assert account_name(account_name(text)) == account_name(text)


def test_a_person_filed_under_another_name_is_nobody() -> None:
    """A wrong key never makes one person another."""
    assert Directory({"head": Person("pupil-0417")}).person("head") is None


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("::FFFF:10.0.0.1", "10.0.0.1"),
        ("FE80::1%eth0", "fe80::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("/run/socket", "/run/socket"),
    ],
)
def test_one_spelling_of_an_address(written: str, address: str) -> None:
    """IPv4 inside IPv6 is IPv4; what is no address stays as it is."""
    assert canonical_address(written) == address


def test_the_directory_cannot_be_changed() -> None:
    """Nobody becomes somebody by writing into the directory in force."""
    directory = Directory({"teacher": Person("teacher")})
    with pytest.raises(TypeError):
        directory.people["head"] = Person("head")  # type: ignore[index]
