"""A hold ends when two people sign, and not before; then nothing of its rows is left."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from logstore.audit import entries
from logstore.db import reading
from logstore.filter import LogFilter
from logstore.holdrelease import WITHIN, approve, sign
from logstore.holds import HoldRefused, find_active, holds

from .test_holds import MARK, kept_rows, placed, retain, stored
from .test_retention import NEW, NOW, OLD, fill, traces


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path, OLD, NEW)
    placed(tmp_path)
    retain(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cli:anna", "cli:ANNA"),
        ("cli:anna", "console:anna"),
        ("cli:SCHOOL\\anna", "cli:anna"),
        ("cli:anna", "cli:Anna@school.example"),
        ("cli:zo\u00eb", "cli:zoe\u0308"),
    ],
)
def test_one_person_under_two_spellings_is_one(folder: Path, first: str, second: str) -> None:
    sign(folder, "CASE-1", who=first, why="settled", at=NOW)
    with pytest.raises(HoldRefused, match="two different people"):
        approve(folder, "CASE-1", who=second, why="settled", at=NOW)


@pytest.mark.parametrize("nobody", ["cli:root", "cli:", ""])
def test_root_is_nobody_in_particular(folder: Path, nobody: str) -> None:
    with pytest.raises(HoldRefused, match="nobody in particular"):
        sign(folder, "CASE-1", who=nobody, why="settled", at=NOW)
    sign(folder, "CASE-1", who="cli:head", why="settled", at=NOW)
    with pytest.raises(HoldRefused, match="nobody in particular"):
        approve(folder, "CASE-1", who=nobody, why="settled", at=NOW)


def test_two_people_release_it_and_nothing_of_the_rows_is_left(folder: Path) -> None:
    assert traces(folder, MARK)
    assert sign(folder, "CASE-1", who="cli:head", why="settled", at=NOW).state == "active"
    assert len(kept_rows(folder)) == 3
    gone = approve(folder, "CASE-1", who="cli:governor", why="settled", at=NOW + timedelta(days=1))
    assert (gone.state, gone.rows, gone.signed_by, gone.released_by) == (
        "released", 3, "cli:head", "cli:governor",
    )  # fmt: skip
    assert (gone.reason, gone.wanted) == ("", LogFilter())
    assert kept_rows(folder) == []
    assert traces(folder, f"{MARK}-host") == []
    assert holds(folder) == ()
    assert len(holds(folder, released=True)) == 1
    with reading(folder) as catalog:
        second, first = entries(catalog, kind="hold")[:2]
    assert (first.who, first.what) == ("cli:head", "signed the release of a hold")
    assert second.after == {"rows": 3, "signed": ["cli:head", "cli:governor"]}


def test_rows_inside_retention_stay_in_the_store(folder: Path) -> None:
    placed(folder, LogFilter(user="stays"), "CASE-2")
    sign(folder, "CASE-2", who="cli:head", why="over", at=NOW)
    approve(folder, "CASE-2", who="cli:dpo", why="over", at=NOW)
    assert len(stored(folder, LogFilter(user="stays"))) == 1


@pytest.mark.parametrize("second", ["cli:head", "CLI:Head", "console:head", " cli:head "])
def test_nobody_signs_twice(folder: Path, second: str) -> None:
    sign(folder, "CASE-1", who="cli:head", why="over", at=NOW)
    with pytest.raises(HoldRefused, match="two different people"):
        approve(folder, "CASE-1", who=second, why="over", at=NOW)
    with pytest.raises(HoldRefused, match="cli:head signed"):
        sign(folder, "CASE-1", who="cli:governor", why="over", at=NOW)
    assert len(kept_rows(folder)) == 3


def test_a_signature_grows_old(folder: Path) -> None:
    sign(folder, "CASE-1", who="cli:head", why="over", at=NOW)
    for at, words in ((NOW + WITHIN, "older than 14 days"), (NOW - timedelta(hours=1), "later than now")):
        with pytest.raises(HoldRefused, match=words):
            approve(folder, "CASE-1", who="cli:governor", why="over", at=at)
    sign(folder, "CASE-1", who="cli:governor", why="over", at=NOW + WITHIN)
    assert approve(folder, "CASE-1", who="cli:head", why="over", at=NOW + WITHIN).state == "released"


def test_without_a_first_signature_or_a_reason_nothing_goes(folder: Path) -> None:
    with pytest.raises(HoldRefused, match="nobody has signed"):
        approve(folder, "CASE-1", who="cli:governor", why="over", at=NOW)
    with pytest.raises(HoldRefused, match="say why"):
        sign(folder, "CASE-1", who="cli:governor", why=" ", at=NOW)


def test_what_is_released_stays_released(folder: Path) -> None:
    sign(folder, "CASE-1", who="cli:head", why="over", at=NOW)
    approve(folder, "CASE-1", who="cli:governor", why="over", at=NOW)
    for work in (sign, approve):
        with pytest.raises(HoldRefused, match="was released"):
            work(folder, "CASE-1", who="cli:dpo", why="again", at=NOW)
    with pytest.raises(HoldRefused, match="was released"):
        find_active(folder, "CASE-1")
