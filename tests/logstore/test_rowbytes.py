"""Bytes of rows of our own making are those that msgpack and PostgreSQL's driver make, or there are none."""

from __future__ import annotations

import hashlib
from typing import Any

import msgpack
import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.copy import LibpqWriter

from logstore import chain, fastrows, rowbytes
from logstore.folding import COLUMNS
from logstore.place import Database
from logstore.postgres import store
from logstore.postgres.store import COPY, COPY_TYPES, PostgresStore
from logstore.verify import verify
from tests.logstore.rows import batch

EDGES = sorted({
    sign * (1 << bits) + off for bits in (0, 5, 7, 8, 15, 16, 31, 32, 62) for sign in (1, -1) for off in (-1, 0, 1)
})  # fmt: skip
"""Numbers on both sides of where another spelling begins."""
LENGTHS = (0, 1, 31, 32, 255, 256, 65_535, 65_536)
NUMBERS = st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
ROWS = st.lists(st.lists(st.none() | st.booleans() | NUMBERS | TEXTS, max_size=30).map(tuple), max_size=10)
WIDEST = {"int8": 63, "int4": 31, "int2": 15}


@given(rows=ROWS)
@example(rows=[tuple(EDGES[:24]), tuple(EDGES[24:])])
@example(rows=[("é" * 127, "x" * 255)])
def test_what_is_hashed_is_what_msgpack_packs(rows: list[tuple[Any, ...]]) -> None:
    """Else no row of the past could be proved any more."""
    assert rowbytes.packed(rows) == [msgpack.packb(row) for row in rows]


@pytest.mark.parametrize("length", LENGTHS)
def test_texts_of_any_length_are_packed_alike(length: int) -> None:
    assert rowbytes.packed([("x" * length,)]) == [msgpack.packb(("x" * length,))]


@pytest.mark.parametrize("value", [b"\xff", 1.5, 2**63, ("a",), "\ud800"], ids=repr)
def test_what_it_does_not_know_is_refused_and_msgpack_asked(value: Any) -> None:
    """Bytes in place of a text that is no Unicode are hashed as ever; half a character still cannot be."""
    with pytest.raises((TypeError, ValueError, OverflowError)):
        rowbytes.packed([(1, value)])
    if value == "\ud800":
        with pytest.raises(UnicodeEncodeError):
            chain.leaves_of([(1, value)])
    else:
        packed = [msgpack.packb((0, "a")), msgpack.packb((1, value))]
        assert chain.leaves_of([(0, "a"), (1, value)]) == b"".join(hashlib.sha256(one).digest() for one in packed)


def test_compiled_it_is_what_hashes() -> None:
    """And interpreted it is not, for then msgpack is the faster one."""
    assert (fastrows.packed is None) == hasattr(rowbytes.packed, "__code__")


class Kept(LibpqWriter):
    """Sends a COPY on, and remembers it."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        super().__init__(cursor)
        self.data = bytearray()

    def write(self, data: Any) -> None:
        self.data += data
        super().write(data)


def column(kind: str) -> st.SearchStrategy[Any]:
    """Values of a column of the log."""
    if kind == "text":
        return st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)
    if kind == "bool":
        return st.sampled_from([0, 1, False, True])
    most = 1 << WIDEST[kind]
    return st.none() | st.sampled_from([-most, -1, 0, 1, most - 1]) | st.integers(-most, most - 1)


def test_what_is_copied_is_what_the_driver_sends(database: Database) -> None:
    """Signature and end included."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMP TABLE taken (LIKE log)")
        connection.execute("ALTER TABLE taken ALTER id DROP NOT NULL")
        for name in ("offset_us", "blocked", "bytes_up", "bytes_down", "duration_us"):
            connection.execute(f"ALTER TABLE taken ALTER {name} DROP NOT NULL")

        @given(rows=st.lists(st.tuples(*map(column, COPY_TYPES)), min_size=1, max_size=5))
        def same(rows: list[tuple[Any, ...]]) -> None:
            with connection.cursor() as cursor:
                kept = Kept(cursor)
                with cursor.copy(COPY.replace("COPY log", "COPY taken"), writer=kept) as into:
                    into.set_types(COPY_TYPES)
                    for row in rows:
                        into.write_row(row)
            assert store.COPY_HEAD + rowbytes.copied(rows, store.WIDTHS) + store.COPY_END == bytes(kept.data)

        same()


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", 1 << 15), ("user_id", 1 << 31), ("bytes_up", 1 << 63), ("status", "200"), ("path", 1), ("id", None)],
)
def test_a_value_that_does_not_fit_its_column_is_never_cut_short(name: str, value: Any) -> None:
    row = list[Any]([None] * len(COLUMNS))
    row[COLUMNS.index(name)] = value
    if value is None:
        row.pop()
    with pytest.raises((TypeError, ValueError, OverflowError)):
        rowbytes.copied([tuple(row)], store.WIDTHS)


@pytest.mark.parametrize("way", ["ours", "theirs"])
def test_both_ways_store_the_same(database: Database, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Interpreted, rows go by the driver; a chain made one way is whole for who hashes the other."""
    if way == "theirs":
        monkeypatch.setattr(fastrows, "packed", None)
        monkeypatch.setattr(fastrows, "copied", None)
    with PostgresStore(database) as rows:
        assert rows.append(batch(50)) == 50
    monkeypatch.undo()
    report = verify(database)
    assert report.ok, report.problems
    assert report.rows == 50
