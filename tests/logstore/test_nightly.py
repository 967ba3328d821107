"""Nights that have time for one day: each goes on where the last one ended, and every day is judged in the end.

Shows: `logstore.nightly`, `logstore.verify`.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from logstore import nightly
from logstore.db import catalog_path, days_folder
from logstore.seal import seal
from logstore.store import Store
from logstore.verified import Verified
from logstore.verify import verify

from .rows import AT, batch, ended, ids_from, request
from .test_verify import DAY_US, FILE, IDS, LATER, tamper
from .test_vouching import put_in

LATE, NEXT, THIRD = "2026-11-21.late1.db", "2026-11-22.db", "2026-11-23.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sealed day with a part of late rows, and two days more."""
    made = tmp_path / "store"
    with Store(made) as store:
        store.append(batch(30))
    assert seal(made, LATER).ok
    with Store(made) as store:
        store.append([(request(IDS[29] + 5, user="late"), ended())])
        store.append([(request(ids_from(AT + later * DAY_US).next()), ended()) for later in (1, 2)])
    return made


class Nights:
    """One night after the other; each look at the clock finds it a second later, and there is a second and a half."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        self.wrong: list[str] = []

    def next(self) -> Verified:
        self.number += 1
        report = verify(self.folder, seconds=1.5, at=LATER + timedelta(days=self.number), wrong=self.wrong)
        self.wrong = [*(file for file in self.wrong if file in report.left), *report.wrong]
        return report


@pytest.fixture
def nights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    seconds = count()
    monkeypatch.setattr(nightly, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    return Nights(folder)


def test_each_night_goes_on_where_the_last_one_ended(nights: Nights) -> None:
    """All parts of a day are looked at in one night."""
    seen = [sorted(nights.next().files) for _ in range(6)]
    assert seen[:3] == seen[3:]
    assert sorted(seen[:3]) == [[FILE, LATE], [NEXT], [THIRD]]


def test_a_name_of_a_day_of_two_parts_is_judged(nights: Nights, folder: Path) -> None:
    """Only both parts together tell that nobody vouches for it."""
    tamper(catalog_path(folder), put_in("dim_user", 4711, "2026-11-21"))
    told = {str(problem) for _ in range(3) for problem in nights.next().problems}
    assert {one.partition(",")[0] for one in told} == {
        "catalog.db: user_id 4711 (dim_user): no batch of 2026-11-21 vouches for it"
    }


def test_a_day_found_wrong_is_told_every_night_and_keeps_no_other_from_its_turn(nights: Nights, folder: Path) -> None:
    tamper(days_folder(folder) / FILE, f"DELETE FROM log WHERE id = {IDS[0]}")
    reports = [nights.next() for _ in range(6)]
    assert all(FILE in report.wrong for report in reports)
    assert {file for report in reports for file in report.files} == {FILE, LATE, NEXT, THIRD}
    assert all(len({file[:10] for file in report.files}) <= 2 for report in reports)


def test_a_day_found_wrong_is_told_before_new_ones_have_their_turn(nights: Nights, folder: Path) -> None:
    for _ in range(3):
        nights.next()
    tamper(days_folder(folder) / FILE, f"DELETE FROM log WHERE id = {IDS[0]}")
    nights.next()
    with Store(folder) as store:
        store.append([(request(ids_from(AT + 3 * DAY_US).next()), ended())])
    report = nights.next()
    assert report.wrong == [FILE]
    assert report.files[-1] == "2026-11-24.db"


def test_several_days_found_wrong_have_their_turn_and_keep_no_other_from_it(nights: Nights, folder: Path) -> None:
    tamper(days_folder(folder) / FILE, f"DELETE FROM log WHERE id = {IDS[0]}")
    tamper(days_folder(folder) / NEXT, "UPDATE log SET path = '/innocent'")
    reports = [nights.next() for _ in range(6)]
    assert THIRD in {file for report in reports[:3] for file in report.files}
    assert [report.wrong for report in reports[-2:]] in ([[FILE], [NEXT]], [[NEXT], [FILE]])
