"""`schoolgate users`, as a technician types it: the register, the audit trail and the overlay follow.

Shows: `proxy.decisions`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from identity.basic import Credentials, PasswordCheck
from identity.overlay import read_overlay
from logstore.db import open_catalog
from proxy.cli import main
from tests.registry.conftest import trail

WORDS = "otter kite lamp"


class Technician:
    """Types commands and reads the answers."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        command: str = "users",
    ) -> None:
        self.command = command
        self.folder = folder
        self.data = folder / "data"
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.settings = folder / "schoolgate.yaml"
        self.settings.write_text(
            "data: data\nidentity:\n  places:\n    - {network: 10.4.0.0/16, site: oakwood, band: ks2}\n"
        )
        self.said = ""
        self.told = ""

    def types(self, *words: str, stdin: str = "") -> int:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        try:
            status = main(["--settings", str(self.settings), self.command, *words])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        self.said, self.told = self._capsys.readouterr()
        return status

    def json(self, *words: str, stdin: str = "", status: int = 0) -> Any:
        assert self.types(*words, "--json", stdin=stdin) == status, self.told
        return json.loads(self.said)

    def overlay(self) -> Any:
        return read_overlay(self.data / "overlay" / "overlay.msgpack").directory

    def trail(self) -> Any:
        engine = open_catalog(self.data / "store")
        with engine.connect() as connection:
            lines = trail(connection)
        engine.dispose()
        return lines


@pytest.fixture
def technician(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Technician:
    return Technician(tmp_path, monkeypatch, capsys)


def test_somebody_gets_in_is_changed_and_leaves(technician: Technician) -> None:
    """Add, show, change, suspend, enable, remove: each is in force in the overlay when the command ends."""
    added = technician.json(
        "add", "Pupil-0417", "--band", "ks2", "--groups", "year-4,choir", "--password-stdin", stdin=WORDS + "\n"
    )
    assert (added["name"], added["band"], added["groups"], added["status"], added["password"]) == (
        "pupil-0417",
        "ks2",
        ["choir", "year-4"],
        "active",
        True,
    )
    person = technician.overlay().person("pupil-0417")
    assert PasswordCheck().verify(Credentials("pupil-0417", WORDS), person)
    assert technician.overlay().place("10.4.1.1").band == "ks2"
    assert technician.json("show", "pupil-0417")["granted_by"].startswith("cli:")
    assert technician.json("change", "pupil-0417", "--band", "ks3", "--shared")["band"] == "ks3"
    assert technician.overlay().person("pupil-0417").shared
    assert technician.json("suspend", "pupil-0417", "--days", "3", "--why", "phone")["status"] == "suspended"
    assert technician.overlay().person("pupil-0417").suspended_until is not None
    assert technician.json("enable", "pupil-0417")["status"] == "active"
    assert technician.json("disable", "pupil-0417")["status"] == "disabled"
    assert technician.overlay().person("pupil-0417").disabled
    assert technician.json("consent", "pupil-0417", "no")["consent"] is False
    assert technician.json("remove", "pupil-0417")["status"] == "left"
    assert technician.overlay().person("pupil-0417") is None
    assert [line[1] for line in technician.trail()] == [
        "person.add",
        "person.change",
        "person.suspend",
        "person.enable",
        "person.disable",
        "person.consent",
        "person.leave",
    ]


def test_a_list_for_people_and_for_programs(technician: Technician) -> None:
    """Filters narrow the list; leavers show only when asked for."""
    for name, band in (("pupil-1", "ks1"), ("pupil-2", "ks2"), ("leaver", "ks2")):
        technician.types("add", name, "--band", band, "--groups", f"{band}-class", "--no-password")
    technician.types("remove", "leaver")
    assert technician.types("list") == 0
    assert [line.split()[0] for line in technician.said.splitlines()] == ["pupil-1", "pupil-2"]
    assert [one["name"] for one in technician.json("list", "--band", "ks2")] == ["pupil-2"]
    assert [one["name"] for one in technician.json("list", "--group", "ks1-class")] == ["pupil-1"]
    assert [one["name"] for one in technician.json("list", "--status", "left")] == ["leaver"]
    assert technician.types("export") == 0
    assert [line.split(",")[0] for line in technician.said.splitlines()] == ["name", "leaver", "pupil-1", "pupil-2"]


def test_a_new_password_replaces_the_old(technician: Technician) -> None:
    """After `passwd` only the new one is right; a poor one is refused and never shown."""
    technician.types("add", "a.teacher", "--band", "staff", "--password-stdin", stdin=WORDS)
    assert technician.types("passwd", "a.teacher", "--password-stdin", stdin="lamp kite otter\n") == 0
    person, check = technician.overlay().person("a.teacher"), PasswordCheck()
    assert not check.verify(Credentials("a.teacher", WORDS), person)
    assert check.verify(Credentials("a.teacher", "lamp kite otter"), person)
    assert technician.types("passwd", "a.teacher", "--password-stdin", stdin="hunter2\n") == 1
    assert "too short" in technician.told
    assert "hunter2" not in technician.told + technician.said
    assert "argon2" not in repr(technician.trail()) + technician.said


def test_a_file_is_shown_first_and_taken_then(technician: Technician) -> None:
    """`--dry-run` says what would change and changes nothing; without it, the same is done."""
    file = technician.folder / "pupils.csv"
    file.write_text(f"name,band,groups,password\npupil-1,ks1,year-2,{WORDS}\npupil-2,ks2,year-4,\n")
    assert technician.types("import", str(file), "--dry-run") == 0
    assert "+ pupil-1: band ks1, groups year-2, password set" in technician.said
    assert "2 would be added" in technician.told
    assert technician.json("list") == []
    assert technician.json("import", str(file))["done"] is True
    assert sorted(technician.overlay().people) == ["pupil-1", "pupil-2"]
    again = technician.json("import", str(file), "--dry-run")
    assert (again["added"], [one["name"] for one in again["changed"]], again["same"]) == ([], ["pupil-1"], 1)
    assert technician.types("import", "-", stdin="name,band\npupil-2,ks3\n") == 0
    assert "~ pupil-2: band ks2 -> ks3" in technician.said


def test_a_bad_file_changes_nothing(technician: Technician) -> None:
    """Every line that is wrong is named; exit 1."""
    file = technician.folder / "pupils.csv"
    file.write_text("name,band\npupil-1,ks1\npupil-2,ks22\npupil 3,ks3\n")
    assert technician.types("import", str(file)) == 1
    assert f"{file}:3: there is no band 'ks22' (did you mean 'ks2'?)" in technician.told
    assert f"{file}:4:" in technician.told
    assert technician.json("list") == []


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("show", "nobody"), 1, "no such account"),
        (("disable", "nobody"), 1, "no such account"),
        (("add", "pupil", "--band", "ks22", "--no-password"), 1, "did you mean 'ks2'?"),
        (("add", "pupil", "--band", "ks2"), 2, "--password-stdin"),
        (("import", "absent.csv"), 1, "absent.csv"),
        (("suspend", "pupil", "--days", "0"), 2, "--days"),
        (("suspend", "pupil", "--until", "2020-01-01"), 1, "not in the future"),
        (("suspend", "pupil"), 2, "--days"),
        (("add", "pupil", "--password", "x"), 2, "--password"),
        (("frobnicate",), 2, "invalid choice"),
    ],
)
def test_what_cannot_be_done(technician: Technician, words: tuple[str, ...], status: int, says: str) -> None:
    """No is 1, usage is 2, and the reason is on stderr; a password is never an argument."""
    assert technician.types(*words) == status
    assert says in technician.told
    assert technician.said == ""


def test_refusals_in_json(technician: Technician) -> None:
    """A program reads the same reasons."""
    answer = technician.json("add", "=1", "--band", "ks22", "--no-password", status=1)
    assert answer["ok"] is False
    assert len(answer["problems"]) == 2
