"""After the date a name is in no file of the data folder, wherever a gateway may have put it.

Shows: `proxy.factdesk` (its cleaner) as well.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgpack
import pytest

from console import accounts, secrets, sessions
from console.roles import Grant, Role
from logstore.db import open_catalog
from logstore.exportbook import Export, hash_file, note_export
from logstore.ids import RecordIds
from logstore.quarantine import Quarantine
from logstore.store import Store
from policy.model import Action
from policy.overrides import Override
from proxy.retaining import cleaners, daily_retention, told_of
from proxy.settings import Settings
from registry import overrides, requests
from registry.change import By, to_us
from registry.overlay import write_overlay
from registry.schema import console_view
from tests.logstore.rows import ended, ids_from, request

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
CANARY = "canarybird"
"""Part of every name in the rows of the pupil who is looked for."""


def traces(folder: Path, word: str = CANARY) -> list[str]:
    """Files that hold the word: as UTF-8, UTF-16, turned round, or in base64 at any place of a group of three."""
    raw = word.encode()
    needles = [raw, word.encode("utf-16-le"), raw[::-1], raw.upper()]
    needles += [base64.b64encode(b"\0" * place + raw)[4 if place else 0 : -4] for place in range(3)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(str(p.relative_to(folder)) for p in files if any(n in p.read_bytes() for n in needles))


def test_traces_finds_what_it_looks_for(tmp_path: Path) -> None:
    """In the encodings our files use."""
    for place in range(3):
        (tmp_path / f"b64-{place}").write_bytes(base64.b64encode(b"x" * place + b"pupil canarybird of year 4"))
    (tmp_path / "msgpack").write_bytes(bytes(msgpack.packb(["canarybird"])))
    (tmp_path / "clean").write_bytes(b"nobody")
    assert traces(tmp_path) == ["b64-0", "b64-1", "b64-2", "msgpack"]


class Gateway:
    """A data folder in which one pupil left a trace in every place, on one day of May."""

    def __init__(self, data: Path, day: datetime) -> None:
        self.settings = Settings(data=data)
        self.day = day
        for name in ("store", "spool", "overlay", "run", "exports"):
            (data / name).mkdir(parents=True)
        self.row()
        self.quarantine()
        self.registry()
        self.session()
        self.saved_search()
        self.export()

    def ids(self) -> RecordIds:
        return ids_from(int(self.day.timestamp() * 1e6))

    def row(self) -> None:
        with Store(self.settings.data / "store") as store:
            names = {"user": CANARY, "device": f"{CANARY}-pad", "host": f"{CANARY}.example", "path": f"/{CANARY}"}
            names |= {"query": f"q={CANARY}", "client_address": f"{CANARY}-ip", "entry": CANARY, "note": CANARY}
            rows = [(request(self.ids().next(), **names, terms=(CANARY,)), ended(title=CANARY, error=CANARY))]
            store.append(rows)
            kept = ids_from(int((NOW - timedelta(days=3)).timestamp() * 1e6))
            store.append([(request(kept.next(), user="somebody-else"), ended())])

    def quarantine(self) -> None:
        quarantine = Quarantine(self.settings.data / "spool")
        row = (request(self.ids().next(), user=CANARY), ended())
        quarantine.add_row("w0-1-ab", row, "would not go in", self.day)
        quarantine.add_row("w0-1-ab", row, "would not go in", self.day + timedelta(days=30))
        quarantine.add_row("w0-1-ab", (request(1, user="somebody-else"), ended()), "no", NOW)
        for path in quarantine.folder.iterdir():
            when = datetime.fromisoformat(path.stem).replace(tzinfo=UTC).timestamp()
            os.utime(path, (when, when))

    def registry(self) -> None:
        store = self.settings.data / "store"
        with open_catalog(store).begin() as catalog:
            asked = {
                "mark": "m", "url": f"http://{CANARY}.example/", "user": CANARY, "address": "10.0.0.1",
                "device": f"{CANARY}-pad", "why": f"{CANARY} needs it", "at": self.day.isoformat(),
            }  # fmt: skip
            assert requests.take_fact(catalog, asked)
            by = By("cli:head", self.day, "homework")
            requests.decide(catalog, 1, "no-change", by, answer=f"No, {CANARY}.")
            wanted = Override(0, Action.ALLOW, "host:birds.example", None, None, None, "finch", self.day + timedelta(1))
            overrides.add(catalog, wanted, by)
            overrides.end_expired(catalog, self.day + timedelta(days=2), "schoolgate")
        with open_catalog(store).connect() as catalog:
            write_overlay(catalog, self.settings.data / "overlay", ())

    def session(self) -> None:
        """Somebody looked at the pupil, and nobody signed in afterwards."""
        with open_catalog(self.settings.data / "store").begin() as catalog:
            grants = [Grant(0, Role.TECHNICIAN)]
            account = accounts.add(catalog, "dana", "Dana", grants, By("cli:head", self.day, "new"))
            cookie = sessions.begin(catalog, account, "10.0.0.1", self.day)
            sessions.give_reason(catalog, secrets.hash_of(cookie), CANARY, f"{CANARY} was hurt", self.day)

    def saved_search(self) -> None:
        """Somebody keeps an eye on the pupil, and did not look for as long as rows are kept."""
        with open_catalog(self.settings.data / "store").begin() as catalog:
            about = {"name": f"what {CANARY} does", "query": f"user={CANARY}", "account_id": 1}
            at = to_us(self.day)
            catalog.execute(console_view.insert().values(**about, made_us=at, used_us=at))

    def export(self) -> None:
        path = self.settings.data / "exports" / f"{CANARY}.jsonl"
        path.write_text(CANARY)
        export = Export(
            path=str(path), what="subject", subject=CANARY, who="cli:head", why="asked", made_at=NOW,
            newest_at=self.day, rows=1, sha256=hash_file(path),
        )  # fmt: skip
        with open_catalog(self.settings.data / "store").begin() as catalog:
            note_export(catalog, export)

    def retain(self, at: datetime) -> None:
        job = daily_retention(self.settings, LONDON)
        job.now = lambda: at
        assert job.run_if_due(), job.error


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path / "data", datetime(2026, 5, 19, 10, 0, tzinfo=UTC))


def test_before_the_date_the_name_is_everywhere(gateway: Gateway) -> None:
    """So that the next test does not pass because nothing was there."""
    gateway.retain(NOW - timedelta(days=2))
    places = {Path(place).parts[0] for place in traces(gateway.settings.data)}
    assert places == {"store", "spool", "overlay", "exports"}


def test_after_the_date_it_is_nowhere(gateway: Gateway) -> None:
    """Rows, dimensions, write-ahead logs, freed pages, quarantine, overlay, exports and run folder."""
    gateway.retain(NOW - timedelta(days=2))
    with Store(gateway.settings.data / "store"):
        gateway.retain(NOW)
        assert traces(gateway.settings.data) == []
        assert traces(gateway.settings.data, "somebody-else")
    assert traces(gateway.settings.data) == []


def test_an_override_goes_when_no_row_can_name_it(gateway: Gateway) -> None:
    """It says who was allowed what; the audit trail keeps that it was decided."""
    with open_catalog(gateway.settings.data / "store").begin() as catalog:
        assert len(overrides.decisions(catalog, ended=True)) == 1
    gateway.retain(NOW + timedelta(days=3))
    with open_catalog(gateway.settings.data / "store").begin() as catalog:
        assert overrides.decisions(catalog, ended=True) == []


def test_the_numbers_name_nobody(gateway: Gateway) -> None:
    gateway.retain(NOW)
    told = told_of(gateway.settings.data)
    assert (told["at"], told["ok"], told["rows"], told["overdue"]) == (NOW.timestamp(), True, 1, 0)
    assert all(isinstance(value, (int, float, bool)) for value in told.values())


def test_without_a_file_there_are_no_numbers(tmp_path: Path) -> None:
    assert told_of(tmp_path) == {}
    (tmp_path / "run").mkdir()
    for text in ("no json", json.dumps([1])):
        (tmp_path / "run" / "retention.json").write_text(text)
        assert told_of(tmp_path) == {}


def test_every_place_has_a_cleaner(tmp_path: Path) -> None:
    """Spool, quarantine, requests, refusals, exports, roll-ups, drills, backups: one each, by its name."""
    data = tmp_path / "data"
    gateway = Gateway(data, datetime(2026, 5, 19, 10, 0, tzinfo=UTC))
    places = [clean(NOW, True).place for clean in cleaners(gateway.settings)]
    assert places == [
        "quarantine",
        "spool",
        "review requests and ended overrides",
        "what devices refused to have read",
        "sessions of the console",
        "saved searches",
        "exports",
        "roll-ups",
        "drills",
        "backups",
    ]
