"""v2fly domain lists: hosts are entries, words, expressions and includes are told."""

from __future__ import annotations

import pytest

from tests.categories.importers.rig import read, values


@pytest.mark.parametrize(
    "line", ["vpn.example", "domain:vpn.example", "full:vpn.example", "vpn.example @ads", "vpn.example @a &b # note"]
)
def test_a_host_in_every_way_of_writing_it(line: str) -> None:
    """With everything below it."""
    assert values(read("v2fly", line)[0]) == ["domain vpn.example"]


def test_one_very_host_is_widened_and_told() -> None:
    """Once, with the number of such lines."""
    _, problems = read("v2fly", "full:a.example\nfull:b.example\n")
    assert [(problem.lines, problem.taken) for problem in problems] == [(2, True)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("include:ngrok", "list of its own"),
        ("keyword:vpn", "anywhere in a host name"),
        (r"regexp:^vpn\d+", "regular expression"),
        ("other:thing.example", "is no `host`"),
        ("two words", "is no `host`"),
        ("zip", "everything below"),
    ],
)
def test_what_is_no_host_is_told(line: str, why: str) -> None:
    """With the reason."""
    entries, problems = read("v2fly", line)
    assert entries == []
    assert [why in problem.why for problem in problems] == [True]
