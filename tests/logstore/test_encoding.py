"""What goes into the spool comes out again: whole, or cut and marked, and never an exception.

Shows: `logstore.cleaning`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logstore.cleaning import TEXT_LIMIT, URL_LIMIT
from logstore.encoding import (
    ENDING_FIELDS,
    RECORD_FIELDS,
    EncodingProblem,
    Fact,
    decode_close,
    decode_fact,
    decode_open,
    decode_write,
    encode_close,
    encode_fact,
    encode_open,
    encode_write,
)
from logstore.ids import RecordIds
from logstore.record import Ending, EndingKind, LogRecord
from tests.logstore.spooling import DELIVERED, make_record

PUPIL = make_record(RecordIds(0))
clean_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
any_text = st.text(st.characters(), max_size=60)
number = st.integers(0, 2**63 - 1)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "str": clean_text,
    "str | None": st.none() | clean_text,
    "int": number,
    "int | None": st.none() | number,
    "bool": st.booleans(),
    "bool | None": st.none() | st.booleans(),
    "tuple[str, ...]": st.lists(clean_text, max_size=5).map(tuple),
    "EndingKind": st.sampled_from(EndingKind),
}


def values_of(shape: type) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({field.name: KINDS[str(field.type)] for field in dataclasses.fields(shape)})


def test_every_field_is_written() -> None:
    """A field added to a record but not to the end of its tuple in `logstore.encoding` would be lost."""
    assert sorted(RECORD_FIELDS) == sorted(field.name for field in dataclasses.fields(LogRecord))
    assert sorted(ENDING_FIELDS) == sorted(field.name for field in dataclasses.fields(Ending))


@given(values_of(LogRecord), values_of(Ending))
@settings(max_examples=60)
def test_records_and_endings_come_back_equal(record_values: dict[str, Any], ending_values: dict[str, Any]) -> None:
    """Field by field, types included."""
    record, ending = LogRecord(**record_values), Ending(**ending_values)
    assert decode_open(encode_open(record)) == record
    assert decode_close(encode_close(record.id, ending)) == (record.id, ending)
    assert decode_write(encode_write(record, ending)) == (record, ending)


@given(any_text, any_text, any_text, any_text, st.lists(any_text, max_size=3))
def test_whatever_a_client_sends_is_recorded(path: str, query: str, user: str, title: str, terms: list[str]) -> None:
    """Lone surrogates and NULs included: what comes back is text any database can hold."""
    record = dataclasses.replace(PUPIL, path=path, query=query, user=user, terms=tuple(terms))
    back, ending = decode_write(encode_write(record, dataclasses.replace(DELIVERED, title=title)))
    for text in (back.path, back.query, back.user, ending.title, *back.terms):
        assert text is not None
        text.encode()
        assert "\0" not in text
    assert len(back.terms) == len(terms)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/caf\udce9", "/caf%E9"),
        ("/a\0b", "/a%00b"),
        ("/\ud83d", "/%EF%BF%BD"),
        ("/café", "/café"),
        (None, None),
    ],
)
def test_a_byte_that_is_no_text_is_spelt_out(path: str | None, kept: str | None) -> None:
    """As percent-encoding, which is what it means in a URL."""
    assert decode_open(encode_open(dataclasses.replace(PUPIL, path=path))).path == kept


def test_a_name_that_is_no_text_is_marked() -> None:
    """Elsewhere a byte that is no text becomes U+FFFD, and the note says so."""
    back = decode_open(encode_open(dataclasses.replace(PUPIL, user="pupil\udcff\0", note="guard")))
    assert (back.user, back.note) == ("pupil\ufffd\ufffd", "guard; cleaned")


@pytest.mark.parametrize(
    ("path", "query"),
    [("/" + "a" * 1_000_000, None), ("/x", "q=" + "é" * 1_000_000), ("/" + "a" * 90_000, "b" * 90_000)],
)
def test_a_url_without_end_is_cut_and_told_by_its_hash(path: str, query: str | None) -> None:
    """64 KiB characters of it stay; length and SHA-256 of the whole stand at the cut, `url-cut` in the note."""
    back = decode_open(encode_open(dataclasses.replace(PUPIL, path=path, query=query)))
    whole = path if query is None else f"{path}?{query}"
    kept = (back.path or "") + (back.query or "")
    mark = f"~cut~{len(path) + len(query or '')}~sha256~{hashlib.sha256(whole.encode()).hexdigest()}"
    assert kept.endswith(mark)
    assert len(kept) == URL_LIMIT + len(mark)
    assert back.note == "url-cut"


def test_an_8_kb_url_stays_whole() -> None:
    """Long, but some sites have them."""
    record = dataclasses.replace(PUPIL, path="/" + "a" * 8192, query="b" * 8192)
    assert decode_open(encode_open(record)) == record


def test_other_text_without_end_is_cut() -> None:
    """A megabyte of user name is an attack, not a name."""
    back = decode_open(encode_open(dataclasses.replace(PUPIL, user="x" * 1_000_000, terms=("y" * 9999,) * 99)))
    assert back.user == "x" * (TEXT_LIMIT - 1) + "…"
    assert len(back.terms) == 64
    assert back.note == "cleaned"


@pytest.mark.parametrize(
    "odd",
    [{"port": 2**70}, {"port": "8080"}, {"port": None}, {"site": object()}, {"groups": None}, {"groups": ["a"]},
     {"page": 1, "user": b"bytes"}, {"note": 5}, {"terms": {"a"}}, {"host": None}],
)  # fmt: skip
def test_a_mistake_in_a_record_does_not_lose_it(odd: dict[str, Any]) -> None:
    """A field of the wrong type is a bug elsewhere; the record is kept with the nearest thing."""
    back = decode_open(encode_open(dataclasses.replace(PUPIL, **odd)))
    assert back.id == PUPIL.id


def test_an_older_row_reads_with_defaults_and_a_newer_one_without_what_is_unknown() -> None:
    """Fields are only ever added at the end."""
    _, values = msgpack.unpackb(encode_open(PUPIL))
    assert decode_open(msgpack.packb((1, values[:10]))).port == 80
    assert decode_open(msgpack.packb((1, [*values, "a later field"]))) == PUPIL


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"\x91\x01", msgpack.packb((2, [])), msgpack.packb((0, [])), msgpack.packb([1, ["x"]]),
     msgpack.packb((1, "text")), msgpack.packb({"a": 1}), None, 7, "text", encode_open(PUPIL)[:-9]],
)  # fmt: skip
@pytest.mark.parametrize("decode", [decode_open, decode_close, decode_write, decode_fact])
def test_bytes_that_are_no_event_are_one_kind_of_problem(payload: Any, decode: Any) -> None:
    """So that one bad event goes to the quarantine and stops nobody."""
    with pytest.raises(EncodingProblem):
        decode(payload)


@given(st.binary(max_size=80))
def test_any_bytes_are_an_event_or_a_problem(payload: bytes) -> None:
    """Never another exception."""
    for decode in (decode_open, decode_close, decode_write, decode_fact):
        try:
            decode(payload)
        except EncodingProblem:
            continue


@given(
    st.dictionaries(any_text, st.recursive(st.none() | st.booleans() | st.integers() | any_text, st.lists), max_size=4)
)
def test_any_fact_is_recorded(payload: dict[str, Any]) -> None:
    """Facts of other rooms hold what those rooms like."""
    back = decode_fact(encode_fact(Fact("sign-in", 1, payload)))
    assert (back.kind, back.at_us) == ("sign-in", 1)


def test_a_fact_comes_back_as_it_was() -> None:
    """Primitives and lists."""
    fact = Fact("warn-continue", 1_795_251_600_000_000, {"user": "pupil-0417", "rule": "ks4-forums", "n": 3, "x": None})
    assert decode_fact(encode_fact(fact)) == fact
