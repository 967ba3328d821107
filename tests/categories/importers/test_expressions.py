"""Lists of regular expressions: what names one host or URL is taken, the rest is told."""

from __future__ import annotations

import pytest

from tests.categories.importers.rig import read, values


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        (r"^https?://(www\.)?games\.example/play", ["url games.example/play"]),
        (r"^http://games\.example", ["domain games.example"]),
        (r"(^http://www\.games\.example/.*$)", ["domain www.games.example"]),
        (r"^(http://)?games\.example(/|$)", ["domain games.example"]),
        (r"^https://www\.games\.example/play\.php\?id=", ["url www.games.example/play.php?id="]),
    ],
)
def test_an_expression_that_names_one_url_is_an_entry(line: str, entries: list[str]) -> None:
    """And is told, because a prefix is not quite an expression."""
    found, problems = read("expressions", line)
    assert values(found) == entries
    assert [problem.taken for problem in problems] == [True]


@pytest.mark.parametrize(
    "line",
    [
        "sex",
        r"(^|[-.])poker",
        r"games\.example",
        r"^https?://[a-z]+\.games\.example",
        r"^http://games.*\.example/",
        r"^http://games\.(example|test)/",
    ],
)
def test_every_other_expression_is_told(line: str) -> None:
    """`sex` would fit Essex and Sussex."""
    entries, problems = read("expressions", line)
    assert entries == []
    assert [("regular expression" in problem.why, problem.taken) for problem in problems] == [(True, False)]


def test_replacements_are_told_as_such() -> None:
    """They change requests, so they are no list."""
    _, problems = read("expressions", '"^http://a"->"http://b"')
    assert "SafeSearch" in problems[0].why
