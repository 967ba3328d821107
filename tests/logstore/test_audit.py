"""The audit trail only grows, and shows where it was touched."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from logstore.audit import count, entries, head, record_change, record_look, verify
from logstore.db import catalog_path, open_catalog, reading, upgrade

AT = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Path]:
    """A store whose trail has five lines."""
    upgrade(tmp_path)
    with open_catalog(tmp_path).begin() as catalog:
        for number in range(1, 6):
            record_change(
                catalog, who="it-lead", what="disabled", subject=f"pupil-{number:04}", before={"disabled": False},
                after={"disabled": True}, why="left school", at=AT + timedelta(minutes=number),
            )  # fmt: skip
    yield tmp_path


def behind_its_back(folder: Path, *statements: str) -> None:
    """What somebody with a database tool and no scruples can do."""
    with contextlib.closing(sqlite3.connect(catalog_path(folder))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def broken(folder: Path) -> int | None:
    with reading(folder) as catalog:
        return verify(catalog)


def test_a_line_says_who_did_what_to_whom_when_and_why(trail: Path) -> None:
    with reading(trail) as catalog:
        newest = entries(catalog, limit=1)[0]
    assert (newest.id, newest.who, newest.what, newest.subject) == (5, "it-lead", "disabled", "pupil-0005")
    assert (newest.before, newest.after, newest.why) == ({"disabled": False}, {"disabled": True}, "left school")
    assert newest.at == AT + timedelta(minutes=5)


def test_lines_are_found_newest_first_and_by_page(trail: Path) -> None:
    with reading(trail) as catalog:
        first = entries(catalog, limit=2)
        second = entries(catalog, limit=2, before=first[-1].id)
        assert [line.id for line in (*first, *second)] == [5, 4, 3, 2]
        assert [line.id for line in entries(catalog, subject="pupil-0003")] == [3]
        assert entries(catalog, kind="look") == ()
        assert count(catalog) == 5


def test_a_look_is_a_line(trail: Path) -> None:
    with open_catalog(trail).begin() as catalog:
        record_look(catalog, who="dsl", subject="pupil-0417", asked="requests of pupil-0417", rows=3, why="C-12", at=AT)
    with reading(trail) as catalog:
        line = entries(catalog, kind="look")[0]
    assert (line.who, line.subject, line.after) == ("dsl", "pupil-0417", {"asked": "requests of pupil-0417", "rows": 3})


def test_a_change_that_is_rolled_back_leaves_no_line(trail: Path) -> None:
    with pytest.raises(RuntimeError), open_catalog(trail).begin() as catalog:
        record_change(catalog, who="it-lead", what="disabled", subject="pupil-0009", at=AT)
        raise RuntimeError
    assert broken(trail) is None
    with reading(trail) as catalog:
        assert count(catalog) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET why = 'no reason' WHERE id = 2",
        "DELETE FROM audit WHERE id = 2",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT id, at_us, kind, 'nobody', what, subject, before, after, why, prev, hash"
        " FROM audit WHERE id = 2",
        "INSERT OR REPLACE INTO audit SELECT 99, at_us, kind, 'nobody', what, subject, before, after, why, prev, hash"
        " FROM audit WHERE id = 2",
    ],
)
def test_the_database_refuses_to_change_a_line(trail: Path, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        behind_its_back(trail, statement)
    with (
        pytest.raises(sa.exc.IntegrityError, match="append-only"),
        open_catalog(trail).begin() as catalog,
    ):
        catalog.exec_driver_sql(statement)
    assert broken(trail) is None


@pytest.mark.parametrize(
    "column", ["at_us", "kind", "who", "what", "subject", "before", "after", "why", "prev", "hash"]
)
def test_a_line_changed_behind_the_triggers_is_named(trail: Path, column: str) -> None:
    behind_its_back(trail, "DROP TRIGGER audit_no_update", f"UPDATE audit SET {column} = '7' WHERE id = 3")
    assert broken(trail) == 3


@pytest.mark.parametrize(("gone", "named"), [(1, 1), (3, 3), (5, 5)])
def test_a_line_taken_out_behind_the_triggers_is_named(trail: Path, gone: int, named: int) -> None:
    behind_its_back(trail, "DROP TRIGGER audit_no_delete", f"DELETE FROM audit WHERE id = {gone}")
    assert broken(trail) == named


def test_a_number_taken_out_is_not_given_again(trail: Path) -> None:
    behind_its_back(trail, "DROP TRIGGER audit_no_delete", "DELETE FROM audit WHERE id = 5")
    with open_catalog(trail).begin() as catalog:
        assert record_change(catalog, who="it-lead", what="enabled", subject="pupil-0001", at=AT) == 6
    assert broken(trail) == 5


def test_a_head_kept_elsewhere_shows_a_trail_cut_off_with_its_counter(trail: Path) -> None:
    with reading(trail) as catalog:
        kept = head(catalog)
    behind_its_back(
        trail,
        "DROP TRIGGER audit_no_delete",
        "DELETE FROM audit WHERE id = 5",
        "UPDATE sqlite_sequence SET seq = 4 WHERE name = 'audit'",
    )
    with reading(trail) as catalog:
        assert verify(catalog) is None
        assert verify(catalog, kept) == 5


def test_a_trail_rewritten_from_a_line_on_shows_against_a_kept_head(trail: Path) -> None:
    with reading(trail) as catalog:
        kept = head(catalog)
    behind_its_back(trail, "DROP TRIGGER audit_no_delete", "DELETE FROM audit WHERE id >= 4",
                    "UPDATE sqlite_sequence SET seq = 3 WHERE name = 'audit'")  # fmt: skip
    with open_catalog(trail).begin() as catalog:
        for _ in range(2):
            record_change(catalog, who="it-lead", what="nothing", subject="nobody", at=AT)
    with reading(trail) as catalog:
        assert verify(catalog) is None
        assert verify(catalog, kept) == 5


def test_times_need_a_zone(trail: Path) -> None:
    with pytest.raises(ValueError, match="time zone"), open_catalog(trail).begin() as catalog:
        record_change(catalog, who="it-lead", what="x", subject="y", at=datetime(2026, 11, 21))


def test_texts_that_are_no_unicode_do_not_stop_it(trail: Path) -> None:
    with open_catalog(trail).begin() as catalog:
        record_change(catalog, who="\udcff", what="a\x00b", subject="é\ud83d", before="\udcff", at=AT)
    assert broken(trail) is None
    with reading(trail) as catalog:
        assert entries(catalog, who="\udcff")[0].subject == "é\ud83d"


def test_lines_are_found_by_how_what_was_done_begins_and_by_time(trail: Path) -> None:
    """`%` is a letter like any other; the end of a span is not in it."""
    with reading(trail) as catalog:
        since, until = AT + timedelta(minutes=2), AT + timedelta(minutes=4)
        assert [one.id for one in entries(catalog, since=since, until=until)] == [3, 2]
        assert len(entries(catalog, what="dis")) == 5
        assert entries(catalog, what="abled") == entries(catalog, what="%") == ()
