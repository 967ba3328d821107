"""A text is found in exactly the URLs that contain it, however they are kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logstore.urltext
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.store import Store

from .rows import AT, ended, ids_from, request

HOSTS = ("a.example", "b.a.example", "example", "ab", "b%a", "2001:db8::1", "a_b")
PATHS = (None, "/", "/a", "/A/b", "/b?a", "/ab%", "/b_\\", "/É", "/ba/", "/a/?")
QUERIES = (None, "", "a", "b=?a", "?", "%", "É_", "a/b", "\\")
URLS = tuple(itertools.product(HOSTS, PATHS, QUERIES))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Every host with every path and query."""
    folder = tmp_path_factory.mktemp("store")
    ids = ids_from(AT, 1_000_000)
    with Store(folder) as store:
        store.append([(request(ids.next(), host=host, path=path, query=query), ended()) for host, path, query in URLS])
    with Archive(folder) as opened:
        yield opened


def lower(text: str) -> str:
    """Only letters of ASCII have a case, as for SQLite's LIKE."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def plain(text: str, host: str, path: str | None, query: str | None) -> bool:
    """The meaning, without a database: host, path and query in one piece."""
    return lower(text) in lower(host + (path or "/") + ("" if query is None else f"?{query}"))


@pytest.mark.parametrize("most", [20_000, 1], ids=["hosts listed", "too many hosts to list"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="/?abAB.%_\\é=ÉexmpL", min_size=1, max_size=6))
def test_the_rows_found_are_those_whose_url_contains_it(archive: Archive, most: int, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logstore.urltext, "MOST_HOSTS", most)
        found = [(row.record.host, row.record.path, row.record.query) for row in archive.walk(LogFilter(text=text))]
    assert sorted(found, key=str) == sorted((url for url in URLS if plain(text, *url)), key=str)


def test_a_scheme_before_the_text_does_not_count(archive: Archive) -> None:
    assert archive.count(LogFilter(text="https://b.a.example/A/b")).rows == len(QUERIES)
