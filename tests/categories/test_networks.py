"""Addresses and networks have one form, and a network's key begins every key in it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.networks import NetworkProblem, bits_of, canonical_networks, network_of


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("10.9.8.7/8", ["10.0.0.0/8"]),
        ("0x0a.0.0.1", ["10.0.0.1"]),
        ("10.0.0.1/32", ["10.0.0.1"]),
        ("2001:DB8::/32", ["2001:db8::/32"]),
        ("10.0.0.0-10.0.0.6", ["10.0.0.0/30", "10.0.0.4/31", "10.0.0.6"]),
        ("2001:db8:: - 2001:db8::1", ["2001:db8::/127"]),
    ],
)
def test_networks_have_one_form(text: str, networks: list[str]) -> None:
    """Host bits are cut, addresses lose their length, ranges become networks."""
    assert canonical_networks(text) == networks


@pytest.mark.parametrize("text", ["", "/8", "school.example", "10.0.0.0/64", "10.0.0.2-10.0.0.1", "::/0", "1-2-3"])
def test_what_is_no_network_is_refused(text: str) -> None:
    """With `NetworkProblem`, never another exception."""
    with pytest.raises(NetworkProblem):
        canonical_networks(text)


@given(st.ip_addresses(), st.integers(0, 128))
def test_keys_of_networks_begin_the_keys_in_them(address: ipaddress.IPv4Address, length: int) -> None:
    """So a prefix search over an address finds every network around it; and a key can be read back."""
    network = ipaddress.ip_network(f"{address}/{length % (address.max_prefixlen + 1)}", strict=False)
    assert bits_of(str(address)).startswith(bits_of(str(network)))
    assert ipaddress.ip_network(network_of(bits_of(str(network)))) == network
