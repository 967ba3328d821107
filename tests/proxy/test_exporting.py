"""An export is in the book before a row is in it, and whatever ends it, nothing is left that the book does not know."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from logstore.audit import entries
from logstore.db import reading
from logstore.exportbook import export_cleaner, exports, hash_file
from logstore.exportfile import CannotWrite, check_manifest
from logstore.ids import wall_clock_us
from logstore.retention import prune
from logstore.store import Store
from proxy.cli import main
from proxy.exporting import Outgoing, Request
from tests.logstore.rows import ended, ids_from, request

NOW = datetime.now(UTC)
LONDON = ZoneInfo("Europe/London")
PUPIL = "canary-pupil"
KILLED = """
import os, sys
from logstore import exportfile
from proxy import exporting
from proxy.cli import main

def die(*_):
    os.kill(os.getpid(), 9)

def second(self, put=exportfile.ExportFile.put, calls=[]):
    calls.append(1)
    die() if len(calls) == 2 else put(self)

match sys.argv[2]:
    case "with its rows half written":
        exportfile.ExportFile.finish = die
    case "before its hash is booked":
        exporting.Request.complete = die
    case "before it has its name":
        exportfile.ExportFile.put = die
    case "before its manifest has a name":
        exportfile.ExportFile.put = second
out = sys.argv[1] + "/out.csv"
main(["--data", sys.argv[1], "log", "search", "--user", "canary-pupil", "--out", out, "--why", "x"])
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A pupil's rows of yesterday."""
    ids = ids_from(wall_clock_us() - 86_400_000_000)
    with Store(tmp_path / "store") as store:
        store.append([(request(ids.next(), user=PUPIL), ended()) for _ in range(5)])
    return tmp_path


def asked(data: Path) -> Request:
    return Request(
        store=data / "store", gateway="g", what="search", subject=PUPIL, asked="her rows", who="cli:head", why="x",
        at=NOW, zone=LONDON,
    )  # fmt: skip


def files_that_name(data: Path) -> list[str]:
    return sorted(
        path.name
        for path in data.rglob("*")
        if path.is_file() and "store" not in path.parts and PUPIL.encode() in path.read_bytes()
    )


def booked(data: Path) -> dict[str, str]:
    with reading(data / "store") as catalog:
        return {Path(one.path).name: one.sha256 for one in exports(catalog)}


@pytest.mark.parametrize(
    ("when", "left"),
    [
        ("with its rows half written", 0),
        ("before its hash is booked", 0),
        ("before it has its name", 0),
        ("before its manifest has a name", 1),
    ],
)
def test_an_export_that_is_killed_leaves_nothing_unknown(data: Path, when: str, left: int) -> None:
    """What lies aside goes with the next night, what has its name with its rows."""
    ran = subprocess.run([sys.executable, "-c", KILLED, str(data), when], capture_output=True, check=False)
    assert ran.returncode == -9, ran.stderr
    assert any(path.name.endswith(".part") for path in data.iterdir())
    clean = export_cleaner(data / "store", data)
    prune(data / "store", NOW, LONDON, cleaners=(clean,), clock_is_right=True)
    there = files_that_name(data)
    assert there == ["out.csv"][:left]
    assert all(booked(data)[name] == hash_file(data / name) for name in there)
    report = prune(data / "store", NOW + timedelta(days=220), LONDON, cleaners=(clean,), clock_is_right=True)
    assert report.ok
    assert (files_that_name(data), booked(data)) == ([], {})


def test_an_export_goes_with_its_oldest_row(data: Path) -> None:
    """Rows of half a year in one file: the first that is due takes it with it."""
    ids = ids_from(wall_clock_us() - 170 * 86_400_000_000)
    with Store(data / "store") as store:
        store.append([(request(ids.next(), user=PUPIL), ended())])
    words = ["log", "search", "--user", PUPIL, "--out", str(data / "out.csv"), "--why", "x"]
    assert main(["--data", str(data), *words]) == 0
    clean = export_cleaner(data / "store", data)
    for days, there in ((10, ["out.csv", "out.csv.manifest.json"]), (20, [])):
        prune(data / "store", NOW + timedelta(days=days), LONDON, cleaners=(clean,), clock_is_right=True)
        assert files_that_name(data) == there


def test_an_export_whose_manifest_would_be_written_over_does_not_begin(data: Path) -> None:
    (data / "out.csv.manifest.json").write_text("{}")
    words = ["log", "search", "--user", PUPIL, "--out", str(data / "out.csv"), "--why", "x"]
    assert main(["--data", str(data), *words]) == 1
    assert not (data / "out.csv").exists()
    assert booked(data) == {}
    with reading(data / "store") as catalog:
        assert entries(catalog, kind="export") == ()


def test_what_was_left_is_in_nobody_s_way(data: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(data), "before it has its name"], check=False)
    words = ["log", "search", "--user", PUPIL, "--out", str(data / "out.csv"), "--why", "again"]
    assert main(["--data", str(data), *words]) == 0
    assert check_manifest(data / "out.csv.manifest.json") == ()


class TestOneExportOfTwoFiles:
    def test_has_its_lines_in_the_book_before_a_row_is_written(self, data: Path) -> None:
        with Outgoing(asked(data), data / "a", data / "b") as out:
            assert booked(data) == {"a": "", "b": "", "a.manifest.json": ""}
            out[data / "a"].write("row\n")
            out[data / "b"].write("proof\n")
            written = out.finish({"subject": PUPIL}, (NOW, NOW))
        assert booked(data) == {one.path.name: one.sha256 for one in written}
        assert json.loads((data / "a.manifest.json").read_text())["subject"] == PUPIL
        assert check_manifest(data / "a.manifest.json") == ()

    def test_leaves_neither_when_one_name_is_taken_meanwhile(self, data: Path) -> None:
        with (
            pytest.raises(CannotWrite, match="b is there already"),
            Outgoing(asked(data), data / "a", data / "b") as out,
        ):
            (data / "b").write_text("mine")
            out.finish({}, None)
        assert [path.name for path in data.iterdir() if path.is_file()] == ["b"]
        assert ((data / "b").read_text(), booked(data)) == ("mine", {})

    def test_leaves_neither_when_somebody_settled_it_meanwhile(self, data: Path) -> None:
        with Outgoing(asked(data), data / "a") as out:
            main(["--data", str(data), "db", "exports", "--settle", "1", "--why", "x"])
            with pytest.raises(CannotWrite, match="was settled meanwhile"):
                out.finish({}, None)
        assert not (data / "a").exists()
        assert booked(data) == {}
