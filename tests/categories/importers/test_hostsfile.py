"""Hosts files: names that go nowhere are listed, names with an address of their own are not; both are told."""

from __future__ import annotations

import io

import pytest

from categories.model import Problem
from categories.parse import Entry, parse


def read(text: str) -> tuple[list[str], list[Problem]]:
    """Values taken, problems told."""
    items = list(parse("hosts", io.BytesIO(text.encode()), "h"))
    return [one.value for one in items if isinstance(one, Entry)], [one for one in items if isinstance(one, Problem)]


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "127.8.9.10", "::", "::1", "0", "255.255.255.255"])
def test_a_name_that_goes_nowhere_is_listed_and_the_widening_told_once(address: str) -> None:
    """A hosts file means that very name; here it has everything below it."""
    taken, told = read(f"# ads\n{address} one.example\n{address} two.example three.example\n{address} localhost\n")
    assert taken == ["one.example", "two.example", "three.example"]
    assert [(one.line, one.lines, one.taken) for one in told] == [(2, 2, True)]
    assert "everything below it (2 lines like it)" in told[0].why


@pytest.mark.parametrize("address", ["1.2.3.4", "10.0.0.5", "216.239.38.120", "fd00::7", "2001:db8::1", "169.254.1.1"])
def test_a_name_with_an_address_is_told_and_not_listed(address: str) -> None:
    """A school's own hosts file names its intranet, and may send engines to their strict hosts."""
    taken, told = read(f"{address} intranet.school.example wiki\n".replace(" wiki", "") * 3 + "0.0.0.0 ads.example\n")
    assert taken == ["ads.example"]
    first, widened = told
    assert (first.line, first.lines, first.taken, widened.taken) == (1, 3, False, True)
    assert "a redirection, not a block" in first.why
    assert "3 lines like it" in first.why


def test_the_machines_own_names_say_nothing() -> None:
    assert read("127.0.0.1 localhost localhost.localdomain\n::1 ip6-localhost\n255.255.255.255 broadcasthost\n") == (
        [],
        [],
    )
