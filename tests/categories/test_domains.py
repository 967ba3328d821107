"""The trie agrees with a plain reference on anything, and adding an entry never removes a match."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categories.domains import entry_of, host_key, without_service
from categories.index import CompiledIndex
from categories.model import Match
from categories.names import Url, host_suffixes
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource, UrlMatch
from categories.urlreadings import other_readings
from tests.categories.rig import OtherNames

LABEL = st.sampled_from(["a", "b", "ab", "www", "www2", "ftp", "ftp-a", "x-y"])
HOST = st.lists(LABEL, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example"]))
PATH = st.lists(st.sampled_from(["v", "vv", "w"]), max_size=3).map(lambda parts: "/" + "/".join(parts))
QUERY = st.sampled_from(["", "q=v", "q=vv", "q=v&r", "r&q=v", "r=v&r", "v&q=vv&r", "q=v&x&r", "r&x&q=v"])
ENTRY = st.tuples(HOST, PATH, QUERY).map(lambda parts: parts[0] + parts[1] + (f"?{parts[2]}" if parts[2] else ""))
REQUEST = st.builds(lambda host, path, query: Url("http", host, 80, path, query), HOST, PATH, QUERY)


def compiled(domains: list[str], urls: list[str], url_match: UrlMatch, check: Callable[[CompiledIndex], None]) -> None:
    """Compile two lists, hand the index to `check`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "domains").write_text("".join(f"{line}\n" for line in domains))
        (folder / "urls").write_text("".join(f"{line}\n" for line in urls))
        sources = [
            ListSource("domains", folder / "domains"),
            ListSource("urls", folder / "urls", "urls", url_match=url_match),
        ]
        build_snapshot(sources, folder / "lists", OtherNames())
        check(open_snapshot(folder / "lists"))


def url_fits(entry: str, url: Url, url_match: UrlMatch) -> bool:
    """The meaning of a URL entry, written out: host as squidGuard or e2guardian, prefix up to a border; of several
    parameters each may stand anywhere."""
    host, _, rest = entry.partition("/")
    if url_match == "parents":
        if host not in host_suffixes(url.host):
            return False
    elif without_service(host) != without_service(url.host):
        return False
    wanted = "/" + rest
    wanted = wanted if "?" in wanted else (wanted.rstrip("/") or "/")
    asked = url.query.split("&")
    targets = [f"{url.path}?{'&'.join(asked[first:])}" for first in range(len(asked))] if url.query else [url.path]
    for target in targets:
        following = target.removeprefix(wanted)
        if target.startswith(wanted) and (not following or following[0] in "/?&=#;" or wanted[-1] in "/?&=#;"):
            return True
    page, _, parameters = wanted.partition("?")
    needed = [one for one in parameters.split("&") if one]
    return page == url.path and len(needed) > 1 and all(any(parameter_fits(one, it) for it in asked) for one in needed)


def parameter_fits(wanted: str, asked: str) -> bool:
    """Whether a parameter begins with another, up to a border."""
    following = asked.removeprefix(wanted)
    return asked.startswith(wanted) and (not following or following[0] in "/?&=#;" or wanted[-1] in "/?&=#;")


def evidence(matches: tuple[Match, ...], name: str) -> set[int]:
    """Lines that fit, of one list."""
    return {match.line for match in matches if match.list == name}


def first_lines(entries: list[str], form: Callable[[str], str]) -> dict[str, int]:
    """Line of the first of equal entries: doubles count once."""
    lines: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        lines.setdefault(form(entry), number)
    return lines


@settings(deadline=None, max_examples=150)
@given(
    st.lists(HOST, max_size=8),
    st.lists(ENTRY, max_size=8),
    st.sampled_from(["exact", "parents"]),
    st.lists(REQUEST, min_size=1, max_size=8),
)
def test_the_index_is_the_reference(
    domains: list[str], urls: list[str], url_match: UrlMatch, requests: list[Url]
) -> None:
    """Every line that fits by its written-out meaning is found, and no other."""

    def form(entry: str) -> str:
        host, _, rest = entry.partition("/")
        head = host if url_match == "parents" else without_service(host)
        return f"{head}/{rest if '?' in rest else rest.rstrip('/')}"

    def check(index: CompiledIndex) -> None:
        by_domain, by_url = first_lines(domains, str), first_lines(urls, form)
        for request in requests:
            matches = index.match(request)
            fitting = {by_domain[host] for host in host_suffixes(request.host) if host in by_domain}
            assert evidence(matches, "domains") == fitting
            pages = {by_url[form(entry)] for entry in urls if url_fits(entry, request, url_match)}
            assert evidence(matches, "urls") == pages
            assert len(matches) == len(set(matches))
            assert bool(index.has_entries_below(request.host)) >= bool(pages)
            for reading in (request, *other_readings(request)):
                assert index.pageless(request) in (None, index.match(reading)), "no page can fit, however it is read"
            assert index.pageless(request) is not None or index.has_entries_below(request.host)

    compiled(domains, urls, url_match, check)


@settings(deadline=None, max_examples=50)
@given(st.lists(HOST, max_size=6), HOST, st.lists(ENTRY, max_size=6), ENTRY, st.lists(REQUEST, min_size=1, max_size=6))
def test_adding_an_entry_never_removes_a_match(
    domains: list[str], domain: str, urls: list[str], url: str, requests: list[Url]
) -> None:
    """Lists only add up."""
    found: list[list[set[tuple[str, str]]]] = []

    def look(index: CompiledIndex) -> None:
        found.append([{(match.list, match.entry) for match in index.match(request)} for request in requests])

    compiled(domains, urls, "exact", look)
    compiled([*domains, domain], [*urls, url], "exact", look)
    assert all(before <= after for before, after in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("host", "without"),
    [
        ("www.games.example", "games.example"),
        ("www12.games.example", "games.example"),
        ("ftp.games.example", "games.example"),
        ("web3.games.example", "games.example"),
        ("www.www.games.example", "www.games.example"),
        ("www.example", "www.example"),
        ("files.web.games.example", "files.web.games.example"),
        ("wwwgames.example", "wwwgames.example"),
        ("games.example", "games.example"),
    ],
)
def test_squidguards_service_names_are_dropped_once_and_only_in_front(host: str, without: str) -> None:
    """`www`, `web`, `ftp` with digits; never so that a bare top level is left."""
    assert without_service(host) == without


@given(HOST, PATH)
def test_a_key_can_be_read_back(host: str, path: str) -> None:
    """The entry shown as evidence is the entry that was compared."""
    assert entry_of(host_key(host))[1] == host
    assert entry_of(host_key(host) + path)[1] == host + path
