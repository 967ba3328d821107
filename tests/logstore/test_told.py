"""What is found in the bytes of an event is what unpacking them finds; what is not plain is left to unpacking.

Shows: `logstore.told`, `logstore.packedvalues`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.encoding import ENDING_FIELDS, RECORD_FIELDS, VERSION, encode_close, encode_open
from logstore.ids import RecordIds
from logstore.record import EndingKind
from logstore.told import Ended, Groups, Opened, read_close, read_open
from logstore.unread import KINDS, ended_of, opened_of, unread_ending, unread_record
from tests.logstore.spooling import DELIVERED, make_record

PUPIL = dataclasses.replace(make_record(RecordIds(0)), terms=("castles",), query="q=castles", note="guard")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=300) | st.binary(max_size=20)
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)  # fmt: skip
TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
NUMBER = st.integers(0, 2**63 - 1)


def opened(one: Opened) -> Any:
    """All that an open tells."""
    return one.who.told, one.where.told, one.decided.told, one.alone()


def ended(one: Ended) -> Any:
    """All that a close tells."""
    return one.group.told, one.alone()


def agrees(payload: bytes, seen: Callable[[Any], Any] = repr) -> bool:
    """Whether an open, or a close, was read in its bytes; what was read must be what unpacking gives.

    `seen`: how the two are looked at; as they are written, True is not 1.
    """
    groups = Groups()
    if (found := read_open(payload, groups)) is not None:
        version, values = msgpack.unpackb(payload, use_list=False)
        assert (version, len(values)) == (VERSION, len(RECORD_FIELDS))
        assert (found.id, found.time_us) == values[:2]
        assert seen(opened(found)) == seen(opened(opened_of(unread_record(values))))
        return True
    if (close := read_close(payload, groups, KINDS)) is not None:
        version, record_id, values = msgpack.unpackb(payload, use_list=False)
        assert (version, len(values), record_id) == (VERSION, len(ENDING_FIELDS), close[0])
        assert seen(ended(close[1])) == seen(ended(ended_of(unread_ending(values))))
        return True
    return False


@given(path=TEXT, query=TEXT, user=TEXT, note=TEXT, terms=st.lists(st.text(max_size=40), max_size=20), port=NUMBER)
def test_any_plain_record_is_read_in_its_bytes(
    path: Any, query: Any, user: Any, note: Any, terms: Any, port: int
) -> None:
    record = dataclasses.replace(PUPIL, path=path, query=query, user=user, note=note, port=port)
    assert agrees(encode_open(record))
    agrees(encode_open(dataclasses.replace(record, terms=tuple(terms))))


@given(title=TEXT, error=TEXT, status=st.none() | NUMBER, down=NUMBER, up=NUMBER, page=st.none() | st.booleans())
def test_any_plain_ending_is_read_in_its_bytes(
    title: Any, error: Any, status: Any, down: int, up: int, page: Any
) -> None:
    for kind in EndingKind:
        ending = dataclasses.replace(
            DELIVERED, kind=kind, title=title, error=error, status=status, bytes_down=down, bytes_up=up, page=page
        )
        assert agrees(encode_close(PUPIL.id, ending))


@given(place=st.integers(2, len(RECORD_FIELDS) - 1), value=ANYTHING)
def test_a_value_of_any_kind_is_read_as_unpacking_reads_it_or_left_to_it(place: int, value: Any) -> None:
    """In whichever field of a record, and of an ending. Groups are known by their values, so one with a False where no
    writer puts any is the one with a 0 that was there before."""
    as_it_is = tuple
    values = list(msgpack.unpackb(encode_open(PUPIL))[1])
    values[place] = value
    agrees(msgpack.packb((VERSION, values)), as_it_is)
    last = list(msgpack.unpackb(encode_close(PUPIL.id, DELIVERED))[2])
    last[place % len(last)] = value
    agrees(msgpack.packb((VERSION, PUPIL.id, last)), as_it_is)


@pytest.mark.parametrize("bits", range(65))
def test_a_number_of_any_size_is_the_number_that_was_written(bits: int) -> None:
    """Around each power of two: a machine's own numbers end at 2**63, msgpack's at 2**64."""
    last = list(msgpack.unpackb(encode_close(PUPIL.id, DELIVERED))[2])
    for number in (n for n in (2**bits - 1, 2**bits) if n < 2**64):
        last[ENDING_FIELDS.index("bytes_down")] = number
        assert agrees(msgpack.packb((VERSION, PUPIL.id, last)))
        agrees(encode_close(number, DELIVERED))
        agrees(encode_open(dataclasses.replace(PUPIL, id=number)))
        timed = encode_open(PUPIL)[:15] + number.to_bytes(8) + encode_open(PUPIL)[23:]
        assert agrees(timed)


@given(st.data())
def test_bytes_that_a_disk_has_spoilt_are_read_as_unpacking_reads_them_or_left_to_it(data: st.DataObject) -> None:
    """Changed, cut, lengthened: nothing is read that is not there, and nothing raises."""
    for whole in (encode_open(PUPIL), encode_close(PUPIL.id, DELIVERED)):
        spoilt = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 3))):
            spoilt[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        agrees(bytes(spoilt))
        cut = data.draw(st.integers(0, len(whole) - 1))
        assert not agrees(whole[:cut])
        assert not agrees(whole + data.draw(st.binary(min_size=1, max_size=9)))


@pytest.mark.parametrize("payload", [None, "text", 7, b"", b"\x92", b"\x93\x01\xcf"])
def test_what_is_no_event_is_left_to_whoever_says_why(payload: Any) -> None:
    assert read_open(payload, Groups()) is None
    assert read_close(payload, Groups(), KINDS) is None
