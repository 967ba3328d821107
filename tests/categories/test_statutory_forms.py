"""How an entry of a statutory list is written, and which requests have the same form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.names import NameProblem, canonical_url
from categories.statutory_forms import (
    MOST_SEGMENTS,
    Kind,
    count_bit,
    page_host,
    parameter_sets,
    parameters_of,
    parents_of,
    paths_of,
    read_entry,
)


@pytest.mark.parametrize(
    ("line", "kind", "host", "path", "parameters"),
    [
        ("bad.test", Kind.HOST, "bad.test", "", ()),
        ("*.bad.test", Kind.HOST, "bad.test", "", ()),
        ("http://BAD.test:8080", Kind.HOST, "bad.test", "", ()),
        ("www.bad.test", Kind.HOST, "www.bad.test", "", ()),
        ("192.0.2.66", Kind.HOST, "192.0.2.66", "", ()),
        ("https://0xC0.0.2.66/", Kind.PAGE, "192.0.2.66", "/", ()),
        ("bad.test/", Kind.PAGE, "bad.test", "/", ()),
        ("https://www.bad.test/A/B/", Kind.PAGE, "bad.test", "/a/b", ()),
        ("bad.test/%61/../b?", Kind.PAGE, "bad.test", "/b", ()),
        ("bad.test/a/*", Kind.BELOW, "bad.test", "/a", ()),
        ("bad.test/*", Kind.BELOW, "bad.test", "/", ()),
        ("bad.test/v?b=2&A=1&&b=2", Kind.QUERY, "bad.test", "/v", ("a=1", "b=2")),
        ("bücher.test/ü", Kind.PAGE, "xn--bcher-kva.test", "/ü", ()),
    ],
)
def test_a_line_is_one_entry(line: str, kind: Kind, host: str, path: str, parameters: tuple[str, ...]) -> None:
    entry = read_entry(line)
    assert (entry.kind, entry.host, entry.path, entry.parameters) == (kind, host, path, parameters)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "no host"),
        ("secret host", "no host"),
        ("mailto:secret@bad.test", "no host"),
        ("com", "suffix"),
        ("co.uk", "suffix"),
        ("*.secret.test/page", "star"),
        ("secret.test" + "/a" * (MOST_SEGMENTS + 1) + "/*", "segments"),
    ],
)
def test_a_line_that_is_no_entry_is_refused_in_words_that_do_not_repeat_it(line: str, why: str) -> None:
    with pytest.raises(NameProblem, match=why) as caught:
        read_entry(line)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_entry_shows_itself_in_a_traceback() -> None:
    assert "bad" not in repr(read_entry("bad.test/secret"))


@pytest.mark.parametrize(
    ("host", "page"),
    [
        ("www.bad.test", "bad.test"),
        ("bad.test", "bad.test"),
        ("www.test", "www.test"),
        ("ww.bad.test", "ww.bad.test"),
        ("www.www.bad.test", "www.bad.test"),
        ("192.0.2.66", "192.0.2.66"),
    ],
)
def test_www_is_no_other_host_for_pages(host: str, page: str) -> None:
    assert page_host(host) == page


@pytest.mark.parametrize(
    ("path", "readings"),
    [
        ("/a", ("/a",)),
        ("/A/", ("/a",)),
        ("/", ("/",)),
        ("/a%2Fb", ("/a%2fb", "/a/b")),
        ("/a;s=1/b;t", ("/a;s=1/b;t", "/a/b")),
        ("/a%2F..;x", ("/a%2f..;x", "/a/..;x", "/a%2f..", "/")),
    ],
)
def test_a_path_is_compared_in_every_way_a_server_may_read_it(path: str, readings: tuple[str, ...]) -> None:
    assert paths_of(path) == readings


@given(st.text("/%;.aA25Ff", max_size=60))
def test_a_path_has_at_most_six_readings_and_always_its_own(tail: str) -> None:
    path = canonical_url(f"http://bad.test/{tail}").path
    assert 1 <= len(paths_of(path)) <= 6


@pytest.mark.parametrize(
    ("path", "most", "parents"),
    [
        ("/", 3, ["/"]),
        ("/a", 3, ["/", "/a"]),
        ("/a/b/c/d", 2, ["/", "/a", "/a/b"]),
        ("/a/b", 0, ["/"]),
        ("/a/b", 9, ["/", "/a", "/a/b"]),
    ],
)
def test_a_path_lies_below_its_parents_as_deep_as_any_entry_goes(path: str, most: int, parents: list[str]) -> None:
    assert parents_of(path, most) == parents


def test_parameters_are_compared_without_order_case_and_repetition() -> None:
    assert parameters_of("B=2&a=%31;;B=2&") == parameters_of("a=1&b=2") == ("a=1", "b=2")
    assert parameters_of("q=a+b") == parameters_of("q=a%20b")
    assert parameters_of("") == ()


def test_sets_of_parameters_are_tried_only_in_the_sizes_that_are_listed() -> None:
    three = ("a=1", "b=2", "c=3")
    assert parameter_sets(three, count_bit(("x",))) == [("a=1",), ("b=2",), ("c=3",)]
    assert parameter_sets(three, count_bit(three)) == [three]
    assert parameter_sets(three[:1], count_bit(three)) == []
    nine = tuple(f"p{n}={n}" for n in range(9))
    assert parameter_sets(nine, count_bit(nine)) == [nine]


def test_more_parameters_than_can_be_tried_are_not_a_way_past() -> None:
    assert parameter_sets(tuple(f"p{n}" for n in range(200)), count_bit(("a", "b"))) is None
