"""A name that no batch vouches for is named when somebody put it there, and only then.

Shows: `logstore.vouching`, `logstore.verify`.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from logstore import removal
from logstore.db import catalog_path, days_folder, migrate, reading
from logstore.dimensions import FOLDED
from logstore.retention import prune
from logstore.seal import seal
from logstore.store import BadRow, Store
from logstore.vouching import waiting_of

from .rows import AT, batch, ended, ids_from, request
from .test_verify import DAY_US, FILE, IDS, LATER, said, tamper


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A day of thirty rows, a row on the next."""
    made = tmp_path / "store"
    with Store(made) as store:
        store.append(batch(30))
        store.append([(request(ids_from(AT + DAY_US).next()), ended())])
    return made


class TestNamesInNoBatch:
    """Whoever puts a name beside those the record learned is found; whatever the record itself left there is not."""

    @pytest.mark.parametrize("sealed", [False, True])
    @pytest.mark.parametrize("table", ["dim_user", "dim_device", "dim_address", "dim_entry", "dim_media"])
    def test_a_name_put_in(self, folder: Path, table: str, sealed: bool) -> None:
        if sealed:
            assert seal(folder, LATER).ok
        tamper(catalog_path(folder), put_in(table, 4711, "2026-11-21"))
        assert said(folder) == [
            f"catalog.db: {COLUMN_OF[table]} 4711 ({table}): no batch of 2026-11-21 vouches for it, "
            "the last day it is used on: it was put there behind the record's back"
        ]
        assert len(said(folder, day="2026-11-21")) == 1
        assert said(folder, day="2026-11-22") == []

    def test_a_name_of_another_number(self, folder: Path) -> None:
        tamper(catalog_path(folder), "UPDATE dim_user SET id = 4711 WHERE key = 'pupil-0003'")
        missing, added = said(folder)
        assert "is missing in the catalog" in missing
        assert added.startswith("catalog.db: user_id 4711 (dim_user): no batch of 2026-11-21")

    def test_a_name_said_to_be_used_later_than_it_was(self, folder: Path) -> None:
        tamper(catalog_path(folder), "UPDATE dim_user SET last_day = '2026-11-22' WHERE key = 'pupil-0003'")
        assert ["no batch of 2026-11-22" in one for one in said(folder)] == [True]

    @pytest.mark.parametrize("day", ["2025-01-01", "2031-01-01", ""])
    def test_a_name_of_a_day_that_never_was(self, folder: Path, day: str) -> None:
        tamper(catalog_path(folder), put_in("dim_user", 4711, day))
        assert [one.partition(", ")[0] for one in said(folder)] == [
            f"catalog.db: user_id 4711 (dim_user): is said to be used on {day} last"
        ]

    def test_a_day_in_two_files_vouches_with_both(self, folder: Path) -> None:
        """And one of a late file shows as well; a day of which a file is missing is not judged by the rest."""
        assert seal(folder, LATER).ok
        with Store(folder) as store:
            store.append([(request(IDS[29] + 5, user="late"), ended())])
        assert said(folder) == []
        tamper(catalog_path(folder), put_in("dim_user", 4711, "2026-11-21"))
        assert [one.startswith("catalog.db: user_id 4711 (dim_user): no batch of") for one in said(folder)] == [True]
        (days_folder(folder) / "2026-11-21.late1.db").unlink()
        assert [one for one in said(folder) if "(dim_user)" in one] == []

    def test_of_a_row_that_could_not_be_stored(self, folder: Path) -> None:
        """Its names are there, under no batch, for good: also when others of that day have come since."""
        bad = request(IDS[29] + 5, user="nobody else", time_us=1 << 70)
        with Store(folder) as store:
            with pytest.raises(BadRow):
                store.append([(bad, ended())])
            assert said(folder) == []
            store.append([(request(IDS[29] + 6, user="the next"), ended())])
            store.append([(request(IDS[29] + 7, user="the one after"), ended())])
        with reading(folder) as catalog:
            named = {dimension.column: dimension.table.name for dimension in FOLDED}
            waiting = {
                catalog.exec_driver_sql(f"SELECT key FROM {named[column]} WHERE id = {number}").scalar_one()
                for column, number in waiting_of(catalog, FILE) or ()
            }
        assert waiting == {"nobody else"}
        assert said(folder) == []

    def test_of_a_day_from_before_that_was_kept(self, folder: Path) -> None:
        """A record that is brought to the newest schema may hold such names; its next day may not."""
        migrate(catalog_path(folder), "catalog", "catalog_0018", down=True)
        with Store(folder) as store:
            store.append([(request(ids_from(AT + 2 * DAY_US).next()), ended())])
        tamper(catalog_path(folder), put_in("dim_user", 4711, "2026-11-21"), put_in("dim_user", 4712, "2026-11-23"))
        assert [one.partition(": no batch")[0] for one in said(folder)] == ["catalog.db: user_id 4712 (dim_user)"]

    def test_of_a_day_retention_removed(self, folder: Path) -> None:
        """A run that ended before it forgot them leaves them to the next."""
        prune(folder, datetime(2027, 5, 22, 12, tzinfo=UTC), ZoneInfo("Europe/London"), clock_is_right=True)
        tamper(catalog_path(folder), put_in("dim_user", 4711, "2026-11-21"))
        assert said(folder, now=datetime(2027, 5, 22, 13, tzinfo=UTC)) == []

    @pytest.mark.parametrize("killed_at", ["sync_folder", "copy_day"])
    def test_of_a_day_of_which_a_part_went(self, folder: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str) -> None:
        """A kill while its first file goes, or before its second does: only the first vouched for most of its names."""
        assert seal(folder, LATER).ok
        with Store(folder) as store:
            store.append([(request(IDS[29] + 5, user="late"), ended())])
        wanted, done = {"sync_folder": 1, "copy_day": 2}[killed_at], itertools.count(1)
        whole = getattr(removal, killed_at)

        def killed(*told: Any) -> Any:
            if next(done) == wanted:
                raise KeyboardInterrupt
            return whole(*told)

        at = datetime(2027, 5, 22, 12, tzinfo=UTC)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(removal, killed_at, killed)
            prune(folder, at, ZoneInfo("Europe/London"), clock_is_right=True)
        assert [path.name for path in sorted(days_folder(folder).glob("2026-11-21*.db"))] == ["2026-11-21.late1.db"]
        with reading(folder) as catalog:
            states = dict(catalog.exec_driver_sql("SELECT file, state FROM day_file WHERE day = '2026-11-21'").all())
        first = {"sync_folder": "dropping", "copy_day": "dropped"}[killed_at]
        assert states == {FILE: first, "2026-11-21.late1.db": "open"}
        assert said(folder, now=at) == []
        assert prune(folder, at, ZoneInfo("Europe/London"), clock_is_right=True).ok
        assert said(folder, now=at) == []

    def test_of_a_day_of_which_a_part_is_only_called_dropped(self, folder: Path) -> None:
        """A line that somebody wrote for it excuses nothing."""
        line = "('2026-11-21.late1.db', '2026-11-21', 1, 'dropped', 0, 0)"
        made = f"INSERT INTO day_file (file, day, part, state, rows, changed_us) VALUES {line}"
        tamper(catalog_path(folder), put_in("dim_user", 4711, "2026-11-21"), made)
        assert [one.partition(": no batch")[0] for one in said(folder)] == ["catalog.db: user_id 4711 (dim_user)"]


COLUMN_OF = {dimension.table.name: dimension.column for dimension in FOLDED}


def put_in(table: str, number: int, day: str) -> str:
    return (
        f"INSERT INTO {table} (id, key, first_day, last_day) VALUES ({number}, 'stranger {number}', '{day}', '{day}')"
    )
