"""A sum that was changed is found, in both engines; one that is only behind is none of that."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from logstore.place import Beside
from logstore.postgres.db import open_engine
from logstore.rolling import roller
from logstore.rollups import rollup_path
from logstore.store import open_store
from logstore.verify import verify
from tests.logstore.test_rolling import DAY, LATER, some_rows


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Beside:
    """A record of two days with their roll-ups, in each engine."""
    made: Beside = request.getfixturevalue("database") if request.param == "postgresql" else tmp_path / "store"
    with open_store(made) as store:
        store.append(some_rows(range(60)))
    list(roller(made, lambda: LATER).catch_up())
    return made


def change(where: Beside, table: str, statement: str) -> None:
    """Change sums of the first day; `TABLE` in the statement is one of roll-ups."""
    if isinstance(where, Path):
        with contextlib.closing(sqlite3.connect(rollup_path(where, DAY))) as connection, connection:
            connection.execute(statement.replace("TABLE", table))
        return
    engine = open_engine(where)
    with engine.begin() as changing:
        changing.exec_driver_sql(statement.replace("TABLE", f"rollup_{table}"))
    engine.dispose()


def said(where: Beside) -> list[str]:
    return [str(problem) for problem in verify(where, sums=True).problems]


def test_sums_nobody_touched_are_what_the_rows_say(where: Beside) -> None:
    assert said(where) == []


@pytest.mark.parametrize(
    ("table", "statement", "found"),
    [
        ("hour_kind", "UPDATE TABLE SET rows = rows + 7 WHERE hour = (SELECT min(hour) FROM TABLE)", "by kind"),
        ("hour_host", "DELETE FROM TABLE WHERE hour = (SELECT min(hour) FROM TABLE)", "by host: they say 0 requests"),
        ("hour_person", "UPDATE TABLE SET user_id = 77 WHERE hour = (SELECT min(hour) FROM TABLE)", "by person"),
        ("hour_person", "UPDATE TABLE SET bytes_down = 1 WHERE hour = (SELECT min(hour) FROM TABLE)", "by person"),
        ("day_person", "UPDATE TABLE SET rows = 1000 WHERE day = (SELECT min(day) FROM TABLE)", "requests, its hours"),
    ],
)
def test_a_sum_that_was_changed_is_named(where: Beside, table: str, statement: str, found: str) -> None:
    change(where, table, statement)
    problems = said(where)
    assert problems, "nothing was found"
    assert all(one.startswith("sums of ") for one in problems), problems
    assert any(found in one and one.startswith(f"sums of {DAY}: {DAY}") for one in problems), problems


def test_a_sum_that_is_behind_is_left_alone(where: Beside) -> None:
    with open_store(where) as store:
        store.append(some_rows(range(60, 62), 7_000_000))
    change(where, "hour_kind", "UPDATE TABLE SET rows = rows + 7 WHERE hour = (SELECT min(hour) FROM TABLE)")
    assert said(where) == []


def test_who_does_not_ask_for_them_is_told_of_the_rows_alone(where: Beside) -> None:
    """The nightly check has two minutes, and a case is about its rows."""
    change(where, "hour_kind", "DELETE FROM TABLE")
    assert verify(where).ok


def test_another_day_is_not_asked(where: Beside) -> None:
    change(where, "hour_kind", "UPDATE TABLE SET rows = 1000")
    assert {problem.where for problem in verify(where, day=DAY, sums=True).problems} == {f"sums of {DAY}"}
