"""A case leaves the gateway with the proof of its rows, and whoever has it can check it.

Shows: `logstore.casefile`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from logstore.db import days_folder
from logstore.gateways import Gateway
from logstore.place import Beside, Database
from logstore.postgres.db import open_engine
from logstore.seal import seal
from logstore.store import open_store
from proxy.cli import main
from tests.logstore.rows import AT, batch, ended, ids_from
from tests.logstore.rows import request as asked

ODD = "a\ud83d\x00b"


class Desk:
    """Types `schoolgate log …`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], store: Database | None) -> None:
        self.data = folder / "data"
        self.store: Beside = store or self.data / "store"
        self.settings = folder / "schoolgate.yaml"
        self.settings.write_text(json.dumps({"record": {"store": str(self.store)}}) if store else "")
        self.out = folder / "case-7.jsonl"
        self.manifest = folder / "case-7.jsonl.manifest.json"
        self.proof = folder / "case-7.jsonl.evidence.jsonl"
        self._capsys = capsys
        self.said = self.told = ""

    def types(self, *words: str) -> int:
        try:
            status = main(["--settings", str(self.settings), "--data", str(self.data), "log", *words])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        self.said, self.told = self._capsys.readouterr()
        return status

    def exports(self, *words: str) -> int:
        return self.types("case", "--out", str(self.out), "--case", "7", "--why", "asked for by the head", *words)

    def checks(self, *words: str) -> Any:
        self.types("case-verify", str(self.manifest), "--json", *words)
        return json.loads(self.said)


@pytest.fixture(params=["sqlite", "postgresql"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Two hundred rows of a day (in files a sealed one), some of an open one, one with text that is no Unicode."""
    found = request.getfixturevalue("database") if request.param == "postgresql" else None
    made = Desk(tmp_path, capsys, found)
    made.data.mkdir()
    with open_store(made.store) as writer:
        for begin in range(0, 200, 80):
            writer.append(batch(200)[begin : begin + 80])
        if isinstance(made.store, Path):
            seal(made.store, datetime(2026, 11, 22, 3, tzinfo=UTC))
        ids = ids_from(AT + 86_400_000_000)
        writer.append([(asked(ids.next(), user=f"pupil-{n % 7:04}", path=ODD), ended()) for n in range(9)])
    return made


def test_a_case_is_checked_with_its_files_alone(desk: Desk, tmp_path: Path) -> None:
    assert desk.exports("--user", "pupil-0003") == 0, desk.told
    manifest = json.loads(desk.manifest.read_text())
    assert manifest["rows"] == len(desk.out.read_text().splitlines()) == 29 + 1
    assert (manifest["subject"], manifest["why"], manifest["problems"]) == ("7", "asked for by the head", [])
    assert "pupil-0003" in manifest["asked"]
    assert all(json.loads(line)["user"] == "pupil-0003" for line in desk.out.read_text().splitlines())
    assert "pupil-0004" not in desk.proof.read_text()
    found = desk.checks()
    assert (found["ok"], found["problems"]) == (True, [])
    assert found["audit_line"] > 0
    assert desk.types("case-verify", str(desk.manifest), "--sha256", found["sha256"]) == 0
    assert "30 rows, each proved" in desk.said
    assert desk.types("case-verify", str(desk.manifest), "--sha256", "0" * 64) == 1
    desk.data = tmp_path / "somewhere else"
    desk.settings.write_text("")
    assert desk.checks()["audit_line"] is None


def test_a_case_is_checked_while_the_database_is_away(desk: Desk, tmp_path: Path) -> None:
    assert desk.exports("--user", "pupil-0003") == 0, desk.told
    desk.settings.write_text(json.dumps({"record": {"store": f"postgresql://owner@/x?host={tmp_path}"}}))
    found = desk.checks()
    assert (found["ok"], found["audit_line"]) == (True, None)
    assert "cannot be asked" in desk.told


def test_each_gateways_chain_is_in_the_proof_of_a_shared_record(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pupil who was at two schools of the trust on one day; nobody else's rows are in the proof."""
    desk = Desk(tmp_path, capsys, database)
    desk.data.mkdir()
    for number, begin in ((1, 0), (2, 30)):
        with open_store(database, gateway=Gateway(number, str(number) * 32)) as writer:
            writer.append(batch(60)[begin : begin + 30])
    assert desk.exports("--user", "pupil-0003") == 0, desk.told
    lines = [json.loads(line) for line in desk.proof.read_text().splitlines()]
    ends = {line["file"] for line in lines if line["kind"] == "chain"}
    assert ends == {"log_20261121/1", "log_20261121/2"}
    assert desk.checks()["ok"]
    assert "pupil-0004" not in desk.proof.read_text()


def forge(path: Path, number: int, **changed: object) -> None:
    """Change a line of a file, and the manifest so that its hash fits again."""
    lines = path.read_text().splitlines()
    lines[number] = json.dumps(json.loads(lines[number]) | changed)
    path.write_text("\n".join(lines) + "\n")


def rehash(desk: Desk) -> None:
    from logstore.exportbook import hash_file

    told = json.loads(desk.manifest.read_text())
    for one in told["files"]:
        one["sha256"] = hash_file(desk.manifest.with_name(one["file"]))
    desk.manifest.write_text(json.dumps(told))


class TestForgery:
    """With the hashes of the files made to fit."""

    def test_a_row(self, desk: Desk) -> None:
        desk.exports("--user", "pupil-0003")
        forge(desk.out, 5, status=404)
        assert desk.checks()["problems"] == ["case-7.jsonl is not what was written"]
        rehash(desk)
        problems = desk.checks()["problems"]
        assert len(problems) == 1
        assert "is not what was stored: status" in problems[0]

    def test_a_row_and_its_proof(self, desk: Desk) -> None:
        desk.exports("--user", "pupil-0003")
        lines = [json.loads(line) for line in desk.proof.read_text().splitlines()]
        place = next(n for n, line in enumerate(lines) if line["kind"] == "row")
        values = lines[place]["values"]
        forge(desk.proof, place, values=[*values[:-2], "/innocent", values[-1]])
        rehash(desk)
        assert "its proof does not lead to its batch" in desk.checks()["problems"][0]

    def test_a_batch(self, desk: Desk) -> None:
        desk.exports("--user", "pupil-0003")
        forge(desk.proof, 0, at_us=1)
        rehash(desk)
        assert "is not in the chain" in desk.checks()["problems"][0]

    def test_the_end_of_the_chain(self, desk: Desk) -> None:
        desk.exports("--user", "pupil-0003")
        lines = [json.loads(line) for line in desk.proof.read_text().splitlines()]
        place = next(n for n, line in enumerate(lines) if line["kind"] == "chain")
        forge(desk.proof, place, end=[lines[place]["end"][0], "0" * 64])
        rehash(desk)
        assert "does not lead to its end" in desk.checks()["problems"][0]


def test_a_case_of_a_day_that_is_not_whole_says_so(desk: Desk) -> None:
    first = "SELECT min(id) FROM log"
    if isinstance(desk.store, Path):
        day = days_folder(desk.store) / "2026-11-22.db"
        with contextlib.closing(sqlite3.connect(day)) as connection, connection:
            connection.execute(f"UPDATE log SET status = 404 WHERE id = ({first})")
    else:
        engine = open_engine(desk.store)
        with engine.begin() as changing:
            late = ids_from(AT + 86_400_000_000).next()
            changing.exec_driver_sql(f"UPDATE log SET status = 404 WHERE id = ({first} WHERE id >= {late})")
        engine.dispose()
    assert desk.exports("--user", "pupil-0003") == 1
    assert "the row was changed" in desk.told
    assert "when it was exported" in desk.checks()["problems"][-1]


def test_nothing_is_written_over_and_no_nonsense_is_read(desk: Desk) -> None:
    desk.exports("--user", "pupil-0003")
    assert desk.exports("--user", "pupil-0003") == 1
    assert "nothing is written over" in desk.told
    desk.manifest.write_text("{}")
    assert desk.types("case-verify", str(desk.manifest)) == 1
    assert "cannot be checked" in desk.told
