"""dnsmasq lists: names that are answered with nothing are entries, everything else is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.categories.importers.rig import lines_accounted_for, read, values


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        ("address=/games.example/0.0.0.0", ["domain games.example"]),
        ("address=/games.example/::", ["domain games.example"]),
        ("address=/games.example/127.0.0.1", ["domain games.example"]),
        ("address=/games.example/#", ["domain games.example"]),
        ("address=/games.example/", ["domain games.example"]),
        ("server=/games.example/", ["domain games.example"]),
        ("local=/games.example/", ["domain games.example"]),
        ("--local=/games.example/", ["domain games.example"]),
        ("local=/Games.Example/casino.example/", ["domain games.example", "domain casino.example"]),
        ("local=/*.games.example/", ["domain games.example"]),
        ("local=/bücher.example/", ["domain xn--bcher-kva.example"]),
        ("local=/games.example/   # said the head", ["domain games.example"]),
    ],
)
def test_names_answered_with_nothing_are_entries(line: str, entries: list[str]) -> None:
    """Whatever the way of saying it."""
    assert values(read("dnsmasq", line)[0]) == entries


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("address=/www.search.example/216.239.38.120", "redirection"),
        ("server=/school.example/10.0.0.1", "sends the question"),
        ("address=/#/0.0.0.0", "every host"),
        ("local=//", "every host"),
        ("local=/zip/", "everything below `.zip`"),
        ("bogus-nxdomain=64.94.110.11", "is no `address="),
        ("games.example", "is no `address="),
        ("local=/games..example/", "empty label"),
    ],
)
def test_everything_else_is_told(line: str, why: str) -> None:
    """With the reason; nothing is dropped in silence."""
    entries, problems = read("dnsmasq", line)
    assert entries == []
    assert [why in problem.why for problem in problems] == [True]


def test_one_bad_name_does_not_spoil_its_line() -> None:
    """The other names are entries; the bad one is told by name."""
    entries, problems = read("dnsmasq", "local=/games.example/bad..example/")
    assert values(entries) == ["domain games.example"]
    assert problems[0].why.startswith("bad..example:")


def test_a_top_level_is_taken_when_the_list_is_configured_so() -> None:
    """`top_levels` in the settings."""
    assert values(read("dnsmasq", "local=/zip/", top_levels=True)[0]) == ["domain zip"]


@given(st.lists(st.text(st.characters(blacklist_characters="\r\n\0#;", blacklist_categories=("Cs",)), max_size=40)))
def test_no_line_is_lost(lines: list[str]) -> None:
    """Any text: every line that is not blank is an entry or told."""
    entries, problems = read("dnsmasq", "".join(f"{line}\n" for line in lines))
    told = {entry.line for entry in entries} | {problem.line for problem in problems}
    assert told == {
        number for number, line in enumerate(lines, 1) if line.strip().strip("\ufeff" if number == 1 else "")
    }
    assert lines_accounted_for(entries, problems) >= 0
