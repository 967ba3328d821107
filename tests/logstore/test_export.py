"""Rows leave whole, and what a client sent does no harm where it arrives."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.export import COLUMNS, FORMULA, as_json, cell, csv_lines, json_lines, printable
from logstore.record import Ending, LogRecord
from logstore.rows import Row

from .rows import AT, ended, ids_from, request

ID = ids_from(AT).next()


def row(**fields: Any) -> Row:
    return Row(request(ID, **fields), ended(title="Owls"))


def test_every_field_is_in_the_json() -> None:
    """By its own name; the ending's kind is called `ending`."""
    told = as_json(row())
    names = {field.name for kind in (LogRecord, Ending) for field in dataclasses.fields(kind)}
    assert names - {"kind"} <= set(told)
    assert told["ending"] == "response"


def test_every_field_is_in_the_csv() -> None:
    """But those that another column tells: the time, the parts of the URL."""
    parts = {"time_us", "path", "query", "scheme", "port", "duration_us"}
    assert set(as_json(row())) - parts == set(COLUMNS)


def test_an_id_is_text_because_json_numbers_end_at_2_to_the_53() -> None:
    assert ID > 2**53
    assert json.loads(next(json_lines([row()])))["id"] == str(ID)


def test_times_are_said_in_the_school_s_zone_with_their_offset() -> None:
    summer = Row(request(ID, time_us=1_782_900_000_123_456), ended())
    assert as_json(summer, ZoneInfo("Europe/London"))["time"] == "2026-07-01T11:00:00.123+01:00"


def test_the_last_word_comes_first_and_what_was_decided_before_is_kept() -> None:
    tightened = Row(request(ID), ended(action="block", blocked=True, reason="phrases", stage="response"))
    told = as_json(tightened)
    assert (told["action"], told["blocked"], told["stage"]) == ("block", True, "response")
    assert told["first"] == {"action": "allow", "blocked": False, "reason": "default", "stage": "request"}
    assert "first" not in as_json(row())


@pytest.mark.parametrize("start", FORMULA)
def test_a_spreadsheet_never_calculates_what_a_client_sent(start: str) -> None:
    """OWASP, CSV injection: a title such as =HYPERLINK(…) stays text."""
    made = cell(f'{start}HYPERLINK("http://evil.example")')
    assert made.startswith(("'", "\\")), made
    assert not made.startswith(FORMULA)


@given(st.text(st.characters(codec=None), max_size=40))
def test_any_text_makes_one_safe_cell(text: str) -> None:
    lines = list(csv_lines([row(user=text, path=text, terms=(text, text), host=text, note=text)]))
    assert len(lines) == 2
    lines[1].encode("utf-8")
    cells = next(iter(csv.reader(io.StringIO(lines[1], newline=""))))
    assert len(cells) == len(COLUMNS)
    assert not any(one.startswith(FORMULA) for one in cells)


@given(st.text(st.characters(codec=None), max_size=40))
def test_any_text_makes_one_line_of_ascii_json_and_comes_back(text: str) -> None:
    lines = list(json_lines([row(user=text, path=text, terms=(text,))]))
    assert len(lines) == 1
    assert lines[0].isascii()
    assert lines[0].count("\n") == 1
    assert json.loads(lines[0])["user"] == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Owls – a guide", "Owls – a guide"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines", "two\\nlines"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
        ("\x00", "\\x00"),
    ],
)
def test_a_terminal_gets_printable_characters_only(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_values_as_cells() -> None:
    assert [cell(value) for value in (None, True, False, 12, 1.5, (), ("a", "b"), -3)] == [
        "", "yes", "no", "12", "1.5", "", "a; b", "-3",
    ]  # fmt: skip
