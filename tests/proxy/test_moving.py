"""A school moves up from files to PostgreSQL, and nothing is left behind or kept too long.

Shows: `proxy.moving`, `proxy.retaining`, `proxy.recordlooks`, `proxy.finding`, `proxy.partitionjob`,
`proxy.leftbehind`.
"""

from __future__ import annotations

import json
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from sqlalchemy import Connection

from logstore.audit import entries, head, record_change
from logstore.db import open_catalog, reading, upgrade
from logstore.exportbook import Export, note_export
from logstore.filter import LogFilter
from logstore.gateways import identity_in
from logstore.holdcopy import copy_hold
from logstore.holdrelease import approve, sign
from logstore.holds import HoldRefused, holds, place
from logstore.place import Database
from logstore.query import Archive
from logstore.reading import SpoolCursor
from logstore.retention import oldest_day
from logstore.store import open_store
from proxy.cli import main
from proxy.doctor import examine
from proxy.leftbehind import MOVED, left_behind
from proxy.partitionjob import TOLD, PartitionJob
from proxy.retaining import daily_retention, prune_all, records, tell, told_of
from proxy.settings import Settings, load_settings
from registry import people
from registry.change import By
from tests.logstore.rows import AT, batch, ended, ids_from, request
from tests.rig.postgres import Postgres

NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
OLD_US = AT - 200 * 86_400_000_000
BY = By("cli:head", NOW, "because")


@pytest.fixture
def school(tmp_path: Path, database: Database) -> Settings:
    """A school with files of rows, a day of them due, and people; its settings name a database now."""
    data = tmp_path / "data"
    (data / "spool").mkdir(parents=True)
    with open_store(data / "store", clock=lambda: AT * 1000) as store:
        store.append(batch(30))
        store.append([(request(ids_from(OLD_US).next(), user="left-long-ago"), ended())])
    with open_catalog(data / "store").begin() as catalog:
        people.add(catalog, "teacher-1", people.Details(), BY)
        people.add(catalog, "teacher-2", people.Details(), BY)
    file = tmp_path / "schoolgate.yaml"
    file.write_text(yaml.safe_dump({"data": str(data), "record": {"store": database.address}}), encoding="utf-8")
    return load_settings(file)


def typed(settings: Settings, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """A command's exit status and its answer."""
    status = main(["--settings", str(settings.data.parent / "schoolgate.yaml"), *words, "--json"])
    out = capsys.readouterr().out
    return status, json.loads(out) if out.strip() else None


def test_rows_and_decisions_come_along(school: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = typed(school, capsys, "db", "move", "--why", "a trust now")
    assert (status, told["rows"], told["new"], told["decisions"]) == (0, 31, 31, 2)
    with Archive(school.data / "store") as files, Archive(school.store) as there:
        assert list(there.walk(LogFilter())) == list(files.walk(LogFilter()))
    with open_catalog(school.store).begin() as catalog:
        assert [one.person.name for one in people.accounts(catalog)] == ["teacher-1", "teacher-2"]
        people.add(catalog, "teacher-3", people.Details(), BY)
    with reading(school.store) as catalog:
        assert entries(catalog, limit=9)[-1].what == "moved a record in"
    status, told = typed(school, capsys, "db", "move", "--why", "again")
    assert (status, told["rows"], told["new"], told["decisions"]) == (0, 31, 0, None)


def test_holds_keep_a_record_from_moving_until_two_people_released_them(
    school: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """What must not die is not left behind unsaid."""
    files, wanted = school.data / "store", LogFilter(user="pupil-0001")
    kept = place(files, "CASE-1", "a threat", wanted, NOW + timedelta(days=90), who="cli:dsl", at=NOW)
    rows = copy_hold(files, kept, who="cli:dsl", at=NOW)
    assert rows > 0
    assert main(["--settings", str(school.data.parent / "schoolgate.yaml"), "db", "move"]) == 1
    said = capsys.readouterr().err
    assert "nothing was moved" in said
    assert all(word in said for word in ("CASE-1", "hold approve", "--leave-holds"))
    upgrade(school.store)
    with Archive(school.store) as there:
        assert list(there.walk(LogFilter())) == []
    sign(files, "CASE-1", who="cli:dsl", why="closed", at=NOW)
    with pytest.raises(HoldRefused, match="two different people"):
        approve(files, "CASE-1", who="cli:dsl", why="closed", at=NOW)
    approve(files, "CASE-1", who="cli:head", why="closed", at=NOW)
    status, told = typed(school, capsys, "db", "move")
    assert (status, told["rows"], told["holds"]) == (0, 31, [])


def test_holds_that_are_left_stay_in_force_and_the_trail_says_so(
    school: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two people release them where they are, with every row they kept; the old trail is pinned in the new one."""
    files, wanted = school.data / "store", LogFilter(user="left-long-ago")
    kept = place(files, "CASE-2", "a threat", wanted, NOW + timedelta(days=90), who="cli:dsl", at=NOW)
    assert copy_hold(files, kept, who="cli:dsl", at=NOW) == 1
    with reading(files) as catalog:
        number, mark = head(catalog)
    status, told = typed(school, capsys, "db", "move", "--leave-holds")
    assert (status, told["holds"], told["head"]) == (0, ["CASE-2"], f"{number}:{mark}")
    with reading(school.store) as catalog:
        line = entries(catalog, limit=9)[-1]
        assert (line.what, line.after["holds"], line.after["head"]) == ("moved a record in", ["CASE-2"], told["head"])
    prune_all(school, NOW, LONDON, clock_is_right=True)
    assert [(one.case, one.rows) for one in holds(files)] == [("CASE-2", 1)]
    sign(files, "CASE-2", who="cli:dsl", why="closed", at=NOW)
    assert approve(files, "CASE-2", who="cli:head", why="closed", at=NOW).rows == 1
    assert holds(files) == ()


def test_a_move_needs_files_and_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "db", "move"]) == 2
    assert "from the data folder's files, or --from a database, up" in capsys.readouterr().err


def test_the_files_left_behind_are_pruned_on(school: Settings) -> None:
    """Or the setting would have kept a pupil's rows for ever."""
    assert records(school) == (school.store, school.data / "store")
    upgrade(school.store)
    report = prune_all(school, NOW, LONDON, clock_is_right=True)
    assert [(day.rows, day.day) for day in report.days] == [(1, datetime.fromtimestamp(OLD_US / 1e6, UTC).date())]
    assert oldest_day(school.data / "store") == datetime.fromtimestamp(AT / 1e6, UTC).date()
    assert {"removed old rows"} == {
        line.what for where in records(school) for line in _retention_lines(where) if line.subject == "record"
    }


def _retention_lines(where: Any) -> Any:
    with reading(where) as catalog:
        return entries(catalog, kind="retention")


def test_each_gateway_runs_for_itself(school: Settings, tmp_path: Path) -> None:
    """That another gateway removed days says nothing of this one's spool and exports."""
    upgrade(school.store)
    prune_all(school, datetime.now(UTC), LONDON, clock_is_right=True)
    job = daily_retention(school, LONDON)
    assert job.last() is None
    assert job.run_if_due() is True
    assert told_of(school.data)["ok"]
    assert daily_retention(school, LONDON).last() is not None


def test_a_file_of_another_gateway_is_told_and_stays_in_the_book(school: Settings) -> None:
    upgrade(school.store)
    mine, theirs = school.data / "mine.jsonl", school.data / "theirs.jsonl"
    mine.write_text("", encoding="utf-8")
    with open_catalog(school.store).begin() as catalog:
        for path, gateway in ((mine, identity_in(school.data)), (theirs, "another")):
            note_export(
                catalog,
                Export(
                    path=str(path), what="search", subject="x", who="cli:a", why="", made_at=NOW - timedelta(days=400),
                    newest_at=NOW - timedelta(days=400), rows=0, gateway=gateway,
                    sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                ),
            )  # fmt: skip
    report = prune_all(school, NOW, LONDON, clock_is_right=True)
    assert not mine.exists()
    stayed = [one.why for place in report.elsewhere for one in place.stayed]
    assert stayed == ["is on another gateway; ask cli:a"]


def test_the_doctor_looks_at_the_database(school: Settings, postgres: Postgres) -> None:
    found = {(one.what, one.level): one for one in examine(school) if one.what == "database"}
    assert "days ahead have no partition yet" in found["database", "bad"].found
    PartitionJob(school, threading.Event()).round(datetime.now(UTC))
    found = {(one.what, one.level): one for one in examine(school)}
    assert ("database", "good") in found
    assert ("encryption in transit", "good") in found
    assert ("database", "bad") not in found


def test_a_database_that_is_not_there_is_told_and_asked_again(school: Settings, postgres: Postgres) -> None:
    gone = school.model_copy(
        update={"record": school.record.model_copy(update={"store": postgres.address("no").address})}
    )
    assert PartitionJob(gone, threading.Event()).round(NOW) is False
    (found,) = [one for one in examine(gone) if one.what == "database"]
    assert (found.level, "does not exist" in found.found) == ("bad", True)


def test_partitions_are_made_and_told(school: Settings) -> None:
    job = PartitionJob(school, threading.Event())
    assert job.round(NOW) is True
    told = json.loads((school.data / "run" / TOLD).read_text(encoding="utf-8"))
    assert (told["missing"], told["stray"], told["at"]) == (0, 0, NOW.timestamp())


class TestWhatIsLeftBehind:
    """The old place is told as long as it has rows, and is an alarm when somebody has to see to it."""

    def told(self, settings: Settings) -> list[tuple[str, str]]:
        found = [one for one in examine(settings) if one.what.startswith("left behind in ")]
        tell(settings, prune_all(settings, NOW, LONDON, dry_run=True))
        assert told_of(settings.data)["left_behind"] == sum(one.level == "bad" for one in found)
        return [(one.level, f"{one.found} | {one.advice}") for one in found]

    def test_files(self, school: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        upgrade(school.store)
        ((level, found),) = self.told(school)
        assert (level, "31 rows of 2026-05-05 to 2026-11-21 were left here" in found) == ("bad", True)
        assert found.endswith('nobody finds them | `schoolgate db move --why "…"`')
        assert typed(school, capsys, "db", "move", "--why", "x")[0] == 0
        ((level, found),) = self.told(school)
        assert (level, "which were moved | they go by date" in found) == ("note", True)

    def test_rows_that_came_after_the_move(self, school: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        assert typed(school, capsys, "db", "move", "--why", "x")[0] == 0
        with open_store(school.data / "store") as store:
            store.append([(request(ids_from(AT + 60_000_000).next(), user="late"), ended())], SpoolCursor("w1", 1))
        ((level, found),) = self.told(school)
        assert (level, "after the record had moved" in found, "db move --why" in found) == ("bad", True, True)
        assert typed(school, capsys, "db", "move", "--why", "again")[0] == 0
        assert [level for level, _ in self.told(school)] == ["note"]

    def test_a_database(self, school: Settings, postgres: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
        """Nobody prunes it: what is due there is an alarm; once it is gone it is told until its rows would be, too."""
        old = postgres.database()
        with open_store(old, clock=lambda: AT * 1000) as store:
            store.append(batch(3))
            store.append([(request(ids_from(OLD_US).next()), ended())])
        shutil.rmtree(school.data / "store")
        assert typed(school, capsys, "db", "move", "--from", old.address, "--why", "x")[0] == 0
        ((level, found),) = self.told(school)
        assert (level, "should have gone" in found, "drop that database" in found) == ("bad", True, True)
        with postgres.connect(str(old.url.database)) as connection:
            connection.execute("DELETE FROM day_file WHERE day < '2026-11-01'")
        ((level, found),) = self.told(school)
        assert (level, "3 rows of 2026-11-21" in found, "before the first is due" in found) == ("note", True, True)
        postgres.drop(old)
        assert [level for level, _ in self.told(school)] == ["note"]
        later = datetime.now(UTC) + timedelta(days=200)
        assert list(left_behind(school, later)) == []

    def test_a_database_with_holds(
        self, school: Settings, postgres: Postgres, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What two people have not released is not to be dropped, whatever is due; also when it does not answer."""
        old = postgres.database()
        with open_store(old, clock=lambda: AT * 1000) as store:
            store.append([*batch(3), (request(ids_from(OLD_US).next(), user="left-long-ago"), ended())])
        wanted = LogFilter(user="left-long-ago")
        for case in ("CASE-3", "CASE-4"):
            kept = place(old, case, "a threat", wanted, NOW + timedelta(days=90), who="cli:dsl", at=NOW)
            assert copy_hold(old, kept, who="cli:dsl", at=NOW) == 1
        shutil.rmtree(school.data / "store")
        moved = typed(school, capsys, "db", "move", "--from", old.address, "--why", "x", "--leave-holds")
        assert (moved[0], moved[1]["holds"]) == (0, ["CASE-3", "CASE-4"])
        release(old, "CASE-4")
        ((level, found),) = self.told(school)
        assert (level, "should have gone" in found, "drop" in found) == ("bad", True, False)
        assert "| 1 hold(s) stayed there: CASE-3; until two people have released them there, keep it" in found
        with postgres.connect(str(old.url.database)) as connection:
            connection.execute("DELETE FROM day_file WHERE day < '2026-11-01'")
        ((level, found),) = self.told(school)
        assert (level, "CASE-3" in found, "drop" in found) == ("note", True, False)
        with postgres.connect(str(old.url.database)) as connection:
            connection.execute("UPDATE day_file SET rows = 0")
        ((level, found),) = self.told(school)
        assert (level, "no rows but those that are held | 1 hold(s)" in found) == ("note", True)
        release(old, "CASE-3")
        assert self.told(school) == []
        postgres.drop(old)
        ((level, found),) = self.told(school)
        assert (level, "does not answer" in found, "2 hold(s) stayed there" in found) == ("note", True, True)

    def test_files_of_a_record_that_moved_on(
        self, school: Settings, postgres: Postgres, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Their move stands in the trail of the place before, so that nobody can say they were not moved."""
        assert typed(school, capsys, "db", "move", "--why", "x")[0] == 0
        next_one = postgres.database()
        file = school.data.parent / "schoolgate.yaml"
        told = yaml.safe_load(file.read_text(encoding="utf-8")) | {"record": {"store": next_one.address}}
        file.write_text(yaml.safe_dump(told), encoding="utf-8")
        assert typed(school, capsys, "db", "move", "--from", str(school.store), "--why", "x")[0] == 0
        (level, found), _ = self.told(load_settings(file))
        assert (level, "31 rows" in found, "may not have been moved" in found) == ("note", True, True)

    def test_files_of_another_gateway(self, school: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        """Every gateway calls its folder the same: that one moved its files says nothing of another's."""
        assert typed(school, capsys, "db", "move", "--why", "x")[0] == 0
        assert [level for level, _ in self.told(school)] == ["note"]
        other = school.model_copy(update={"gateway": school.gateway.model_copy(update={"number": 7})})
        ((level, found),) = self.told(other)
        assert (level, "no move of them is known" in found) == ("bad", True)
        with reading(school.store) as catalog:
            after = dict(entries(catalog, limit=1)[0].after)
        del after["gateway"]  # a line from before it was noted
        with open_catalog(school.store).begin() as catalog:
            note_move(catalog, str(school.data / "store"), after)
        assert [level for level, _ in self.told(other)] == ["note"]

    def test_a_place_is_the_same_however_it_is_written(
        self, school: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The record itself was not left, and does not move into itself."""
        upgrade(school.store)
        shutil.rmtree(school.data / "store")
        otherwise = f"{school.store}&sslmode=prefer"
        assert main(["--settings", str(school.data.parent / "schoolgate.yaml"), "db", "move", "--from", otherwise]) == 2
        assert "--from is record.store itself" in capsys.readouterr().err
        with open_store(school.store, clock=lambda: AT * 1000) as store:
            store.append(batch(3))
        with open_catalog(school.store).begin() as catalog:
            note_move(catalog, otherwise, {})
        assert self.told(school) == []


def release(where: Database, case: str) -> None:
    sign(where, case, who="cli:dsl", why="closed", at=NOW)
    approve(where, case, who="cli:head", why="closed", at=NOW)


def note_move(catalog: Connection, subject: str, after: dict[str, Any]) -> None:
    record_change(catalog, who="cli:head", what=MOVED, subject=subject, after=after, why="", at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql://a@db.school.internal/x", "postgres://b@DB.school.internal:5432/x?sslmode=verify-full", True),
        ("postgresql:///x?host=/run/postgresql", "postgresql:///x?port=5432&host=/run/postgresql", True),
        ("postgresql://db/x", "postgresql://db/y", False),
        ("postgresql://db/x", "postgresql://db:5433/x", False),
        ("postgresql://db/x", "postgresql://db2/x", False),
        ("postgresql:///x?host=/run/a", "postgresql:///x?host=/run/b", False),
    ],
)
def test_host_port_and_database_make_a_place(one: str, other: str, same: bool) -> None:
    assert (Database(one).spot == Database(other).spot) is same
