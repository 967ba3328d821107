"""Parquet files are read back by the library everybody uses, value by value."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from logstore.export import COLUMNS, as_json
from logstore.exportbook import Span, hash_file
from logstore.exportfile import CannotWrite, ExportFile, Written
from logstore.parquet import ROWS, write_parquet
from logstore.record import EndingKind
from logstore.rows import Row

from .rows import AT, ended, ids_from, request

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install 'schoolgate[parquet]'")


def wrote(path: Path, rows: Iterable[Row]) -> tuple[Written, Span | None]:
    with ExportFile(path) as file:
        write_parquet(file, rows)
        written = file.finish()
        file.put()
        return written, file.span


def rows(number: int) -> Iterator[Row]:
    ids = ids_from(AT, 1_000)
    for n in range(number):
        yield Row(request(ids.next(), user=f"pupil-{n % 7}", path=f"/{n}", terms=("a", "b")[: n % 3]), ended())


def test_every_value_comes_back(tmp_path: Path) -> None:
    """With types a program can count on: instants, 64-bit ids, lists, yes and no."""
    ids = ids_from(AT, 1_000_000)
    odd = [
        Row(request(ids.next(), user=None, path="/=1+1", terms=("snow\ud800man",), page=True), ended(title="Ünï")),
        Row(request(ids.next(), blocked=True, action="block"), ended(EndingKind.BLOCKED, content_type=None)),
    ]
    written, span = wrote(tmp_path / "a.parquet", odd)
    table = pq.read_table(tmp_path / "a.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert (written.lines, written.sha256) == (2, hash_file(tmp_path / "a.parquet"))
    assert span == (odd[0].at, odd[1].at)
    for row, told in zip(odd, table.to_pylist(), strict=True):
        wanted = as_json(row)
        assert (told["id"], told["time"]) == (row.id, row.at)
        assert told["terms"] == [term.encode("utf-8", "replace").decode() for term in row.record.terms]
        for name in set(COLUMNS) - {"id", "time", "terms"}:
            value = wanted[name]
            assert told[name] == (list(value) if isinstance(value, tuple) else value), name


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    """A group at a time: when the first group is on its way, later rows have not been asked for."""
    asked = 0

    def counted() -> Iterator[Row]:
        nonlocal asked
        for row in rows(ROWS * 2 + 5):
            asked += 1
            yield row

    written, _ = wrote(tmp_path / "big.parquet", counted())
    file = pq.ParquetFile(tmp_path / "big.parquet")
    assert (written.lines, asked, file.metadata.num_rows) == (ROWS * 2 + 5,) * 3
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [ROWS, ROWS, 5]


def test_no_rows_make_a_file_that_says_so(tmp_path: Path) -> None:
    written, span = wrote(tmp_path / "none.parquet", [])
    assert (written.lines, span) == (0, None)
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


def test_what_breaks_off_leaves_nothing_and_nothing_is_written_over(tmp_path: Path) -> None:
    def broken() -> Iterator[Row]:
        yield from itertools.islice(rows(5), 5)
        raise OSError(5, "Input/output error")

    with pytest.raises(CannotWrite, match="Input/output error"):
        wrote(tmp_path / "a.parquet", broken())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.parquet").write_text("mine")
    with pytest.raises(CannotWrite, match="nothing is written over"):
        wrote(tmp_path / "a.parquet", rows(1))
    assert (tmp_path / "a.parquet").read_text() == "mine"
