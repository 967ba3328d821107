"""`schoolgate db`, as the person who answers for the record types it.

Shows: `proxy.storecare`, `proxy.proving`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from logstore.db import catalog_path, days_folder, open_catalog
from logstore.exportbook import Export, hash_file, note_export
from logstore.ids import wall_clock_us
from logstore.store import Store
from proxy.cli import main
from tests.logstore.rows import ended, ids_from, request

DAY_US = 86_400_000_000


class Desk:
    """Types `schoolgate db …` and reads the answers."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = folder
        self.store = folder / "store"
        self._capsys = capsys
        self.said = ""
        self.told = ""

    def types(self, *words: str) -> int:
        try:
            status = main(["--data", str(self.data), "db", *words])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        self.said, self.told = self._capsys.readouterr()
        return status

    def json(self, *words: str, status: int = 0) -> Any:
        assert self.types(*words, "--json") == status, self.told
        return json.loads(self.said)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A store with rows of 200 days ago and of now."""
    with Store(tmp_path / "store") as store:
        for ago in (200, 0):
            ids = ids_from(wall_clock_us() - ago * DAY_US)
            store.append([(request(ids.next(), user=f"pupil-{ago}"), ended()) for _ in range(3)])
    return Desk(tmp_path, capsys)


def test_a_store_is_made_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path, capsys)
    assert desk.types("check") == 1
    assert desk.json("upgrade") == {"ok": True, "changed": ["catalog.db"]}
    assert desk.json("upgrade") == {"ok": True, "changed": []}
    assert desk.json("check") == {"ok": True, "problems": []}


def test_prune_says_what_would_go_then_what_went(desk: Desk) -> None:
    told = desk.json("prune", "--dry-run")
    assert (told["dry_run"], told["rows"], len(told["days"])) == (True, 3, 1)
    assert len(list(days_folder(desk.store).glob("*.db"))) == 2
    assert desk.types("prune", "--why", "half term") == 0
    assert "3 rows in 1 days" in desk.said
    assert "stayed: audit trail" in desk.said
    assert len(list(days_folder(desk.store).glob("*.db"))) == 1
    assert desk.types("audit", "--kind", "retention") == 0
    assert "removed old rows record  (half term)" in desk.said


def test_a_clock_that_jumped_is_refused_until_somebody_says_it_is_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only rows of 200 days ago, and nothing since."""
    with Store(tmp_path / "store") as store:
        store.append([(request(ids_from(wall_clock_us() - 200 * DAY_US).next()), ended())])
    desk = Desk(tmp_path, capsys)
    assert desk.types("prune") == 1
    assert "no row and no run of retention" in desk.said
    assert desk.json("prune", status=1)["problems"]
    assert desk.json("prune", "--clock-is-right", "--why", "it was in a cupboard")["rows"] == 1


def test_a_run_tells_the_metrics(desk: Desk) -> None:
    """Also one by hand, so that an alarm ends when it was seen to."""
    desk.types("prune", "--dry-run")
    assert not (desk.data / "run" / "retention.json").exists()
    desk.types("prune")
    told = json.loads((desk.data / "run" / "retention.json").read_text())
    assert (told["ok"], told["rows"], told["days"], told["overdue"]) == (True, 3, 1, 0)


def test_exports_are_listed_and_settled(desk: Desk) -> None:
    path = desk.data / "pupil.jsonl"
    path.write_text("rows")
    export = Export(
        path=str(path), what="subject", subject="pupil-0", who="cli:head", why="asked", made_at=datetime.now(UTC),
        newest_at=None, rows=3, sha256=hash_file(path),
    )  # fmt: skip
    with open_catalog(desk.store).begin() as catalog:
        note_export(catalog, export)
    assert desk.types("exports") == 0
    assert str(path) in desk.said
    (one,) = desk.json("exports")
    assert (one["id"], one["subject"], one["rows"]) == (1, "pupil-0", 3)
    assert desk.types("exports", "--settle", "1", "--why", "burnt the stick") == 0
    assert desk.types("exports", "--settle", "1") == 1
    assert desk.json("exports") == []


def test_check_names_what_is_wrong(desk: Desk) -> None:
    assert desk.types("prune") == 0
    assert desk.json("check")["ok"]
    day = next(days_folder(desk.store).glob("*.db"))
    day.unlink()
    assert desk.json("check", status=1)["problems"] == [f"{day} is missing"]
    catalog_path(desk.store).write_bytes(b"no database" * 1000)
    assert "is damaged" in desk.json("check", status=1)["problems"][0]


def test_check_is_the_alarm_when_retention_is_behind(desk: Desk) -> None:
    assert "too old remain" in desk.json("check", status=1)["problems"][0]


def test_verify_names_the_line_that_was_touched(desk: Desk) -> None:
    desk.types("prune")
    kept = desk.json("verify")["head"]
    assert kept.startswith("2:")  # the day that went, and the run
    desk.types("prune")
    assert desk.json("verify", "--head", kept)["lines"] == 3
    assert desk.types("verify", "--head", "nonsense") == 2
    with contextlib.closing(sqlite3.connect(catalog_path(desk.store))) as connection, connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET who = 'nobody' WHERE id = 1")
    assert [problem["where"] for problem in desk.json("verify", status=1)["problems"]] == ["audit trail"]
    assert desk.types("verify") == 1
    assert "audit trail: line 1 was changed, taken out" in desk.said


def test_a_day_is_sealed_and_a_changed_row_is_named(desk: Desk) -> None:
    assert desk.types("seal", "--why", "end of term") == 0
    assert "3 rows" in desk.said
    assert desk.types("seal") == 0
    assert "no day waits" in desk.said
    kept = desk.json("head")["head"]
    assert desk.json("verify", "--deep", "--head", kept)["rows"] == 6
    open_day = max(days_folder(desk.store).glob("*.db"))
    assert desk.json("verify", "--day", open_day.name[:10])["files"] == [open_day.name]
    assert desk.types("verify", "--day", "yesterday") == 2
    with contextlib.closing(sqlite3.connect(open_day)) as connection, connection:
        changed = connection.execute("UPDATE log SET path = '/x' WHERE id = (SELECT max(id) FROM log) RETURNING id")
        record = str(changed.fetchone()[0])
    problems = desk.json("verify", status=1)["problems"]
    assert [(problem["where"], problem["batch"], problem["record"]) for problem in problems] == [
        (open_day.name, 1, record)
    ]
    assert desk.types("verify") == 1
    assert f"record {record}: the row was changed" in desk.said


def test_a_restore_is_practised(desk: Desk, tmp_path: Path) -> None:
    assert desk.types("drill") == 1
    assert "no copy to practise with" in desk.told
    desk.types("backup", str(tmp_path / "copy"))
    assert desk.types("drill", "--why", "once a term") == 0
    assert "6 rows came back whole" in desk.said
    assert not (desk.data / "drill").exists()
    for day in days_folder(tmp_path / "copy").glob("*.db"):
        day.unlink()
    assert desk.json("drill", str(tmp_path / "copy"), status=1)["ok"] is False
    assert desk.types("audit", "--kind", "export") == 0
    assert desk.said.count("practised a restore") == 2


def test_a_head_pins_what_was_there(desk: Desk) -> None:
    assert desk.types("head") == 0
    kept = desk.said.strip()
    assert desk.types("verify", "--head", kept) == 0
    assert desk.types("verify", "--head", f"{kept.partition(':')[0]}:{'0' * 64}") == 1


def test_the_trail_is_paged_and_filtered(desk: Desk) -> None:
    for _ in range(3):
        desk.types("prune")
    desk.types("audit", "--json", "--limit", "2")
    assert [json.loads(line)["id"] for line in desk.said.splitlines()] == [4, 3]
    desk.types("audit", "--json", "--before", "2")
    assert [json.loads(line)["id"] for line in desk.said.splitlines()] == [1]
    assert desk.types("audit", "--who", "nobody") == 1


def test_backup_and_restore_are_written_down_and_never_write_over(desk: Desk, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert desk.json("backup", str(copy), "--why", "weekly")["rows"] == 6
    assert "names people" in desk.told
    assert desk.types("backup", str(copy)) == 1
    assert "is not empty" in desk.told
    assert desk.types("restore", str(copy)) == 1
    assert "never writes over rows" in desk.told
    desk.store.rename(tmp_path / "lost")
    assert desk.json("restore", str(copy))["rows"] == 6
    assert desk.types("audit") == 0
    assert "put the store back" in desk.said


@pytest.mark.parametrize("words", [["verify"], ["audit"], ["prune"], ["backup", "copy"]])
def test_without_a_store_it_says_what_makes_one(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk = Desk(tmp_path, capsys)
    assert desk.types(*words) == 1
    assert "there is no record" in desk.told


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (("seal",), "No day is sealed there"),
        (("restore", "copy"), "is no whole copy of a record in PostgreSQL"),
    ],
)
def test_what_is_of_files_says_what_to_do_with_a_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], advice: str
) -> None:
    settings = tmp_path / "schoolgate.yaml"
    settings.write_text("record: {store: 'postgresql://owner@db.trust.internal/schoolgate'}\n", encoding="utf-8")
    assert main(["--settings", str(settings), "--data", str(tmp_path), "db", *words]) == 1
    assert advice in capsys.readouterr().err
