"""Tables that people keep in spreadsheets: bytes in, rows and problems out; rows in, safe text out.

Nothing here knows what the columns mean. The rule: a cell we write never starts like a formula, because whoever opens
the file in a spreadsheet would run it (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.change import RegistryProblem

SIZE_LIMIT = 32 * 1024 * 1024
"""Largest file that is read, in bytes."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a cell for a formula."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the file."""

    line: int
    """Line number from 1."""
    cells: Mapping[str, str]
    """Cell by column; only the columns the file has. Outer blanks are gone."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds."""

    rows: tuple[Row, ...]
    """Rows that could be read."""
    problems: tuple[RegistryProblem, ...]
    """What could not."""


def read_table(data: bytes, *, file: str, columns: Sequence[str], required: Sequence[str]) -> Table:
    """Read a CSV file with a heading line. Problems are values; `file` names it in them."""
    if len(data) > SIZE_LIMIT:
        return Table((), (RegistryProblem(file, f"is larger than {SIZE_LIMIT // 1024**2} MB"),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Table((), (RegistryProblem(f"{file}:{line}", "is not UTF-8", "save it as 'CSV UTF-8'"),))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return _read(reader, file, columns, required)
    except csv.Error as error:
        return Table((), (RegistryProblem(f"{file}:{reader.line_num}", f"is not CSV: {error}"),))


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV text with a heading line; cells that start like a formula get an apostrophe in front."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return out.getvalue()


def words(cell: str) -> frozenset[str]:
    """The names in a cell, separated by semicolons, in small letters."""
    return frozenset(word.strip().casefold() for word in cell.split(";") if word.strip())


def yes_or_no(cell: str) -> bool | None:
    """True, False, or None for anything else."""
    return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(cell.casefold())


def _read(reader: Iterable[list[str]], file: str, columns: Sequence[str], required: Sequence[str]) -> Table:
    lines = iter(reader)
    heading = [cell.strip().casefold() for cell in next(lines, [])]
    problems = [*_heading_problems(heading, file, columns, required)]
    if problems:
        return Table((), tuple(problems))
    rows: list[Row] = []
    for cells in lines:
        line = int(getattr(reader, "line_num", len(rows) + 2))
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(heading):
            what = f"has {len(cells)} cells, the heading has {len(heading)}"
            problems.append(RegistryProblem(f"{file}:{line}", what))
            continue
        rows.append(Row(line, {name: _plain(cell) for name, cell in zip(heading, cells, strict=True)}))
    return Table(tuple(rows), tuple(problems))


def _heading_problems(
    heading: list[str], file: str, columns: Sequence[str], required: Sequence[str]
) -> Iterable[RegistryProblem]:
    where = f"{file}:1"
    for name in required:
        if name not in heading:
            yield RegistryProblem(
                where, f"has no column {name!r}", "the first line names the columns: " + ", ".join(columns)
            )
    for name in sorted(set(heading)):
        if name not in columns:
            close = difflib.get_close_matches(name, columns, n=1)
            instead = f"did you mean {close[0]!r}?" if close else "one of " + ", ".join(columns)
            yield RegistryProblem(where, f"unknown column {name!r}", instead)
        elif heading.count(name) > 1:
            yield RegistryProblem(where, f"has two columns {name!r}")


def _safe(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _plain(cell: str) -> str:
    """Without outer blanks, and without the apostrophe `write_table` put in front."""
    text = cell.strip()
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text
