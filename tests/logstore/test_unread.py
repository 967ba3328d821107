"""What comes from the spool is a record like any other, looked into or not.

Shows: `logstore.unread`, `logstore.folding`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from logstore.encoding import decode_close, decode_open, encode_close, encode_open
from logstore.folding import COLUMNS, Known, fold
from logstore.ids import RecordIds
from logstore.record import Ending, LogRecord
from logstore.rowcheck import fault
from logstore.told import ALONE, ALONE_AT_END, DECIDED, ENDED, WHERE, WHO, Ended, Groups, Opened, read_open
from logstore.unread import UnreadEnding, UnreadRecord, ended_of, opened_of
from tests.logstore.spooling import DELIVERED, make_record

PUPIL = dataclasses.replace(make_record(RecordIds(0)), terms=("castles",), query="q=castles", note="guard")


def fresh() -> tuple[LogRecord, Ending]:
    """A record and its ending, from the spool."""
    record, (_, ending) = decode_open(encode_open(PUPIL)), decode_close(encode_close(PUPIL.id, DELIVERED))
    assert (type(record), type(ending)) == (UnreadRecord, UnreadEnding)
    return record, ending


def of_record(opened: Opened) -> tuple[Any, ...]:
    """All that an open tells."""
    return opened.who.told, opened.where.told, opened.decided.told, opened.alone()


def of_ending(ended: Ended) -> tuple[Any, ...]:
    """All that a close tells."""
    return ended.group.told, ended.alone()


def test_every_field_of_a_record_is_in_one_group() -> None:
    """A field that stood in none would be lost on its way into the store."""
    names = ("id", "time_us", *WHO, *WHERE, *DECIDED, *ALONE)
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(LogRecord))
    assert sorted((*ENDED, *ALONE_AT_END)) == sorted(field.name for field in dataclasses.fields(Ending))


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
    assert of_record(opened_of(record)) == of_record(opened_of(PUPIL))
    assert of_ending(ended_of(ending)) == of_ending(ended_of(DELIVERED))

    def learn(_: object, keys: Any) -> dict[Any, int]:
        return {key: number for number, key in enumerate(sorted(keys, key=repr), 1)}

    assert fold([fresh()], Known(), learn) == fold([(PUPIL, DELIVERED)], Known(), learn)


def test_numbers_of_one_day_are_never_those_of_another() -> None:
    """Nor of a transaction that was rolled back: a wrong one would be a wrong name, host or verdict."""
    days = {first: Known() for first in (1, 1_000)}
    columns = [place for place, name in enumerate(COLUMNS) if name.endswith("_id")]
    for first in (1, 1_000, 1, 1_000):
        pair = fresh()
        (row,) = fold([pair], days[first], lambda _, keys, first=first: dict.fromkeys(keys, first))  # type: ignore[misc]
        assert {row[place] for place in columns} - {None} == {first}


def test_what_repeats_is_one_object() -> None:
    """A batch of one person's requests holds their name once."""
    assert opened_of(fresh()[0]).who is opened_of(fresh()[0]).who


def test_remembering_has_a_bound() -> None:
    """A device that invents hosts fills no memory."""
    groups = Groups(30)
    for number in range(200):
        host = dataclasses.replace(PUPIL, host=f"h{number}.example")
        found = read_open(encode_open(host), groups)
        assert found is not None
        assert found.where.told[2] == host.host
        assert groups.of((host.host,)).told == (host.host,)
    assert len(groups) <= 30


TEXTS = [msgpack.packb("x" * (30 + number)) for number in range(9)]


@pytest.mark.parametrize(
    "name",
    [
        lambda groups, number: groups.text(TEXTS[number]),
        lambda groups, number: groups.packed(b"\x91", TEXTS[number]),
        lambda groups, number: groups.of(("x" * (30 + number),)),
        lambda groups, number: groups.of((("x" * 15, "x" * (15 + number)),)),
    ],
    ids=["text", "group in its bytes", "group", "group with a list"],
)
def test_remembering_long_texts_has_a_bound(name: Callable[[Groups, int], object]) -> None:
    """Nor does one that invents long ones; what fits is remembered, however often it comes."""
    groups = Groups(most_bytes=300)
    first = name(groups, 0)
    for number in (1, 2, 3, *[1, 2, 3] * 9):
        name(groups, number)
    assert name(groups, 0) is first
    for number in range(4, 9):
        name(groups, number)
    anew = name(groups, 0)
    assert anew is not first
    name(groups, 1)
    assert name(groups, 0) is anew


def test_a_value_that_no_field_can_be_is_said_by_the_store_not_here() -> None:
    """It is one row's fault, and must not stop the others."""
    version, values = msgpack.unpackb(encode_open(PUPIL))
    record = decode_open(msgpack.packb((version, [*values[:5], {"a": 1}, *values[6:]])))
    assert fault(record, DELIVERED) == "user is a dict, not a str"
