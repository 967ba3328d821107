"""Who may come in where redirected traffic arrives. With a real redirection: tests/e2e/test_transparent.py."""

from __future__ import annotations

import socket

import pytest

from addons.destinations import Destinations
from proxy.redirected import meant_for, refused_here

HERE = Destinations(own_addresses=frozenset({"10.0.0.1", "2001:db8::1"}))


@pytest.mark.parametrize(
    ("wanted", "local", "refusal"),
    [
        (("203.0.113.5", 443), ("10.0.0.1", 8090), None),
        (("2606:4700::5", 80), ("2001:db8::1", 8090, 0, 0), None),
        (None, ("10.0.0.1", 8090), "not redirected"),
        (("10.0.0.1", 8090), ("10.0.0.1", 8090), "not redirected"),
        (("2001:db8::1", 8090), ("2001:db8::1", 8090, 0, 0), "not redirected"),
        (("198.51.100.7", 8090), ("198.51.100.7", 8090), "not redirected"),  # an address it got since it started
        (("10.0.0.1", 80), ("10.0.0.1", 8090), "own address"),
        (("2001:db8::1", 443), ("2001:db8::1", 8090, 0, 0), "own address"),
        (("127.0.0.1", 80), ("127.0.0.1", 8090), "own address"),
        (("::ffff:10.0.0.1", 80), ("::", 8090, 0, 0), "own address"),
        (("::ffff:127.8.8.8", 80), ("::", 8090, 0, 0), "own address"),
        (("64:ff9b::a00:1", 80), ("::", 8090, 0, 0), "own address"),
        (("0.0.0.0", 80), ("10.0.0.1", 8090), "own address"),
        (("::", 80), ("2001:db8::1", 8090, 0, 0), "own address"),
    ],
)
def test_who_is_turned_away(wanted: tuple[str, int] | None, local: tuple[object, ...], refusal: str | None) -> None:
    assert refused_here(wanted, local, HERE) == refusal


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_kernel_knows_of_no_redirection(family: socket.AddressFamily, address: str) -> None:
    """A connection that came straight here is none, or one to where it is."""
    with socket.create_server((address, 0), family=family) as server:
        place = server.getsockname()
        with socket.create_connection(place[:2]), server.accept()[0] as end:
            assert meant_for(end) in (None, place[:2])
            assert refused_here(meant_for(end), end.getsockname(), HERE) == "not redirected"
