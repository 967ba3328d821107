"""Rows as Parquet, for spreadsheets and statistics that read columns.

In come rows, out goes a file, a few thousand rows at a time, so that memory does not grow with them. It needs pyarrow,
which is an extra (`schoolgate[parquet]`), because it is as large as everything else together. Types are told, never
guessed from the first rows. Times are UTC instants; ids are 64-bit numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from logstore.export import COLUMNS, as_json
from logstore.exportfile import CannotWrite, ExportFile
from logstore.rows import Row

ROWS = 10_000
"""Rows of a group."""
_NUMBERS = {"id": "int64", "status": "int16", "bytes_up": "int64", "bytes_down": "int64", "repeats": "int32"}
_LISTS = ("groups", "categories", "terms")
_YES_OR_NO = ("blocked", "page", "verified", "shared")


def write_parquet(file: ExportFile, rows: Iterable[Row]) -> None:
    """Write rows into a file. Raises `CannotWrite`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CannotWrite("Parquet needs a library that is not installed: pip install 'schoolgate[parquet]'") from error
    schema = pyarrow.schema([(name, _type(pyarrow, name)) for name in COLUMNS])
    try:
        with pyarrow.parquet.ParquetWriter(file.raw, schema, compression="zstd") as writer:
            for part in itertools.batched(map(file.see, rows), ROWS, strict=False):
                writer.write_table(pyarrow.Table.from_pylist([_values(row) for row in part], schema=schema))
                file.lines += len(part)
    except OSError as error:
        raise CannotWrite(f"{file.path} cannot be written: {error.strerror or error}") from error


def _type(pyarrow: Any, name: str) -> Any:
    if name == "time":
        return pyarrow.timestamp("us", tz="UTC")
    if name == "duration_ms":
        return pyarrow.float64()
    if name in _LISTS:
        return pyarrow.list_(pyarrow.string())
    if name in _YES_OR_NO:
        return pyarrow.bool_()
    return getattr(pyarrow, _NUMBERS.get(name, "string"))()


def _values(row: Row) -> dict[str, Any]:
    told = as_json(row)
    values = {name: _text(told[name]) for name in COLUMNS}
    return values | {"time": row.at, "id": row.id}


def _text(value: Any) -> Any:
    """Text that is no Unicode (lone surrogates) with a mark in its place: Parquet holds nothing else."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_text(item) for item in value] if isinstance(value, (list, tuple)) else value
