"""A trust whose rows are in ClickHouse and whose names are in PostgreSQL, used by the commands it has.

The engine is ClickHouse's own, inside the test process; the database is a PostgreSQL server.
Shows: `logstore.clickhouse.check`, `logstore.clickhouse.days`, `proxy.record_settings`, `proxy.recordlooks`.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from logstore.clickhouse.db import open_engine
from logstore.clickhouse.partitions import drop, partitions
from logstore.db import open_catalog, reading
from logstore.filter import LogFilter
from logstore.ids import RecordIds
from logstore.place import ClickHouse, Database
from logstore.query import Archive
from logstore.schema import day_file
from logstore.spool import SpoolWriter
from logstore.store import open_store
from proxy.cli import main
from proxy.doctor import examine
from proxy.partitionjob import TOLD, PartitionJob
from proxy.settings import Settings, load_settings
from registry import people
from registry.change import By
from tests.logstore.rows import AT, batch, ended, ids_from, request
from tests.logstore.spooling import fill
from tests.rig import clickhouse
from tests.rig.postgres import Postgres

TODAY = datetime.now(UTC).date()


@dataclass
class Trust:
    """Settings in a file, and the commands that read it."""

    file: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def settings(self) -> Settings:
        """What the file says."""
        return load_settings(self.file)

    @property
    def where(self) -> ClickHouse:
        """Where the record is."""
        store = self.settings.store
        assert isinstance(store, ClickHouse)
        return store

    def typed(self, *words: str) -> tuple[int, str, str]:
        """A command's exit status, what it says and what it says beside."""
        status = main(["--settings", str(self.file), *words])
        told = self.capsys.readouterr()
        return status, told.out, told.err

    def said(self, *words: str) -> Any:
        """The answer of a command that does what it is asked, in JSON."""
        status, out, err = self.typed(*words, "--json")
        assert status == 0, out + err
        return json.loads(out)

    def lines(self, *words: str) -> list[dict[str, Any]]:
        """The same of a command that answers in lines."""
        status, out, err = self.typed(*words, "--json")
        assert status == 0, out + err
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def trust(tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]) -> Iterator[Trust]:
    """A gateway of a trust, its record empty."""
    record = {"store": database.address, "rows": clickhouse.fresh(tmp_path).address, "timezone": "UTC"}
    file = tmp_path / "schoolgate.yaml"
    file.write_text(yaml.safe_dump({"data": str(tmp_path / "data"), "record": record}), encoding="utf-8")
    (tmp_path / "data" / "spool").mkdir(parents=True)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield Trust(file, capsys)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def spool(trust: Trust, rows: int, worker: str = "w0") -> list[int]:
    """Rows of this moment in the spool, as a worker leaves them; their ids."""
    writer = SpoolWriter(trust.settings.data / "spool", worker)
    made = fill(writer, RecordIds(int(worker[1:])), rows)
    writer.shut()
    return made


def test_what_lies_in_the_spool_is_shipped_and_found_by_every_search(trust: Trust) -> None:
    made = spool(trust, 30)
    assert trust.typed("shipper", "--once")[0] == 0
    assert not (trust.settings.data / "store").exists()
    with open_engine(trust.where).connect() as rows:
        assert sum(one.rows for one in partitions(rows)) == 30
    found = trust.lines("log", "search", "--user", "pupil-0417")
    assert [int(row["id"]) for row in found] == sorted(made, reverse=True)
    assert {row["url"] for row in found} == {"https://www.example.org/maths?q=castles"}
    assert trust.said("log", "stats")["totals"]["rows"] == 30
    assert sum(one["rows"] for one in trust.said("log", "series")["series"]) == 30
    assert trust.said("log", "facets", "host", "www.exa")
    assert trust.lines("log", "timeline", str(made[3]), "--device", "lab2-14")
    assert len(trust.lines("log", "search", "--text", "maths?q=cast")) == 30
    assert trust.said("log", "show", str(made[0]))["host"] == "www.example.org"
    assert len(trust.lines("log", "tail", "--limit", "5")) == 5
    assert trust.typed("log", "annual")[0] in (0, 1)
    looked = {line["what"] for line in trust.lines("db", "audit", "--kind", "look")}
    assert looked, "who looked is in the catalog"
    assert trust.typed("shipper", "--once")[0] == 0
    assert len(trust.lines("log", "search")) == 30


def test_rows_wait_while_it_is_away_and_are_all_there_once_after(trust: Trust) -> None:
    made = spool(trust, 20)
    told = yaml.safe_load(trust.file.read_text(encoding="utf-8"))
    there = told["record"]["rows"]
    told["record"]["rows"] = "clickhouse://schoolgate@127.0.0.1:9/schoolgate"
    trust.file.write_text(yaml.safe_dump(told), encoding="utf-8")
    status, _, err = trust.typed("shipper", "--once")
    assert (status, "not everything is shipped" in err) == (1, True)
    status, _, err = trust.typed("log", "search")
    assert (status, "cannot be read" in err) == (1, True)
    (found,) = [one for one in examine(trust.settings) if one.what == "rows"]
    assert (found.level, "rows wait in the spool" in found.advice) == ("bad", True)
    told["record"]["rows"] = there
    trust.file.write_text(yaml.safe_dump(told), encoding="utf-8")
    made += spool(trust, 5, worker="w1")
    assert trust.typed("shipper", "--once")[0] == 0
    assert sorted(int(row["id"]) for row in trust.lines("log", "search", "--all")) == sorted(made)


def test_the_commands_say_what_lies_where(trust: Trust) -> None:
    status, out, _ = trust.typed("db", "upgrade")
    settings = trust.settings
    assert status == 0
    assert f"rows: {settings.record.rows}" in out
    assert f"names, books, holds, audit trail, decisions: {settings.record.store}" in out
    assert trust.said("db", "check") == {"ok": True, "problems": []}
    found = {(one.what, one.level): one for one in examine(settings)}
    assert "one process at a time" in found["rows", "bad"].advice
    assert ("database", "good") in found
    assert trust.typed("run") == (
        1, "", f"schoolgate cannot start:\nrecord.rows is {settings.record.rows}: one process at a time can open that, "
        "and a gateway has several. It is for tests and trials (`schoolgate shipper --once`, `schoolgate log`); a "
        "gateway needs a ClickHouse server, like clickhouse://schoolgate@ch.trust.internal:8443/schoolgate?secure=true"
        "\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    "words", [("db", "seal"), ("db", "backup", "copy"), ("db", "restore", "copy"), ("db", "drill")]
)
def test_what_is_of_day_files_is_refused_with_words(trust: Trust, words: tuple[str, ...]) -> None:
    status, out, err = trust.typed(*words)
    assert (status, out) == (1, "")
    assert "these rows are in ClickHouse, their names in postgresql" in err
    assert "docs/clickhouse.md" in err


def test_a_case_is_not_said_to_be_proved(trust: Trust, tmp_path: Path) -> None:
    spool(trust, 3)
    assert trust.typed("shipper", "--once")[0] == 0
    status, _, err = trust.typed(
        "log", "case", "--out", str(tmp_path / "case.jsonl"), "--user", "pupil-0417", "--why", "asked"
    )
    assert (status, "under no hash chain" in err) == (1, True)
    assert not (tmp_path / "case.jsonl").exists()
    assert trust.typed("log", "search", "--out", str(tmp_path / "rows.jsonl"), "--why", "asked")[0] == 0
    assert len((tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_everything_about_one_person_is_given_to_them(trust: Trust, tmp_path: Path) -> None:
    spool(trust, 3)
    assert trust.typed("shipper", "--once")[0] == 0
    out = tmp_path / "subject.jsonl"
    asked = ("--out", str(out), "--who", "a parent", "--why", "article 15")
    status, _, err = trust.typed("log", "subject", "pupil-0417", *asked)
    assert status == 0, err
    assert out.read_text(encoding="utf-8").count("www.example.org") >= 3


def old_rows(trust: Trust) -> date:
    """Rows of today, and two of a day that is due; that day."""
    old = AT - 250 * 86_400_000_000
    ids = ids_from(old)
    with open_store(trust.where) as store:
        store.append([(request(ids.next(), user=user), ended()) for user in ("left-long-ago", "bullied")])
    spool(trust, 4)
    assert trust.typed("shipper", "--once")[0] == 0
    return datetime.fromtimestamp(old / 1e6, UTC).date()


def test_six_months_are_kept_and_it_can_be_proved(trust: Trust) -> None:
    day = old_rows(trust)
    name = f"clickhouse-{day:%Y%m%d}"
    status, out, _ = trust.typed("db", "check")
    assert (status, "retention" in out or str(day) in out) == (1, True)
    looked = trust.said("db", "prune", "--dry-run")
    assert [(one["file"], one["rows"]) for one in looked["days"]] == [(name, 2)]
    assert len(trust.lines("log", "search", "--user", "left-long-ago")) == 1
    until = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()
    held = ("hold", "place", "CASE-7", "--user", "bullied", "--until", until, "--why", "a complaint")
    assert trust.typed(*held)[0] == 0
    gone = trust.said("db", "prune", "--why", "tried")
    assert [(one["file"], one["rows"]) for one in gone["days"]] == [(name, 2)]
    with open_engine(trust.where).connect() as rows:
        assert [one.day for one in partitions(rows)] == [TODAY]
    assert trust.typed("log", "search", "--user", "left-long-ago", "--json")[0] == 1
    kept = trust.lines("log", "search", "--hold", "CASE-7")
    assert [row["user"] for row in kept] == ["bullied"]
    trail = trust.lines("db", "audit", "--kind", "retention")
    assert {line["what"] for line in trail} >= {"removed a day", "removed old rows"}
    assert trust.said("db", "check")["ok"]
    assert trust.said("db", "verify")["ok"]


def test_the_metrics_are_told_the_oldest_day(trust: Trust) -> None:
    day = old_rows(trust)
    assert PartitionJob(trust.settings, threading.Event()).round(datetime.now(UTC)) is True
    told = json.loads((trust.settings.data / "run" / TOLD).read_text(encoding="utf-8"))
    assert (told["oldest"], told["missing"], told["stray"]) == (day.isoformat(), 0, 0)


def test_a_day_that_is_back_or_short_or_gone_shows(trust: Trust) -> None:
    old_rows(trust)
    assert trust.said("db", "prune", "--why", "tried")["ok"]
    status, out, err = trust.typed("db", "verify")
    assert (status, "4 rows in 1 day files" in out) == (0, True)
    assert "under no hash chain" in err
    with open_engine(trust.where).connect() as rows:
        rows.exec_driver_sql("ALTER TABLE log DELETE WHERE id = (SELECT min(id) FROM log) SETTINGS mutations_sync = 1")
    status, out, _ = trust.typed("db", "verify")
    assert (status, "has 3 rows; the catalog counted 4" in out) == (1, True)
    with open_engine(trust.where).connect() as rows:
        drop(rows, TODAY)
    status, out, _ = trust.typed("db", "verify")
    assert (status, "its rows are missing, and nothing says that retention removed them" in out) == (1, True)


def test_rows_behind_the_record_s_back_show_and_go_by_date(trust: Trust) -> None:
    """A partition that somebody put there is no day of the books, and gets old like any other."""
    day = old_rows(trust)
    engine = open_catalog(trust.where)
    with engine.begin() as catalog:
        catalog.execute(day_file.delete().where(day_file.c.day == day.isoformat()))
    engine.dispose()
    status, out, _ = trust.typed("db", "verify")
    assert (status, "has rows and is not in the catalog" in out) == (1, True)
    gone = trust.said("db", "prune", "--why", "tried")
    assert [one["rows"] for one in gone["days"]] == [2]


def test_a_record_moves_up_from_files_and_from_postgresql(trust: Trust, postgres: Postgres) -> None:
    """Rows and decisions of the data folder; and of a database that was the record before."""
    files = trust.settings.data / "store"
    with open_store(files, clock=lambda: AT * 1000) as store:
        store.append(batch(30))
    with open_catalog(files).begin() as catalog:
        people.add(catalog, "teacher-1", people.Details(), By("cli:head", datetime.now(UTC), "because"))
    told = trust.said("db", "move", "--why", "a trust now")
    assert (told["rows"], told["new"], told["decisions"]) == (30, 30, 1)
    assert trust.said("db", "move", "--why", "again")["new"] == 0
    older = postgres.database()
    try:
        with open_store(older, clock=lambda: AT * 1000) as store:
            store.append(batch(50))
        told = trust.said("db", "move", "--from", older.address, "--why", "from the old database")
        assert (told["rows"], told["new"], told["decisions"]) == (50, 20, None)
    finally:
        postgres.drop(older)
    with Archive(trust.where) as archive:
        assert [row.record for row in archive.walk(LogFilter(), rising=True)] == [record for record, _ in batch(50)]
    with reading(trust.where) as catalog:
        assert [one.person.name for one in people.accounts(catalog)] == ["teacher-1"]
    status, _, err = trust.typed("db", "move", "--from", str(trust.settings.record.store))
    assert (status, "a database of their own" in err) == (2, True)
