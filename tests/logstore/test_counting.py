"""How many rows there are is exact, or says that it is not and is near."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from logstore import counting
from logstore.counting import Estimate, how_many
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.rolling import Roller
from logstore.store import Store

from .rows import batch

LATER = datetime(2026, 12, 1, tzinfo=UTC)


def test_few_rows_are_counted_and_many_are_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "SAMPLE", 50)
    with Store(tmp_path) as store:
        store.append(batch(3000))
    with Archive(tmp_path) as archive:
        pupil = LogFilter(user="pupil-0003", text="example")
        assert how_many(archive, pupil, 500) == Estimate(429, "counted")
        about = how_many(archive, pupil, 100)
        assert not about.exact
        assert 380 <= about.rows <= 480
        assert str(about).startswith("about ")
        assert how_many(archive, LogFilter(user="nobody")).rows == 0


def test_roll_ups_tell_exactly_however_many_there_are(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append(batch(3000))
    list(Roller(tmp_path, lambda: LATER).catch_up())
    with Archive(tmp_path) as archive:
        assert how_many(archive, LogFilter(user="pupil-0003"), 10) == Estimate(429, "roll-ups")
        assert str(how_many(archive, LogFilter())) == "3,000"
