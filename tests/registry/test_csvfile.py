"""Spreadsheets: what we write is read back, and no cell is a formula."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from registry.csvfile import FORMULA_STARTS, SIZE_LIMIT, read_table, write_table

cells = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20).map(str.strip)


@given(st.lists(st.tuples(cells, cells.filter(bool)), max_size=8))
def test_what_is_written_is_read_back(rows: list[tuple[str, str]]) -> None:
    """Text survives, formulas become text, and the file holds no cell that a spreadsheet runs."""
    text = write_table(("title", "name"), rows)
    for row in csv.reader(io.StringIO(text)):
        assert not any(cell.startswith(FORMULA_STARTS) for cell in row)
    table = read_table(text.encode(), file="x.csv", columns=("title", "name"), required=("name",))
    assert table.problems == ()
    told = [(row.cells["title"], row.cells["name"]) for row in table.rows]
    assert told == rows


@given(st.binary(max_size=300))
def test_no_file_raises(data: bytes) -> None:
    """Whatever is given as a file, the answer is rows and problems."""
    read_table(data, file="x.csv", columns=("name",), required=("name",))
    read_table(b"name\n" + data, file="x.csv", columns=("name",), required=("name",))


def test_lines_are_counted_as_an_editor_shows_them() -> None:
    """A cell with a line break moves the following lines down, as in the editor."""
    table = read_table(b'name,title\na,"two\nlines"\nb\n', file="x.csv", columns=("name", "title"), required=("name",))
    assert [str(problem) for problem in table.problems] == ["x.csv:4: has 1 cells, the heading has 2"]


def test_a_film_is_no_spreadsheet() -> None:
    """A file too large for any school is refused before it is read."""
    table = read_table(b"x" * (SIZE_LIMIT + 1), file="film.csv", columns=("name",), required=("name",))
    assert "larger than 32 MB" in str(table.problems[0])
