"""A device has as many IPv6 addresses as it likes, and one network."""

from __future__ import annotations

import pytest

from identity.shares import network_of, shares


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.4.1.7", ("10.4.1.7",)),
        ("2001:db8:0:7:a1b2::9", ("2001:db8:0:7:a1b2::9", "2001:db8:0:7::/64")),
        ("2001:DB8:0:7:a1b2:0:0:9", ("2001:db8:0:7:a1b2::9", "2001:db8:0:7::/64")),
        ("::ffff:10.4.1.7", ("10.4.1.7",)),
        ("::FFFF:a04:107", ("10.4.1.7",)),
        ("fe80::1%eth0", ("fe80::1%eth0", "fe80::/64%eth0")),
        ("fe80:0::1%eth1", ("fe80::1%eth1", "fe80::/64%eth1")),
        ("fe80::1", ("fe80::1", "fe80::/64")),
        ("2001:db8::1%eth0", ("2001:db8::1", "2001:db8::/64")),
        ("64:ff9b::a04:107", ("10.4.1.7",)),
        ("64:ff9b:1::a04:107", ("64:ff9b:1::a04:107", "64:ff9b:1::/64")),
        ("::1", ("::1", "::/64")),
        ("", ("",)),
        ("no:address", ("no:address",)),
    ],
)
def test_what_an_address_counts_under(address: str, counted: tuple[str, ...]) -> None:
    """IPv6 by address and network, everything else as it is; in every spelling the same."""
    assert shares(address) == counted
    assert network_of(address) == counted[-1]
