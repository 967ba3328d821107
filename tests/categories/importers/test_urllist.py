"""Lists of URLs: each line is a prefix; what a line says and an entry cannot is told, by kind and with its number."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.importers.urllist import lost_parts, read_urls
from categories.model import Problem
from categories.parse import Entry


def read(text: str) -> tuple[list[str], list[Problem]]:
    """Values taken, and what is told."""
    items = list(read_urls(io.BytesIO(text.encode()), "urls"))
    return [i.value for i in items if isinstance(i, Entry)], [i for i in items if isinstance(i, Problem)]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("example.org/games", ["example.org/games"]),
        ("https://www.example.org/Games/", ["www.example.org/games"]),
        ("example.org/q?id=7", ["example.org/q?id=7"]),
        ("example.org/q/?name=a%20b", ["example.org/q/?name=a+b", "example.org/q?name=a+b"]),
        ("http://example.org:80/games", ["example.org/games"]),
        ("[2001:db8::1]/games", ["2001:db8::1/games"]),
    ],
)
def test_a_plain_line_is_a_prefix_and_nothing_is_told(line: str, values: list[str]) -> None:
    assert read(line + "\n") == (values, [])


@pytest.mark.parametrize(
    ("line", "value", "words"),
    [
        ("docs.example/page#part", "docs.example/page", ["behind `#` is never sent"]),
        ("forum.example/#!/games", "forum.example/", ["behind `#`", "every page of that very host"]),
        ("https://forum.example", "forum.example/", ["every page of that very host"]),
        ("files.example:8080/a", "files.example/a", ["taken for every port"]),
        ("http://[2001:db8::1]:8080/a", "2001:db8::1/a", ["taken for every port"]),
        ("http://me@files.example/a", "files.example/a", ["an account before `@`"]),
        ("files.example/a*b", "files.example/a*b", ["an ordinary character here"]),
    ],
)
def test_what_an_entry_cannot_say_is_told_once_with_its_number(line: str, value: str, words: list[str]) -> None:
    """Else a list of a forum's sections would close the whole forum, and nobody would know why."""
    taken, told = read(f"{line}\nplain.example/x\n{line}\n")
    assert taken == [value, "plain.example/x", value]
    assert [(one.line, one.lines, one.taken) for one in told] == [(1, 2, True)] * len(words)
    assert all(word in one.why and "2 lines like it" in one.why for word, one in zip(words, told, strict=True))


def test_what_is_no_url_is_refused_with_its_line() -> None:
    taken, told = read("# a comment\n/only/a/path\nexample.org/a b\n\nexample.org/a\n")
    assert taken == ["example.org/a"]
    assert [(one.line, one.taken) for one in told] == [(2, False), (3, False)]


@given(st.text("ab.:/@#?*[]%0 ", max_size=30))
def test_any_line_is_taken_or_told(text: str) -> None:
    taken, told = read(text + "\n")
    assert taken or told or not text.strip() or text.strip().startswith("#")
    assert all(lost_parts(text))
