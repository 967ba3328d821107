"""Rows written as bytes in one pass are the rows that are folded first and spelt after, byte for byte.

Shows: `logstore.written`, `logstore.fastrows`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore import fastrows, rowbytes
from logstore.chain import Hashing, make_batch
from logstore.folding import Folding, Known, fold
from logstore.ids import id_time_us
from logstore.postgres.store import WIDTHS
from logstore.unread import Row
from logstore.written import written
from tests.logstore.rows import AT, batch, ended, ids_from, request
from tests.logstore.test_folding import ENDINGS, FIELDS, LATE, Names, from_the_spool


def spelt(rows: list[tuple[Any, ...]]) -> list[Any]:
    """What must come of folded rows."""
    return [(row[0], row[1], rowbytes.packed([row])[0], rowbytes.copied([row], WIDTHS)) for row in rows]


@given(st.lists(st.lists(st.tuples(FIELDS, ENDINGS, st.booleans(), LATE), max_size=8), max_size=6), st.data())
def test_both_forms_are_those_of_the_folded_row(batches: list[list[Any]], data: st.DataObject) -> None:
    """From the spool or not, known or new, of two days in turns: a number of the one day is not the other's."""
    ids, names = ids_from(AT, 1_000), (Names(), Names())
    days = [(Known(), Known(), one) for one in names]
    for one in batches:
        ours, theirs, learned = data.draw(st.sampled_from(days))
        rows: list[Row] = []
        for fields, last, spooled, late in one:
            record_id = ids.next()
            pair = request(record_id, time_us=id_time_us(record_id) + late, **fields), ended(**last)
            rows += from_the_spool([pair]) if spooled else [pair]
        wanted = spelt(fold(rows, theirs, learned.learn))
        ahead = Folding(rows, ours, written)
        ahead.go_on(data.draw(st.integers(0, 3)))
        assert ahead.whole(learned.learn) == wanted
        assert fold(rows, ours, learned.learn, written) == wanted


def interpreted() -> Any:
    """`written` as it is without a compiler."""
    source = Path(fastrows.__file__).with_name("written.py")
    spec = importlib.util.spec_from_file_location("written_interpreted", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.written


@pytest.mark.parametrize("write", [written, interpreted()], ids=["as installed", "interpreted"])
@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("ending", "status", 1 << 15), ("ending", "status", "200"), ("ending", "status", True),
        ("ending", "bytes_up", 1 << 63), ("ending", "title", b"bytes"), ("ending", "repeats", 1 << 31),
        ("record", "path", 1), ("record", "query", "half a character: \ud800"), ("record", "time_us", "noon"),
        ("record", "time_us", -(2**63 - 1)), ("record", "time_us", 2**63 - 1),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_a_value_that_is_none_of_its_column_is_refused(where: str, name: str, value: Any, write: Any) -> None:
    """It is never cut short; the row's own way says what is wrong with it."""
    record, ending = batch(1)[0]
    if where == "record":
        record = dataclasses.replace(record, **{name: value})
    else:
        ending = dataclasses.replace(ending, **{name: value})
    with pytest.raises((TypeError, ValueError, OverflowError)):
        fold([(record, ending)], Known(), Names().learn, write)


def test_what_was_written_is_hashed_as_its_rows() -> None:
    """Over more than one portion; so the chain is the same whichever way a row went."""
    rows: list[Row] = list(batch(1_234))
    known, names = Known(), Names()
    values = fold(rows, known, names.learn)
    as_bytes = fold(rows, known, names.learn, written)
    told = [("user_id", 1, "pupil-0001")]
    plain = make_batch(b"before", 1, values, told, 5)
    assert make_batch(b"before", 1, as_bytes, told, 5, hashed=Hashing(as_bytes, told, packed=True)) == plain


def test_compiled_it_is_what_writes() -> None:
    """And interpreted it is not, for then msgpack and the driver are the faster ones."""
    assert (fastrows.writer() is None) == hasattr(written, "__code__")
