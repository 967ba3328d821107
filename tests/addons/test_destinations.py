"""Where the gateway connects to, and where it never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.destinations import DestinationMistake, Destinations, parse_pin, read_destinations

OWN = read_destinations(
    ["10.20.0.0/16", "127.0.0.1:9000", "intranet.example:8443", "wiki.example"],
    {"www.pinned.example": "192.168.7.7:8080"},
    own_ports=(8080, 8082),
    own_addresses=("10.1.2.3", "2a00:1450::7"),
    own_names=("gateway.school.example",),
)

ADDRESSES = [
    # literal, port, refused as
    ("93.184.216.34", 443, None),
    ("2606:2800:220:1:248:1893:25c8:1946", 443, None),
    ("127.0.0.1", 443, "loopback"),
    ("127.0.0.2", 80, "loopback"),
    ("127.0.0.1", 9000, None),  # named in the settings, with this port
    ("::1", 80, "loopback"),
    ("::ffff:127.0.0.1", 80, "loopback"),  # IPv4 in IPv6
    ("64:ff9b::7f00:1", 80, "loopback"),  # NAT64
    ("2002:7f00:1::", 80, "loopback"),  # 6to4
    ("0.0.0.0", 80, "unspecified address"),
    ("169.254.169.254", 80, "link-local"),  # cloud metadata
    ("fe80::1%eth0", 80, "link-local"),
    ("224.0.0.1", 80, "multicast"),
    ("10.20.30.40", 80, None),  # named network
    ("10.21.0.1", 80, "private network"),
    ("192.168.1.1", 443, "private network"),
    ("100.64.0.1", 443, "private network"),
    ("fc00::1", 443, "private network"),
    ("10.1.2.3", 8080, "loop"),  # ourselves, our port
    ("127.0.0.1", 8080, "loop"),
    ("0.0.0.0", 8082, "loop"),
    ("10.1.2.3", 22, "own address"),
    ("2a00:1450::7", 443, "own address"),
    ("not-an-address", 80, "not an address"),
]


@pytest.mark.parametrize(("literal", "port", "refusal"), ADDRESSES)
def test_an_address_is_refused_or_not(literal: str, port: int, refusal: str | None) -> None:
    """Own, private, loopback and link-local addresses are refused in every spelling unless the settings name them."""
    assert OWN.refuse_address(literal, port) == refusal


@pytest.mark.parametrize(
    ("name", "port", "address", "refusal"),
    [
        ("intranet.example", 8443, "192.168.3.3", None),
        ("intranet.example", 443, "192.168.3.3", "private network"),
        ("wiki.example", 80, "192.168.3.3", None),
        ("evil.example", 80, "192.168.3.3", "private network"),  # DNS rebinding
        ("wiki.example", 8080, "127.0.0.1", "loop"),  # even a named server is not our own port
    ],
)
def test_a_name_is_judged_by_what_it_resolves_to(name: str, port: int, address: str, refusal: str | None) -> None:
    """A school's own server may be private; any other name that resolves there is refused."""
    assert OWN.refuse_address(address, port, name=name) == refusal


@pytest.mark.parametrize(
    ("name", "port", "refusal"),
    [
        ("www.example.org", 443, None),
        ("localhost", 80, "loopback"),
        ("a.localhost", 80, "loopback"),
        ("gateway.school.example", 8080, "loop"),
        ("gateway.school.example", 443, None),
    ],
)
def test_some_names_are_refused_before_dns(name: str, port: int, refusal: str | None) -> None:
    """`localhost` and the gateway's own name need no look-up."""
    assert OWN.refuse_name(name, port) == refusal


def test_a_pinned_name_goes_where_it_was_pinned() -> None:
    """Like a hosts file, ports included."""
    pin = OWN.pin("www.pinned.example")
    assert pin is not None
    assert (pin.address, pin.port) == ("192.168.7.7", 8080)
    assert OWN.refuse_address(pin.address, 8080) is None
    assert OWN.refuse_address(pin.address, 22) == "private network"


@pytest.mark.parametrize("text", ["", "host", "1.2.3", "1.2.3.4:", "1.2.3.4:99999", "[::1", "1.2.3.4:http"])
def test_a_pin_that_is_no_address_is_told(text: str) -> None:
    """A mistake in the settings names the text and what was wanted."""
    if text == "1.2.3.4:":
        assert parse_pin(text).port is None
        return
    with pytest.raises(DestinationMistake):
        parse_pin(text)


def test_every_mistake_is_told_at_once() -> None:
    """Two bad destinations, two complaints."""
    with pytest.raises(DestinationMistake) as caught:
        read_destinations(["a:1:x"], {"b.example": "nowhere"}, own_ports=(), own_addresses=(), own_names=())
    assert "nowhere" in str(caught.value)


@given(st.ip_addresses())
def test_nothing_private_is_ever_reached_by_default(address: object) -> None:
    """Without settings only global addresses are connected to."""
    refused = Destinations().refuse_address(str(address), 443) is not None
    if not getattr(address, "is_global", False):
        assert refused


@given(st.text(max_size=60), st.integers(0, 65535))
def test_any_text_is_judged_without_an_exception(text: str, port: int) -> None:
    """Hostile input is refused, never a crash."""
    OWN.refuse_address(text, port)
    OWN.refuse_name(text, port)
