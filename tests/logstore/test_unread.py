"""What comes from the spool is a record like any other, looked into or not.

Shows: `logstore.unread`, `logstore.folding`.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import msgpack
import pytest

from logstore import unread
from logstore.encoding import decode_close, decode_open, encode_close, encode_open
from logstore.folding import Known, fold
from logstore.ids import RecordIds
from logstore.record import Ending, LogRecord
from logstore.rowcheck import fault
from logstore.unread import UnreadEnding, UnreadRecord, told_of_ending, told_of_record
from tests.logstore.spooling import DELIVERED, make_record

PUPIL = dataclasses.replace(make_record(RecordIds(0)), terms=("castles",), query="q=castles", note="guard")


def fresh() -> tuple[LogRecord, Ending]:
    """A record and its ending, from the spool."""
    record, (_, ending) = decode_open(encode_open(PUPIL)), decode_close(encode_close(PUPIL.id, DELIVERED))
    assert (type(record), type(ending)) == (UnreadRecord, UnreadEnding)
    return record, ending


def test_every_field_of_a_record_is_in_one_group() -> None:
    """A field that stood in none would be lost on its way into the store."""
    names = ("id", "time_us", *unread.WHO, *unread.WHERE, *unread.DECIDED, *unread.ALONE)
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(LogRecord))
    names = (*unread.ENDED, *unread.ALONE_AT_END)
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(Ending))


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(LogRecord)])
def test_each_field_can_be_asked_for_first(name: str) -> None:
    record, _ = fresh()
    assert getattr(record, name) == getattr(PUPIL, name)
    assert record == PUPIL


def test_looked_into_it_is_a_record_like_any_other() -> None:
    """Compared from either side, replaced, copied, told as a mapping, hashed."""
    for left, right in ((fresh()[0], PUPIL), (PUPIL, fresh()[0]), (fresh()[0], fresh()[0])):
        assert left == right
    record, ending = fresh()
    assert hash(record) == hash(PUPIL)
    assert hash(ending) == hash(DELIVERED)
    assert dataclasses.asdict(fresh()[0]) == dataclasses.asdict(PUPIL)
    assert dataclasses.replace(fresh()[1], status=404) == dataclasses.replace(DELIVERED, status=404)
    assert copy.copy(record) == PUPIL
    assert (type(record), type(ending)) == (LogRecord, Ending)
    assert fault(*fresh()) is None
    with pytest.raises(AttributeError):
        _ = fresh()[0].no_such_field  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        fresh()[0].host = "example.org"  # type: ignore[misc]


def test_it_is_folded_as_if_it_had_been_looked_into() -> None:
    """The groups are the same, whoever made the record, and so is the row."""
    record, ending = fresh()
    assert (told_of_record(record), told_of_ending(ending)) == (told_of_record(PUPIL), told_of_ending(DELIVERED))

    def learn(_: object, keys: Any) -> dict[Any, int]:
        return {key: number for number, key in enumerate(sorted(keys, key=repr), 1)}

    assert fold([fresh()], Known(), learn) == fold([(PUPIL, DELIVERED)], Known(), learn)


def test_what_repeats_is_one_object() -> None:
    """A batch of one person's requests holds their name once."""
    assert told_of_record(fresh()[0])[0] is told_of_record(fresh()[0])[0]


def test_remembering_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that invents hosts fills no memory."""
    monkeypatch.setattr(unread, "MOST", 30)
    for number in range(200):
        host = dataclasses.replace(PUPIL, host=f"h{number}.example")
        assert decode_open(encode_open(host)) == host
    assert len(unread._same) <= 34


def test_a_value_that_no_field_can_be_is_said_by_the_store_not_here() -> None:
    """It is one row's fault, and must not stop the others."""
    version, values = msgpack.unpackb(encode_open(PUPIL))
    record = decode_open(msgpack.packb((version, [*values[:5], {"a": 1}, *values[6:]])))
    assert fault(record, DELIVERED) == "user is a dict, not a str"
