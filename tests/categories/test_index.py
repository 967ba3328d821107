"""The index finds every entry that fits, with its evidence, and nothing that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from categories.index import CompiledIndex
from categories.model import EntryKind, Match
from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from tests.categories.rig import OtherNames

LISTS = {
    "games.txt": ("domains", "# games\ngames.example\nroblox.test\n10.9.8.7\nsub.games.example\ngames.example\n"),
    "video.txt": (
        "urls",
        "portal.example/videos\nportal.example/videos/long/\nwww.tube.example/watch?v=abc\n10.9.8.7/clips\nwhole.example/\n"
        "forum.example/show?t=31&f=2\n",
    ),
    "vpn.txt": ("networks", "203.0.113.0/24\n203.0.113.128/25\n2001:db8:5::/48\n198.51.100.7\n192.0.2.10-192.0.2.12\n"),
    "words.txt": ("phrases", '"rude word"\nsex\n<bad phrase><61>\n'),
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CompiledIndex:
    """Four small lists, compiled; `walk` is `video` once more, as e2guardian reads it."""
    folder = tmp_path_factory.mktemp("lists")
    sources = []
    for name, (form, text) in LISTS.items():
        (folder / name).write_text(text, encoding="utf-8")
        sources.append(ListSource(Path(name).stem, folder / name, form))  # type: ignore[arg-type]
    sources.append(ListSource("walk", folder / "video.txt", "urls", category="walked", url_match="parents"))
    build_snapshot(sources, folder / "snapshots", OtherNames())
    return open_snapshot(folder / "snapshots")


def found(index: CompiledIndex, url: str) -> list[tuple[str, str, int]]:
    """List, entry and line of every match."""
    return [(match.list, match.entry, match.line) for match in index.match(canonical_url(url))]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://games.example/", [("games", "games.example", 2)]),
        ("https://www.games.example/x", [("games", "games.example", 2)]),
        ("http://a.sub.games.example/", [("games", "sub.games.example", 5), ("games", "games.example", 2)]),
        ("http://GAMES.example./", [("games", "games.example", 2)]),
        ("http://notgames.example/", []),
        ("http://games.example.org/", []),
        ("http://example/", []),
        ("http://10.9.8.7/", [("games", "10.9.8.7", 4)]),
        ("http://0x0a.9.8.7/", [("games", "10.9.8.7", 4)]),
        ("http://[::ffff:10.9.8.7]/", [("games", "10.9.8.7", 4)]),
        ("http://10.9.8.70/", []),
        ("http://10.9.8.7.example/", []),
        ("http://203.0.113.5/", [("vpn", "203.0.113.0/24", 1)]),
        ("http://203.0.113.200/", [("vpn", "203.0.113.128/25", 2), ("vpn", "203.0.113.0/24", 1)]),
        ("http://203.0.114.5/", []),
        ("http://[2001:db8:5:1::9]/", [("vpn", "2001:db8:5::/48", 3)]),
        ("http://198.51.100.7/", [("vpn", "198.51.100.7", 4)]),
        ("http://192.0.2.11/", [("vpn", "192.0.2.10/31", 5)]),
        ("http://192.0.2.12/", [("vpn", "192.0.2.12", 5)]),
    ],
)
def test_hosts_and_addresses(index: CompiledIndex, url: str, expected: list[tuple[str, str, int]]) -> None:
    """A domain fits itself and all below it, cut at labels; an address fits in every spelling; networks nest."""
    assert found(index, url) == expected


@pytest.mark.parametrize(
    ("url", "exact", "parents"),
    [
        ("http://portal.example/videos", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://portal.example/videos/", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://portal.example/videos?page=2", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://portal.example/Videos/a", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://portal.example/%76ideos/a", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://portal.example/x/../videos/a", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://portal.example/x%2F..%2Fvideos", [], []),  # another reading: tests/categories/test_urlreadings.py
        ("http://portal.example/videos;page=2", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://portal.example/videos2", [], []),
        ("http://portal.example/video", [], []),
        ("http://portal.example/", [], []),
        ("http://www.portal.example/videos", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://ftp2.portal.example/videos", ["portal.example/videos"], ["portal.example/videos"]),
        ("http://m.portal.example/videos", [], ["portal.example/videos"]),
        ("http://a.b.portal.example/videos/x", [], ["portal.example/videos"]),
        (
            "http://portal.example/videos/long/x",
            ["portal.example/videos/long", "portal.example/videos"],
            ["portal.example/videos/long", "portal.example/videos"],
        ),
        ("http://tube.example/watch?v=abc", ["tube.example/watch?v=abc"], []),
        ("http://www.tube.example/watch?v=abc&t=1", ["tube.example/watch?v=abc"], ["www.tube.example/watch?v=abc"]),
        ("http://www.tube.example/watch?v=%61bc", ["tube.example/watch?v=abc"], ["www.tube.example/watch?v=abc"]),
        ("http://www.tube.example/watch?t=1&v=abc", ["tube.example/watch?v=abc"], ["www.tube.example/watch?v=abc"]),
        ("http://www.tube.example/watch?&t;%76=abc", ["tube.example/watch?v=abc"], ["www.tube.example/watch?v=abc"]),
        ("http://www.tube.example/watch?t=1&v=abcd", [], []),
        ("http://forum.example/show?f=2&x=y&t=31", ["forum.example/show?t=31&f=2"], ["forum.example/show?t=31&f=2"]),
        ("http://forum.example/show?t=31;F=2", ["forum.example/show?t=31&f=2"], ["forum.example/show?t=31&f=2"]),
        ("http://forum.example/show?t=31&f=22", [], []),
        ("http://forum.example/show?t=31", [], []),
        ("http://www.tube.example/watch?t=v=abc", [], []),
        ("http://www.tube.example/watch?t=1%26v=abc", [], []),
        ("http://www.tube.example/watch?v=abcd", [], []),
        ("http://whole.example/", ["whole.example/"], ["whole.example/"]),
        ("http://whole.example/any?x", ["whole.example/"], ["whole.example/"]),
        ("http://sub.whole.example/any", [], ["whole.example/"]),
    ],
)
def test_urls_fit_by_prefix_up_to_a_border(
    index: CompiledIndex, url: str, exact: list[str], parents: list[str]
) -> None:
    """`exact` drops www, web, ftp and digits as squidGuard does; `parents` walks up as e2guardian does."""
    matches = [match for match in index.match(canonical_url(url)) if match.kind is EntryKind.URL]
    assert [match.entry for match in matches if match.list == "video"] == exact
    assert [match.entry for match in matches if match.list == "walk"] == parents


def test_a_url_on_an_address_and_the_address_itself(index: CompiledIndex) -> None:
    """URL entries come before the host they stand on: the most specific first."""
    assert found(index, "http://168364039/clips/1") == [
        ("video", "10.9.8.7/clips", 4),
        ("walk", "10.9.8.7/clips", 4),
        ("games", "10.9.8.7", 4),
    ]


@pytest.mark.parametrize(
    ("host", "categories"),
    [
        ("portal.example", {"video", "walked"}),
        ("www.portal.example", {"video", "walked"}),
        ("m.portal.example", {"walked"}),
        ("games.example", set()),
        ("tube.example", {"video"}),
        ("10.9.8.7", {"video", "walked"}),
    ],
)
def test_hosts_that_a_connect_cannot_settle(index: CompiledIndex, host: str, categories: set[str]) -> None:
    """At CONNECT only the host is known; these categories depend on the path."""
    assert index.has_entries_below(host) == categories


def test_words_are_found_whole(index: CompiledIndex) -> None:
    """Phrases carry list and line as every other match does; a weighted one says what it and others came to."""
    assert index.match_text("a RUDE  word!") == (Match("words", "words", "rude word", 1, EntryKind.PHRASE),)
    assert index.match_text("Bad-Phrase") == (Match("words", "words", "<bad phrase><61>", 3, EntryKind.PHRASE, 61),)
    assert index.match_text("Sussex, Middlesex and Scunthorpe") == ()


def test_what_is_in_force_can_be_listed_and_searched(index: CompiledIndex) -> None:
    """Technicians see every list, and find an entry by a part of it."""
    assert {status.name: status.entries for status in index.lists} == {
        "games": 5, "video": 6, "vpn": 6, "words": 3, "walk": 6,
    }  # fmt: skip
    assert index.categories == {"games", "video", "vpn", "words", "walked"}
    assert {match.entry for match in index.search("ames.exa")} == {"games.example", "sub.games.example"}
    assert {match.entry for match in index.search("example/vid")} == {
        "portal.example/videos", "portal.example/videos/long",
    }  # fmt: skip
    assert {match.entry for match in index.search("203.0")} == {"203.0.113.0/24", "203.0.113.128/25"}
    assert {match.entry for match in index.search("rude")} == {"rude word"}
    assert {match.entry for match in index.below("games.example")} == {"games.example", "sub.games.example"}


def test_many_at_once(index: CompiledIndex) -> None:
    """`classify` is `match`, for many."""
    urls = [canonical_url("games.example"), canonical_url("school.example")]
    assert list(index.classify(urls)) == [index.match(urls[0]), ()]


@pytest.mark.parametrize("url", ["http://games.example/?q=\udc80", "http://portal.example/videos?" + "x" * 1_000_000])
def test_odd_and_huge_targets_are_matched(index: CompiledIndex, url: str) -> None:
    """Octets that are no text, and a megabyte of query, change nothing."""
    assert index.match(canonical_url(url))
