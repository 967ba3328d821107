"""Header fields by an index: every answer is the host's own, whatever is read, changed or asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.net.http.http1 import read

from addons.headers import IndexedHeaders, drop, install, original, raw_values, read_headers

NAMES = st.sampled_from(["Host", "host", "Accept", "Set-Cookie", "set-cookie", "X-\xe9", "missing"])
FIELDS = st.lists(st.tuples(NAMES.map(lambda name: name.encode("latin-1")), st.binary(max_size=6)), max_size=8)


@given(FIELDS, NAMES, st.lists(st.tuples(NAMES, st.sampled_from(["set", "delete", "add"])), max_size=4))
def test_every_question_is_answered_as_the_host_answers_it(
    fields: list[tuple[bytes, bytes]], asked: str, changes: list[tuple[str, str]]
) -> None:
    """Also after fields were set, added and taken off."""
    ours, theirs = IndexedHeaders(fields), http.Headers(fields)
    for name, what in [("", ""), *changes]:
        for headers in (ours, theirs):
            if what == "set":
                headers[name] = "new"
            elif what == "add":
                headers.add(name, "more")
            elif what == "delete" and name in headers:
                del headers[name]
        assert ours.fields == theirs.fields
        assert ours.get(asked) == theirs.get(asked)
        assert ours.get_all(asked) == theirs.get_all(asked)
        assert (asked in ours) == (asked in theirs)
        assert ours.get(asked, "none") == theirs.get(asked, "none")
        assert bytes(ours) == bytes(theirs)
        assert ours.copy().fields == theirs.fields
        assert raw_values(ours, asked.lower().encode("latin-1")) == raw_values(theirs, asked.lower().encode("latin-1"))


@given(FIELDS, st.frozensets(st.sampled_from([b"host", b"accept", b"set-cookie", b"missing"])), st.booleans())
def test_fields_taken_off_together_are_those_taken_off_one_by_one(
    fields: list[tuple[bytes, bytes]], names: frozenset[bytes], indexed: bool
) -> None:
    """Whoever made the headers."""
    ours, theirs = (IndexedHeaders if indexed else http.Headers)(fields), http.Headers(fields)
    drop(ours, names)
    for name in names:
        theirs.pop(name, None)
    assert ours.fields == theirs.fields
    assert not any(name.decode() in ours for name in names)


@given(st.lists(st.binary(min_size=1, max_size=12).filter(lambda line: b"\n" not in line), max_size=6))
def test_lines_are_read_as_the_host_reads_them(lines: list[bytes]) -> None:
    """Or refused, as there."""
    try:
        expected = original(lines).fields
    except ValueError:
        with pytest.raises(ValueError, match="Invalid header"):
            read_headers(lines)
        return
    assert read_headers(lines).fields == expected


def test_the_host_reads_heads_so() -> None:
    """Once it is in force."""
    install()
    head = read.read_request_head([b"GET / HTTP/1.1", b"Host: lesson.example"])
    assert isinstance(head.headers, IndexedHeaders)
    assert head.headers["host"] == "lesson.example"
