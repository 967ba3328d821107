"""Whatever is changed behind the record's back is found, and named.

Shows: `logstore.chaincheck`, `logstore.filecheck`, `logstore.evidence`, `logstore.batches`.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logstore import evidence
from logstore.audit import head, record_change
from logstore.batches import batches_in
from logstore.chain import FORM, FORMS, names_of
from logstore.db import catalog_path, days_folder, open_catalog, reading, reading_file
from logstore.dimensions import FOLDED
from logstore.retention import prune
from logstore.seal import seal
from logstore.store import Store
from logstore.verify import verify

from .rows import AT, batch, ended, ids_from, request

DAY_US = 86_400_000_000
LATER = datetime(2026, 11, 25, 12, tzinfo=UTC)
FILE = "2026-11-21.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three batches of ten rows on one day, a row on the next."""
    made = tmp_path / "store"
    with Store(made) as store:
        for begin in (0, 10, 20):
            store.append(batch(30)[begin : begin + 10])
        store.append([(request(ids_from(AT + DAY_US).next()), ended())])
    return made


def tamper(path: Path, *statements: str) -> None:
    """Change a file behind everybody's back."""
    mode = path.stat().st_mode
    path.chmod(0o600)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    path.chmod(mode)


def said(folder: Path, **how: object) -> list[str]:
    return [str(problem) for problem in verify(folder, **how).problems]  # type: ignore[arg-type]


def test_a_day_is_checked_without_all_its_batches_in_memory(tmp_path: Path) -> None:
    """Nor all its names: only those in hand are held."""
    large = 200_000
    with Store(tmp_path) as store:
        for end in range(200):
            store.append(batch(end + 1)[end:])
    tamper(days_folder(tmp_path) / FILE, f"UPDATE log_batch SET hints = zeroblob({large})")
    tracemalloc.start()
    try:
        report = verify(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.rows == 200
    assert str(report.problems[0]).startswith(f"{FILE}, batch 1: the chain is broken here")
    assert peak < 200 * large / 2


IDS = [record.id for record, _ in batch(30)]

CHANGES: dict[str, tuple[str, str]] = {
    "a row": (
        f"UPDATE log SET path = '/innocent' WHERE id = {IDS[14]}",
        f"{FILE}, batch 2, record {IDS[14]}: the row was changed",
    ),
    "who asked": (
        f"UPDATE log SET user_id = NULL WHERE id = {IDS[3]}",
        f"{FILE}, batch 1, record {IDS[3]}: the row was changed",
    ),
    "a number to a text": (
        f"UPDATE log SET path = CAST(path AS BLOB) WHERE id = {IDS[3]}",
        f"{FILE}, batch 1, record {IDS[3]}: the row was changed",
    ),
    "a row taken out": (
        f"DELETE FROM log WHERE id = {IDS[29]}",
        f"{FILE}, batch 3, record {IDS[29]}: the row is missing",
    ),
    "a row put in": (
        f"INSERT INTO log (id, {', '.join(FORMS[FORM][1:])}) "
        f"SELECT {IDS[5] + 1}, {', '.join(FORMS[FORM][1:])} FROM log WHERE id = {IDS[5]}",
        f"{FILE}, record {IDS[5] + 1}: the row is in no batch: it was added behind the record's back",
    ),
    "a batch": (
        "UPDATE log_batch SET at_us = at_us - 1 WHERE number = 2",
        f"{FILE}, batch 2: the chain is broken here: a batch was changed, taken out or put in",
    ),
    "the end, rows and all": (
        f"DELETE FROM log_batch WHERE number = 3; DELETE FROM log WHERE id >= {IDS[20]}",
        f"{FILE}, batch 3: ends before batch 3, which the catalog knows",
    ),
}  # fmt: skip


def test_a_record_nobody_touched_is_whole(folder: Path) -> None:
    report = verify(folder)
    assert (report.ok, report.rows, report.files) == (True, 31, [FILE, "2026-11-22.db"])
    assert verify(folder, deep=True).ok


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(folder: Path, name: str, sealed: bool) -> None:
    if sealed:
        assert seal(folder, LATER).ok
    statement, expected = CHANGES[name]
    tamper(days_folder(folder) / FILE, *statement.split("; "))
    found = said(folder)
    assert expected in found
    hashes = [one for one in found if "but was sealed with" in one]
    assert len(hashes) == sealed
    assert len(found) == 1 + len(hashes) + ("the end" in name and sealed)


def test_both_the_missing_row_and_its_changed_neighbour_are_named(folder: Path) -> None:
    tamper(
        days_folder(folder) / FILE,
        f"DELETE FROM log WHERE id = {IDS[11]}",
        f"UPDATE log SET status = 404 WHERE id = {IDS[17]}",
    )
    assert said(folder) == [
        f"{FILE}, batch 2, record {IDS[11]}: the row is missing",
        f"{FILE}, batch 2, record {IDS[17]}: the row was changed",
    ]


class TestNames:
    """A name changed in the catalog changes who every row was; so names are under the chain too."""

    def test_another_pupil(self, folder: Path) -> None:
        with reading(folder) as catalog:
            number = catalog.exec_driver_sql("SELECT id FROM dim_user WHERE key = 'pupil-0003'").scalar()
        tamper(catalog_path(folder), "UPDATE dim_user SET key = 'pupil-9999' WHERE key = 'pupil-0003'")
        assert said(folder) == [f"{FILE}, batch 1: the name behind user_id {number} was changed in the catalog"]

    def test_nobody_at_all(self, folder: Path) -> None:
        tamper(catalog_path(folder), "DELETE FROM dim_user WHERE key = 'pupil-0003'")
        assert len(found := said(folder)) == 1
        assert "is missing in the catalog" in found[0]

    def test_a_host_that_searches_pass_by(self, folder: Path) -> None:
        """The name a row shows is right, the column a search looks at is not."""
        tamper(catalog_path(folder), "UPDATE dim_host SET rev = 'org.harmless.' WHERE name = 'www3.example.org'")
        assert len(found := said(folder)) == 1
        assert "rev changed; searches by it mislead" in found[0]

    def test_every_name_a_day_uses_is_vouched_for_in_it(self, folder: Path) -> None:
        """Also after the writer was started anew, and in every part of a day."""
        with Store(folder) as store:
            store.append([(request(IDS[29] + 5, user="new", entry="list entry", device="room1"), ended())])
            store.append([(request(IDS[29] + 6, user="new", host="other.example"), ended())])
        with reading_file(days_folder(folder) / FILE) as day:
            vouched = {name for one in batches_in(day) for name in names_of(one)}
            for dimension in FOLDED:
                used = day.exec_driver_sql(f"SELECT DISTINCT {dimension.column} FROM log").scalars()
                assert {(dimension.column, number) for number in used if number is not None} <= vouched


class TestGaps:
    """A day that is not there must have been removed by retention, and nobody else."""

    def test_a_missing_day(self, folder: Path) -> None:
        (days_folder(folder) / FILE).unlink()
        assert said(folder) == [f"{FILE}: the file is missing, and nothing says that retention removed it"]

    def test_a_day_the_catalog_was_made_to_forget(self, folder: Path) -> None:
        seal(folder, LATER)
        (days_folder(folder) / FILE).unlink()
        tamper(catalog_path(folder), f"DELETE FROM day_file WHERE file = '{FILE}'")
        assert said(folder) == [f"{FILE}: the audit trail knows it, the catalog does not"]

    def test_a_day_called_dropped(self, folder: Path) -> None:
        (days_folder(folder) / FILE).unlink()
        tamper(catalog_path(folder), f"UPDATE day_file SET state = 'dropped' WHERE file = '{FILE}'")
        assert said(folder) == [f"{FILE}: the catalog says that retention removed it, but the audit trail does not"]

    def test_a_day_called_dropping(self, folder: Path) -> None:
        (days_folder(folder) / FILE).unlink()
        tamper(catalog_path(folder), f"UPDATE day_file SET state = 'dropping', batches = NULL WHERE file = '{FILE}'")
        assert said(folder) == [f"{FILE}: the catalog says that retention removes it, but it is not due"]

    def test_an_older_copy_of_a_day(self, folder: Path, tmp_path: Path) -> None:
        """Put back in place of the newer one: rows are missing that the catalog knows of."""
        path = days_folder(folder) / FILE
        with contextlib.closing(sqlite3.connect(path)) as day, contextlib.closing(sqlite3.connect(tmp_path / "c")) as c:
            day.backup(c)
        with Store(folder) as store:
            store.append([(request(IDS[29] + 5), ended())])
        path.write_bytes((tmp_path / "c").read_bytes())
        assert said(folder) == [f"{FILE}, batch 4: ends before batch 4, which the catalog knows"]

    @pytest.mark.parametrize("sealed", [False, True])
    def test_what_retention_removed_is_proved(self, folder: Path, sealed: bool) -> None:
        if sealed:
            seal(folder, LATER)
        prune(folder, datetime(2027, 5, 22, 12, tzinfo=UTC), ZoneInfo("Europe/London"), clock_is_right=True)
        assert not (days_folder(folder) / FILE).exists()
        assert verify(folder).ok
        with reading(folder) as catalog:
            gone = evidence.told(catalog).removed[FILE]
        assert (gone["rows"], gone["min_id"], gone["max_id"]) == (30, str(IDS[0]), str(IDS[29]))
        assert bool(gone["sha256"]) == sealed


class TestHead:
    """A head kept elsewhere pins the whole record, whoever may write to the disk."""

    def test_a_record_written_anew_is_not_the_one_that_was_kept(self, folder: Path, tmp_path: Path) -> None:
        kept = evidence.note_ends(folder, who="test", at=LATER)
        assert verify(folder, kept=kept).ok
        with Store(tmp_path / "forged") as store:
            store.append([pair for pair in batch(30) if pair[0].id != IDS[7]])
        evidence.note_ends(tmp_path / "forged", who="test", at=LATER)
        assert verify(tmp_path / "forged").ok
        assert "line 1 was changed, taken out, or is not the one whose head was kept" in "".join(
            said(tmp_path / "forged", kept=kept)
        )

    def test_an_open_day_written_anew_does_not_fit_the_line_that_was_kept(self, folder: Path, tmp_path: Path) -> None:
        evidence.note_ends(folder, who="test", at=LATER)
        with Store(tmp_path / "forged") as store:
            for begin in (0, 10, 20):
                store.append([pair for pair in batch(30)[begin : begin + 10] if pair[0].id != IDS[7]])
        (days_folder(folder) / FILE).write_bytes((days_folder(tmp_path / "forged") / FILE).read_bytes())
        found = said(folder)
        assert f"{FILE}, batch 3: is not the batch that line 1 of the audit trail knows" in found

    def test_the_same_ends_are_written_down_once(self, folder: Path) -> None:
        first = evidence.note_ends(folder, who="test", at=LATER)
        assert evidence.note_ends(folder, who="test", at=LATER) == first
        engine = open_catalog(folder)
        with engine.begin() as catalog:
            record_change(catalog, who="a", what="b", subject="c", at=LATER)
        assert evidence.note_ends(folder, who="test", at=LATER)[0] == 2
        with Store(folder) as store:
            store.append([(request(IDS[29] + 5), ended())])
        number, _ = evidence.note_ends(folder, who="test", at=LATER)
        assert number == 3
        with reading(folder) as catalog:
            assert head(catalog)[0] == number


def test_rows_from_before_the_chain_come_under_it(folder: Path) -> None:
    path = days_folder(folder) / FILE
    tamper(path, "DELETE FROM log_batch")
    tamper(catalog_path(folder), "UPDATE day_file SET batches = NULL, mark = NULL")
    assert "older than the chain" in said(folder)[0]
    with Store(folder) as store:
        store.append([(request(IDS[29] + 5), ended())])
    assert verify(folder).ok
    tamper(path, f"UPDATE log SET path = '/innocent' WHERE id = {IDS[14]}")
    assert said(folder) == [f"{FILE}, batch 1, record {IDS[14]}: the row was changed"]


def test_those_looked_at_longest_ago_come_first(folder: Path) -> None:
    assert verify(folder, day="2026-11-21", at=LATER).files == [FILE]
    report = verify(folder, seconds=-1)
    assert (report.files, report.left) == ([], ["2026-11-22.db", FILE])
    assert verify(folder, at=LATER + timedelta(days=1)).ok
    tamper(days_folder(folder) / FILE, f"DELETE FROM log WHERE id = {IDS[0]}")
    assert not verify(folder, at=LATER + timedelta(days=2)).ok
    assert verify(folder, seconds=-1).left == [FILE, "2026-11-22.db"]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 40), max_size=6).map(lambda some: sorted({0, *some, 40})),
    again=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4),
    odd=st.text(st.characters(codec=None), max_size=5),
)
def test_however_rows_come_the_record_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], again: list[tuple[int, int]], odd: str
) -> None:
    """Batches of any size, sent again with any borders, by writers started anew, with any text in them."""
    folder = tmp_path_factory.mktemp("store")
    rows = [
        (request(record.id, user=record.user, host=f"h{record.id % 3}.example", path=odd, note=odd or None), ending)
        for record, ending in batch(40)
    ]
    mixed = [rows[place * 7919 % 40] for place in range(40)]
    for begin, end in itertools.pairwise(cuts):
        with Store(folder) as store:
            store.append(mixed[begin:end])
    with Store(folder) as store:
        for one, other in again:
            store.append(mixed[min(one, other) : max(one, other)])
    report = verify(folder, deep=True)
    assert (report.problems, report.rows) == ([], 40)
    with reading_file(days_folder(folder) / FILE) as day:
        assert day.execute(sa.text("SELECT sum(rows) FROM log_batch")).scalar() == 40
