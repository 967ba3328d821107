"""Everything about one person, from every place, each thing once, and nothing about others.

Shows: `proxy.aboutperson`, `logstore.unshipped`.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from logstore.audit import entries, record_look
from logstore.db import open_catalog, reading
from logstore.exportbook import exports
from logstore.exportfile import check_manifest
from logstore.filter import LogFilter
from logstore.holdcopy import copy_hold
from logstore.holds import place
from logstore.ids import RecordIds, wall_clock_us
from logstore.place import Beside, Database
from logstore.retention import prune
from logstore.spool import SpoolWriter
from logstore.store import open_store
from policy.model import Action
from policy.overrides import Override
from proxy.cli import main
from registry import overrides, people, requests
from registry.change import By
from registry.people import Details
from tests.logstore.rows import ended, ids_from, request

DAY_US = 86_400_000_000
NOW = datetime.now(UTC)
BY = By("cli:mrs.smith", NOW, "homework; not for ben.c")


class School:
    """A data folder where Anna and Ben were busy."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str], database: Database | None) -> None:
        self.data = data
        self.store: Beside = database or data / "store"
        self.settings = data.with_suffix(".yaml")
        self.settings.write_text(json.dumps({"record": {"store": str(database)}}) if database else "")
        self._capsys = capsys
        self.said = self.told = ""
        self.rows(200, "/long-ago")
        self.hold()
        self.rows(2, "/lately")
        self.spool()
        self.register()

    def rows(self, ago: int, path: str) -> None:
        ids = ids_from(wall_clock_us() - ago * DAY_US, 1_000_000)
        with open_store(self.store) as store:
            store.append([(request(ids.next(), user=name, path=path), ended()) for name in ("anna.b", "ben.c") * 3])

    def hold(self) -> None:
        """What is 200 days old is gone from the store, but for the hold."""
        wanted, review = LogFilter(host="www.example.org"), NOW + timedelta(days=90)
        kept = place(self.store, "CASE-1", "x", wanted, review, who="cli:mrs.smith", at=NOW)
        copy_hold(self.store, kept, who="cli:mrs.smith", at=NOW)
        assert prune(self.store, NOW, ZoneInfo("Europe/London"), clock_is_right=True).rows == 6

    def spool(self) -> None:
        """One request that ended and one that did not, for each, on a disk the shipper has not been to."""
        self.writer = SpoolWriter(self.data / "spool", "worker-1")
        ids = RecordIds(1)
        for name in ("anna.b", "ben.c"):
            done, waiting = request(ids.next(), user=name, path="/spooled"), request(ids.next(), user=name)
            self.writer.open(done)
            self.writer.close(done.id, ended())
            self.writer.open(waiting)

    def register(self) -> None:
        with open_catalog(self.store).begin() as catalog:
            for name, title, shared in (("anna.b", "Anna B.", False), ("ben.c", "Ben C.", False), ("4b", "4B", True)):
                people.add(catalog, name, Details(title=title, band="ks2", shared=shared), BY)
            for name in ("anna.b", "ben.c"):
                asked = {
                    "mark": name, "url": f"http://{name}.example/", "user": name, "address": "10.0.0.1",
                    "why": "please", "at": NOW.isoformat(),
                }  # fmt: skip
                requests.take_fact(catalog, asked)
                wanted = Override(0, Action.ALLOW, "host:birds.example", None, None, None, name, None)
                overrides.add(catalog, wanted, BY)
            requests.decide(catalog, 1, "no-change", BY, answer="No, not after what Ben C. did.")
            record_look(catalog, who="cli:mrs.smith", subject="anna.b", asked="requests of anna.b", rows=3, at=NOW)
            record_look(catalog, who="cli:mrs.smith", subject="ben.c", asked="requests of ben.c", rows=3, at=NOW)

    def types(self, *words: str) -> int:
        try:
            status = main(["--settings", str(self.settings), "--data", str(self.data), "log", "subject", *words])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        self.said, self.told = self._capsys.readouterr()
        return status

    def export(self, out: Path, *words: str, user: str = "anna.b") -> list[dict[str, Any]]:
        asked = ("--who", "Anna's mother", "--why", "article 15")
        assert self.types(user, "--out", str(out), *asked, *words) == 0, self.told
        return [json.loads(line) for line in out.read_text().splitlines()] if out.suffix == ".jsonl" else []


@pytest.fixture(params=["sqlite", "postgresql"])
def school(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[School]:
    """With the record in files, and in a database."""
    database = request.getfixturevalue("database") if request.param == "postgresql" else None
    school = School(tmp_path / "data", capsys, database)
    yield school
    school.writer.shut()


def test_every_place_is_in_it_and_each_thing_once(school: School, tmp_path: Path) -> None:
    pieces = school.export(tmp_path / "anna.jsonl")
    rows = [piece for piece in pieces if piece["kind"] == "request"]
    assert Counter((row["source"], row["path"]) for row in rows) == {
        ("spool", "/spooled"): 1, ("store", "/lately"): 3, ("hold", "/long-ago"): 3,
    }  # fmt: skip
    assert {row["user"] for row in rows} == {"anna.b"}
    kinds = Counter(piece["kind"] for piece in pieces)
    assert (kinds["register"], kinds["review request"], kinds["override"]) == (1, 1, 1)
    looks = [piece for piece in pieces if piece["kind"] == "audit trail" and piece["what"] == "looked at rows"]
    assert [(one["who"], one["subject"]) for one in looks] == [("staff", "anna.b")]
    assert "1 requests have not ended" in school.told


def test_nothing_about_others(school: School, tmp_path: Path) -> None:
    """Neither the other pupil, nor who of the staff looked or decided."""
    school.export(tmp_path / "anna.jsonl")
    text = (tmp_path / "anna.jsonl").read_text().casefold()
    for name in ("ben.c", "ben c", "mrs.smith", "4b"):
        assert name not in text
    assert "[somebody else]" in text


def test_a_name_is_found_however_it_is_typed(school: School, tmp_path: Path) -> None:
    pieces = school.export(tmp_path / "anna.jsonl", user=" Anna.B ")
    assert Counter(piece["kind"] for piece in pieces)["request"] == 7


def test_a_login_that_was_a_class_gives_no_pupil_what_the_class_did(school: School, tmp_path: Path) -> None:
    """Year 4's login becomes one pupil's: what he did since is his, on a shared machine too; the rest is counted."""
    ids = ids_from(wall_clock_us() - 3_600_000_000, 1_000_000)
    with open_store(school.store) as store:
        store.append([(request(ids.next(), user="4b", shared=True, path="/of-the-class"), ended()) for _ in range(3)])
    with open_catalog(school.store).begin() as catalog:
        people.set_details(catalog, "4b", Details(title="Cora D.", shared=False), By("cli:mrs.smith", NOW, "moved up"))
    ids = ids_from(wall_clock_us() + 3_600_000_000, 1_000_000)
    with open_store(school.store) as store:
        store.append([(request(ids.next(), user="4b", shared=True, path="/hers"), ended())])
    pieces = school.export(tmp_path / "cora.jsonl", user="4b")
    assert [piece["path"] for piece in pieces if piece["kind"] == "request"] == ["/hers"]
    assert "3 requests of when this was a class login" in school.told
    assert json.loads((tmp_path / "cora.jsonl.manifest.json").read_text())["of_a_class_login"] == 3


def test_a_table_for_requests_and_a_file_for_the_rest(school: School, tmp_path: Path) -> None:
    school.export(tmp_path / "anna.csv")
    with (tmp_path / "anna.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    more = [json.loads(line) for line in (tmp_path / "anna.csv.more.jsonl").read_text().splitlines()]
    assert {piece["kind"] for piece in more} == {"register", "review request", "override", "audit trail"}


def test_the_manifest_says_what_it_is_and_what_is_not_in_it(school: School, tmp_path: Path) -> None:
    school.export(tmp_path / "anna.jsonl", "--json")
    told = json.loads(school.said)
    manifest = tmp_path / told["manifest"]
    assert check_manifest(manifest) == ()
    facts = json.loads(manifest.read_text())
    assert (facts["subject"], facts["asked_for_by"], facts["why"]) == ("anna.b", "Anna's mother", "article 15")
    assert facts["pieces"] == told["pieces"]
    assert facts["pieces"]["request"] == 7
    assert facts["not_shipped"]["open"] == 1
    assert any("class login" in line for line in facts["not_in_it"])


def test_it_is_written_down_before_and_after_and_found_by_retention(school: School, tmp_path: Path) -> None:
    school.export(tmp_path / "anna.jsonl")
    with reading(school.store) as catalog:
        after, before = entries(catalog, kind="export", subject="anna.b")
        book = exports(catalog)
    assert before.what == "began a subject-access export"
    assert after.after["for"] == "Anna's mother"
    assert after.after["pieces"]["request"] == 7
    assert [Path(one.path).name for one in book] == ["anna.jsonl", "anna.jsonl.manifest.json"]
    assert book[0].due(NOW + timedelta(days=1), NOW)


@pytest.mark.parametrize(
    ("user", "words", "told"),
    [
        ("4b", (), "class login"),
        ("nobody.here", (), "nothing is held about nobody.here"),
        ("anna.b", ("--format", "parquet"), "invalid choice"),
    ],
)
def test_what_cannot_be_given_leaves_no_file(
    school: School, tmp_path: Path, user: str, words: tuple[str, ...], told: str
) -> None:
    out = tmp_path / "out.jsonl"
    assert school.types(user, "--out", str(out), "--who", "x", "--why", "y", *words) in (1, 2)
    assert told in school.told
    assert list(tmp_path.glob("*out*")) == []


def test_nothing_is_written_over(school: School, tmp_path: Path) -> None:
    school.export(tmp_path / "anna.jsonl")
    before = (tmp_path / "anna.jsonl").read_bytes()
    assert school.types("anna.b", "--out", str(tmp_path / "anna.jsonl"), "--who", "x", "--why", "y") == 1
    assert (tmp_path / "anna.jsonl").read_bytes() == before
