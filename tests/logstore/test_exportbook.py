"""Files with rows in them that we wrote are found again, and go with their rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore.aside import aside_of
from logstore.audit import entries
from logstore.db import open_catalog, reading, upgrade
from logstore.exportbook import ANSWERED, Export, export_cleaner, exports, hash_file, note_export, settle_export
from logstore.exportfile import ExportFile
from logstore.prunereport import Cleaned
from logstore.retention import prune

from .test_retention import traces

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LIMIT = NOW - timedelta(days=180)


class Office:
    """A store, and files written from it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.store = data / "store"
        upgrade(self.store)
        (data / "exports").mkdir()

    def write(
        self, name: str, *, newest: datetime | None, oldest: datetime | None = None, made: datetime = NOW,
        what: str = "search",
    ) -> Path:  # fmt: skip
        path = Path(name) if Path(name).is_absolute() else self.data / "exports" / name
        path.write_text(f"rows of canary-pupil in {name}\n")
        export = Export(
            path=str(path), what=what, subject="canary-pupil", who="cli:head", why="asked", made_at=made,
            newest_at=newest, oldest_at=oldest, rows=3, sha256=hash_file(path),
        )  # fmt: skip
        with open_catalog(self.store).begin() as catalog:
            note_export(catalog, export)
        return path

    def book(self) -> tuple[Export, ...]:
        with reading(self.store) as catalog:
            return exports(catalog)

    def clean(
        self, limit: datetime = LIMIT, *, dry_run: bool = False, held: tuple[str, ...] = (), now: datetime = NOW
    ) -> Cleaned:
        return export_cleaner(self.store, self.data, lambda: held, clock=lambda: now)(limit, dry_run)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_book_gives_back_what_was_written(office: Office) -> None:
    path = office.write("a.jsonl", newest=NOW - timedelta(days=3), oldest=NOW - timedelta(days=9))
    (one,) = office.book()
    assert replace(one, id=0) == Export(
        path=str(path), what="search", subject="canary-pupil", who="cli:head", why="asked", made_at=NOW,
        newest_at=NOW - timedelta(days=3), oldest_at=NOW - timedelta(days=9), rows=3, sha256=hash_file(path),
    )  # fmt: skip


def test_a_file_goes_when_its_oldest_row_is_due(office: Office) -> None:
    old = office.write("old.jsonl", newest=NOW, oldest=LIMIT - timedelta(seconds=1))
    young = office.write("young.jsonl", newest=NOW, oldest=LIMIT + timedelta(seconds=1))
    unknown = office.write("unknown.jsonl", newest=None, made=LIMIT - timedelta(days=1))
    assert office.clean(dry_run=True).removed == 2
    assert old.exists()
    assert office.clean() == Cleaned("exports", 2)
    assert [old.exists(), young.exists(), unknown.exists()] == [False, True, False]
    assert [one.path for one in office.book()] == [str(young)]


@pytest.mark.parametrize("what", ["subject", "case"])
def test_an_answer_is_there_as_long_as_it_may_take(office: Office, what: str) -> None:
    """Though it holds rows older than six months; one that holds no others goes at once."""
    path = office.write("answer.jsonl", newest=NOW, oldest=LIMIT - timedelta(days=9), what=what)
    only = office.write("only.jsonl", newest=LIMIT - timedelta(days=8), oldest=LIMIT - timedelta(days=9), what=what)
    assert office.clean().removed == 1
    assert (path.exists(), only.exists()) == (True, False)
    assert office.clean(now=NOW + ANSWERED - timedelta(seconds=1)).removed == 0
    assert office.clean(now=NOW + ANSWERED).removed == 1
    assert not path.exists()


def test_an_answer_whose_rows_are_young_stays_with_them(office: Office) -> None:
    path = office.write("answer.jsonl", newest=NOW, oldest=LIMIT + timedelta(days=9), what="subject")
    assert office.clean(now=NOW + ANSWERED + timedelta(days=1)).removed == 0
    assert path.exists()


@pytest.mark.parametrize("what", ["hold", "case"])
def test_what_belongs_to_a_hold_stays_as_long_as_the_hold(office: Office, what: str) -> None:
    path = office.write("case.jsonl", newest=LIMIT - timedelta(days=9), what=what)
    told = office.clean(held=("canary-pupil",))
    assert [(stay.what, stay.wrong) for stay in told.stayed] == [("export 1", False)]
    assert path.exists()
    assert office.clean().removed == 1


@pytest.mark.parametrize("how", ["another file", "a link"])
def test_only_the_file_we_wrote_is_removed(office: Office, how: str) -> None:
    """Somebody keeps other things under that name now: told, not deleted, until somebody looked."""
    path = office.write("mine.jsonl", newest=LIMIT - timedelta(days=9))
    content = path.read_bytes()
    path.unlink()
    if how == "a link":
        (office.data / "precious").write_bytes(content)
        path.symlink_to(office.data / "precious")
    else:
        path.write_text("something else")
    told = office.clean()
    assert (told.removed, [stay.wrong for stay in told.stayed]) == (0, [True])
    assert path.exists()
    with open_catalog(office.store).begin() as catalog:
        assert settle_export(catalog, 1, who="cli:head", why="looked at it", at=NOW)
        assert not settle_export(catalog, 1, who="cli:head", why="again", at=NOW)
        assert entries(catalog)[0].subject == "export 1"
    assert office.clean() == Cleaned("exports", 0)


def test_a_file_that_is_gone_is_struck_out(office: Office) -> None:
    office.write("gone.jsonl", newest=LIMIT - timedelta(days=9)).unlink()
    assert office.clean() == Cleaned("exports", 0)
    assert office.book() == ()


def test_one_that_cannot_be_seen_is_told_once(office: Office, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Written to a stick that is not here: who had it written should know."""
    stick = tmp_path_factory.mktemp("stick")
    office.write(str(stick / "pupil.jsonl"), newest=LIMIT - timedelta(days=9)).unlink()
    told = office.clean()
    assert "ask cli:head" in told.stayed[0].why
    assert office.book() == ()


class TestAWriterThatWasKilled:
    """Its line in the book has no hash yet, and what it wrote lies aside."""

    def begun(self, office: Office, name: str = "half.jsonl") -> Path:
        path = office.data / "exports" / name
        export = Export(
            path=str(path), what="search", subject="canary-pupil", who="cli:head", why="asked", made_at=NOW,
            newest_at=None, rows=0, sha256="",
        )  # fmt: skip
        with open_catalog(office.store).begin() as catalog:
            note_export(catalog, export)
        return path

    def test_what_it_left_goes_at_once(self, office: Office) -> None:
        aside = aside_of(self.begun(office))
        aside.write_text("half of canary-pupil's rows\n")
        assert office.clean(dry_run=True).removed == 1
        assert aside.exists()
        assert office.clean() == Cleaned("exports", 1)
        assert not aside.exists()
        assert office.book() == ()

    def test_what_is_still_being_written_is_left_alone(self, office: Office) -> None:
        path = self.begun(office)
        with ExportFile(path) as file:
            file.write("row\n")
            assert office.clean() == Cleaned("exports", 0)
            assert len(office.book()) == 1
            file.finish()
            file.put()
        assert path.read_text() == "row\n"

    def test_a_file_of_that_name_that_the_book_does_not_know_stays(self, office: Office) -> None:
        path = self.begun(office)
        path.write_text("mine")
        assert office.clean() == Cleaned("exports", 0)
        assert (path.read_text(), office.book()) == ("mine", ())


def test_one_export_that_nobody_may_read_keeps_no_other_from_going(office: Office) -> None:
    """The memory of a process is a file that cannot be read from its beginning, whoever asks."""
    unreadable = Export(
        path="/proc/self/mem", what="search", subject="canary-pupil", who="cli:head", why="asked",
        made_at=LIMIT - timedelta(days=9), newest_at=None, rows=3, sha256="0" * 64,
    )  # fmt: skip
    with open_catalog(office.store).begin() as catalog:
        note_export(catalog, unreadable)
    later = office.write("later.jsonl", newest=LIMIT - timedelta(days=9))
    for removed in (1, 0):  # it is told every night, until somebody saw to it
        told = office.clean()
        assert (told.removed, [(stay.what, stay.wrong) for stay in told.stayed]) == (removed, [("export 1", True)])
        assert "db exports --settle" in told.stayed[0].why
    assert not later.exists()


def test_after_the_run_nothing_names_the_person(office: Office) -> None:
    """Neither the file nor a freed page of the catalog."""
    office.write("canary-pupil.jsonl", newest=NOW - timedelta(days=200), made=NOW - timedelta(days=100))
    assert traces(office.data, "canary-pupil")
    cleaner = export_cleaner(office.store, office.data)
    report = prune(office.store, NOW, ZoneInfo("Europe/London"), cleaners=(cleaner,))
    assert report.ok
    assert report.elsewhere[0].removed == 1
    assert traces(office.data, "canary-pupil") == []
