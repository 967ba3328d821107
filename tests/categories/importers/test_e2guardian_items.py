"""e2guardian's item lists: the grammar as a table, and what such a list says about itself."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from categories.importers.e2guardian_items import About, items
from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from tests.categories.importers.rig import read, values
from tests.categories.rig import OtherNames


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        ("games.example", ["domain games.example"]),
        ("GAMES.Example", ["domain games.example"]),
        ("games.example # since Monday", ["domain games.example"]),
        ("games.example/", ["domain games.example"]),
        ("games.example:8080", ["domain games.example"]),
        ("ftp://games.example", ["domain games.example"]),
        ("http://games.example", ["domain games.example"]),
        (".gov", ["domain gov"]),
        ("203.0.113.7", ["network 203.0.113.7"]),
        ("10.1.2.0/24", ["network 10.1.2.0/24"]),
        ("games.example\r", ["domain games.example"]),
    ],
)
def test_a_site_is_a_host_and_everything_below_it(line: str, entries: list[str]) -> None:
    """What e2guardian drops is dropped."""
    assert values(read("e2guardian-sites", line)[0]) == entries


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        ("portal.example/games", ["url portal.example/games"]),
        ("portal.example/games/", ["url portal.example/games"]),
        ("portal.example:8080/games", ["url portal.example/games"]),
        ("https://portal.example/games", ["url portal.example/games"]),
        ("portal.example/page#part", ["url portal.example/page"]),
    ],
)
def test_a_url_is_a_prefix(line: str, entries: list[str]) -> None:
    """A `#` inside it is no comment."""
    assert values(read("e2guardian-urls", line)[0]) == entries


@pytest.mark.parametrize(
    ("format", "line", "why"),
    [
        ("e2guardian-sites", "games", "never fits in e2guardian"),
        ("e2guardian-sites", "portal.example/games", "is a URL"),
        ("e2guardian-sites", "x", "less than 2"),
        ("e2guardian-sites", "x" * 3000, "more than 2048"),
        ("e2guardian-sites", "**", "closes everything else"),
        ("e2guardian-sites", "*ip", "closes everything else"),
        ("e2guardian-sites", ".Include</etc/other>", "lists import"),
        ("e2guardian-sites", "#time: 9 0 17 0 01234", "times are the policy's"),
        ("e2guardian-urls", "portal.example", "no path"),
    ],
)
def test_what_a_single_list_cannot_say_is_told(format: str, line: str, why: str) -> None:
    """With what to do instead."""
    entries, problems = read(format, line)  # type: ignore[arg-type]
    assert entries == []
    assert [(why in problem.why, problem.taken) for problem in problems] == [(True, False)]


@pytest.mark.parametrize(
    ("line", "why"), [("https://games.example", "never fits in e2guardian"), ("www.games.example", "bare name")]
)
def test_what_means_more_here_is_told_and_taken(line: str, why: str) -> None:
    """An entry with a scheme fits nothing in e2guardian; one with `www.` does not fit the site itself."""
    entries, problems = read("e2guardian-sites", line)
    assert len(entries) == 1
    assert [(why in problem.why, problem.taken) for problem in problems] == [(True, True)]


def test_a_list_says_what_it_is() -> None:
    """Category, times, includes and blanket markers, each with its line; nothing after `#ENDLIST`."""
    text = '# a list\n#listcategory: "Games"\n#time: 9 0 17 0 01234\n.Include</x/y>\n**\ngames.example\n'
    text += "#ENDLIST\nno.example\n"
    found = list(items(io.BytesIO(text.encode()), "a list"))
    assert [(item.what, item.value, item.line.number) for item in found if isinstance(item, About)] == [
        ("category", "Games", 2),
        ("time", "9 0 17 0 01234", 3),
        ("include", "/x/y", 4),
        ("blanket", "**", 5),
    ]
    assert [item.text for item in found if not isinstance(item, About)] == ["games.example"]


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("foo.example/x", True),
        ("a.foo.example/x", True),
        ("foo.example/x/y", True),
        ("foo.example/x?y=1", True),
        ("foo.example/xy", False),
        ("foo.example/a/../x", True),
        ("foo.example/%78", True),
        ("foo.example//x", True),
    ],
)
def test_a_compiled_url_list_walks_up_the_host(tmp_path: Path, url: str, fits: bool) -> None:
    """As e2guardian does and squidGuard does not: `url_match: parents`."""
    (tmp_path / "bannedurllist").write_text("foo.example/x\n")
    source = ListSource("e2g", tmp_path / "bannedurllist", "e2guardian-urls", "games", url_match="parents")
    build_snapshot([source], tmp_path / "lists", OtherNames())
    assert bool(open_snapshot(tmp_path / "lists").match(canonical_url(url))) is fits
