"""A batch becomes the same numbers, whichever way its rows came and whatever was known before.

Shows: `logstore.folding`, `logstore.dimensions`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.dimensions import FOLDED, Dimension
from logstore.encoding import EventKind, encode_close, encode_open
from logstore.folding import COLUMNS, Folding, Known, Reach, fold
from logstore.ids import id_time_us
from logstore.marks import HOUR_US
from logstore.merge import Merger
from logstore.record import Ending, EndingKind, LogRecord
from logstore.unread import Pair, Row
from tests.logstore.rows import AT, ended, ids_from, request

FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "user": st.sampled_from([None, "pupil-0001", "pupil-0002"]),
        "host": st.sampled_from(["a.example", "b.example", "c.example"]),
        "method": st.sampled_from(["GET", "POST"]),
        "entry": st.sampled_from([None, "a.example", "b.example"]),
        "blocked": st.booleans(),
        "groups": st.sampled_from([(), ("year-4",)]),
        "terms": st.sampled_from([(), ("castles", "Wales")]),
        "query": st.sampled_from([None, "q=castles"]),
    },
)
ENDINGS = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(list(EndingKind)),
        "content_type": st.sampled_from([None, "text/html", "image/png"]),
        "blocked": st.sampled_from([None, True, False]),
        "title": st.sampled_from([None, "Castles"]),
        "repeats": st.integers(0, 2),
        "status": st.sampled_from([None, 200, 403]),
    },
)
LATE = st.integers(-2 * HOUR_US, 2 * HOUR_US)


class Names:
    """Numbers for names, as a store gives them: each once, from 1."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, Any], int] = {}
        self.fails = False

    def learn(self, dimension: Dimension, keys: Iterable[Any]) -> dict[Any, int]:
        if self.fails:
            raise ConnectionError("the store went away")
        return {key: self.given.setdefault((dimension.column, key), len(self.given) + 1) for key in keys}

    def row(self, record: LogRecord, ending: Ending) -> tuple[Any, ...]:
        """What must come of a pair, found field by field."""
        told: dict[str, Any] = {"id": record.id, "offset_us": record.time_us - id_time_us(record.id)}
        for dimension in FOLDED:
            (key,) = dimension.keys([record], [ending])
            told[dimension.column] = None if key is None else self.given[dimension.column, key]
        told |= {name: getattr(record, name) for name in ("note", "path", "query")}
        told |= {name: getattr(ending, name) for name in ("status", "bytes_up", "bytes_down", "duration_us", "error")}
        told |= {"title": ending.title, "repeats": ending.repeats or None}
        told["blocked"] = int(record.blocked if ending.blocked is None else ending.blocked)
        told["terms"] = json.dumps(record.terms, ensure_ascii=False) if record.terms else None
        return tuple(told[name] for name in COLUMNS)


def from_the_spool(pairs: Iterable[Pair]) -> list[Row]:
    """The pairs as the shipper hands them over."""
    rows: list[Row] = []
    events = [
        event
        for number, (record, ending) in enumerate(pairs)
        for event in (
            (2 * number, EventKind.OPEN, encode_open(record)),
            (2 * number + 1, EventKind.CLOSE, encode_close(record.id, ending)),
        )
    ]
    assert Merger().feed_all("w0", events, rows) == []
    return rows


@given(st.lists(st.lists(st.tuples(FIELDS, ENDINGS, st.booleans(), LATE), max_size=8), max_size=6), st.data())
def test_each_row_has_the_numbers_of_what_it_names(batches: list[list[Any]], data: st.DataObject) -> None:
    """From the spool or not, known or new, of two days in turns; also when the store goes away in between."""
    ids, days = ids_from(AT, 1_000), [(Known(), Names()), (Known(), Names())]
    for one in batches:
        known, names = data.draw(st.sampled_from(days))
        rows: list[Row] = []
        pairs: list[Pair] = []
        for fields, last, spooled, late in one:
            record_id = ids.next()
            pair = request(record_id, time_us=id_time_us(record_id) + late, **fields), ended(**last)
            pairs.append(pair)
            rows += from_the_spool([pair]) if spooled else [pair]
        names.fails = data.draw(st.booleans())
        try:
            fold(rows, known, names.learn)
        except ConnectionError:
            names.fails = False
        assert fold(rows, known, names.learn) == [names.row(*pair) for pair in pairs]


@given(st.lists(st.tuples(FIELDS, ENDINGS, st.booleans()), max_size=12), st.data())
def test_a_batch_folded_ahead_is_the_batch(told: list[Any], data: st.DataObject) -> None:
    """In portions, while it grows and another batch is folded in between, and also when that one fails."""
    ids, known, names = ids_from(AT, 1_000), Known(), Names()
    pairs = [(request(ids.next(), **fields), ended(**last)) for fields, last, _ in told]
    rows = [
        row
        for pair, (*_, spooled) in zip(pairs, told, strict=True)
        for row in (from_the_spool([pair]) if spooled else [pair])
    ]
    others = data.draw(st.permutations(pairs))
    batch: list[Row] = []
    folding = Folding(batch, known)
    while len(batch) < len(rows):
        batch += rows[len(batch) : len(batch) + data.draw(st.integers(1, 4))]
        for _ in range(data.draw(st.integers(0, 3))):
            folding.go_on(data.draw(st.integers(1, 3)))
        names.fails = data.draw(st.booleans())
        with contextlib.suppress(ConnectionError):
            fold(others[: data.draw(st.integers(0, len(others)))], known, names.learn)
    names.fails = False
    assert folding.whole(names.learn) == [names.row(*pair) for pair in pairs]


def test_a_row_that_cannot_be_folded_is_told_when_the_batch_is_stored() -> None:
    """Not while something else is waited for."""
    names, odd = Names(), (request(ids_from(AT).next(), user=["a list"]), ended())
    folding = Folding([odd], Known())
    assert not folding.go_on(1)
    with pytest.raises(TypeError):
        folding.whole(names.learn)


@given(st.lists(LATE, max_size=20))
def test_where_rows_lie_in_time_is_what_each_of_them_says(offsets: list[int]) -> None:
    ids = ids_from(AT, 600_000_000)
    made = [ids.next() for _ in offsets]
    reach = Reach([(record_id, offset) for record_id, offset in zip(made, offsets, strict=True)][::-1])
    assert (reach.first, reach.last) == (min(made, default=None), max(made, default=None))
    assert (reach.early_us, reach.late_us) == (max(0, -min(offsets, default=0)), max(0, *offsets, 0))
    times = [id_time_us(record_id) + offset for record_id, offset in zip(made, offsets, strict=True)]
    assert reach.hours == {time // HOUR_US for time in times}


def test_what_a_failed_batch_named_is_not_learned_with_the_next_one() -> None:
    """It may be a poison row's: the next batch must not fail over it."""
    ids, names, known = ids_from(AT, 1_000), Names(), Known()
    names.fails = True
    with pytest.raises(ConnectionError):
        fold([(request(ids.next(), user="poison"), ended())], known, names.learn)
    names.fails = False
    fold([(request(ids.next(), user="pupil-0001"), ended())], known, names.learn)
    assert not any(key == "poison" for _, key in names.given)


@pytest.mark.parametrize("dimension", [one for one in FOLDED if one.derive is not None], ids=lambda one: one.column)
@given(st.data())
def test_a_name_is_spelt_as_json_spells_what_is_not_usual(dimension: Dimension, data: st.DataObject) -> None:
    """Keys of rows that are stored are compared with it."""
    values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()).map(tuple)
    record = tuple(data.draw(values) for _ in dimension.record)
    ending = tuple(data.draw(values) for _ in dimension.ending)
    defaults = {field.name: field.default for field in dataclasses.fields(LogRecord)}
    defaults |= {f"end.{field.name}": field.default for field in dataclasses.fields(Ending)}
    told = dict(zip((*dimension.record, *(f"end.{name}" for name in dimension.ending)), record + ending, strict=True))
    unusual = {name: value for name, value in told.items() if value != defaults[name]}
    text = dimension.text((record, ending) if dimension.ending else record)
    assert text == json.dumps(unusual, sort_keys=True, separators=(",", ":"))
