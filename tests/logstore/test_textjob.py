"""Part of a URL is found wherever it is, newest first, and the job ends soon when it is called off."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from logstore.dayview import DaySearch
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.rows import Row
from logstore.store import Store
from logstore.textjob import TextJob

from .rows import AT, batch, ended, ids_from, request

START = datetime.fromtimestamp(AT / 1e6, UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days with a request every two minutes, every seventh to a page of owls."""
    made = tmp_path_factory.mktemp("store")
    ids = ids_from(AT, 120_000_000)
    rows = [(request(ids.next(), path=f"/{('owls', 'cats')[n % 7 > 0]}/{n}"), ended()) for n in range(2000)]
    with Store(made) as store:
        store.append(rows)
    return made


@pytest.mark.parametrize(
    "wanted",
    [
        LogFilter(text="/owls/", since=START - timedelta(days=1)),
        LogFilter(text="owls", since=START + timedelta(hours=20), until=START + timedelta(hours=50, minutes=3)),
        LogFilter(text="cats", since=START + timedelta(hours=1), user="pupil-0417"),
        LogFilter(text="nowhere", since=START - timedelta(days=400)),
        LogFilter(text="owls", since=START + timedelta(days=9)),
        LogFilter(text="owls", since=START, user="nobody"),
    ],
    ids=LogFilter.sentence,
)
def test_it_gives_what_a_search_gives_newest_first(folder: Path, wanted: LogFilter) -> None:
    pieces = list(TextJob(folder, wanted).run())
    rows = [row for piece in pieces for row in piece.rows]
    with Archive(folder) as archive:
        assert rows == list(archive.walk(wanted))
    last = pieces[-1].progress
    assert (last.days_done, last.found) == (last.days, len(rows))
    reads = [piece.progress.rows_read for piece in pieces]
    assert reads == sorted(reads)


def test_a_slice_with_many_rows_is_read_as_they_lie_and_told_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ids_from(AT, 1_000)
    with Store(tmp_path) as store:
        store.append([(request(ids.next(), path="/owls"), ended()) for _ in range(1_234)])
    asked = list[bool]()
    real = DaySearch.rows

    def noted(search: DaySearch, *where: Any, rising: bool) -> list[Row]:
        asked.append(rising)
        return real(search, *where, rising=rising)

    monkeypatch.setattr(DaySearch, "rows", noted)
    rows = [row.id for one in TextJob(tmp_path, LogFilter(text="owls", since=START)).run() for row in one.rows]
    assert len(rows) == 1_234
    assert rows == sorted(set(rows), reverse=True)
    assert set(asked) == {True}


def test_it_says_how_many_rows_it_read(folder: Path) -> None:
    *_, last = TextJob(folder, LogFilter(text="owls", since=START - timedelta(days=1))).run()
    assert last.progress.days == 4
    assert last.progress.rows_read == 2000


def test_called_off_between_two_slices_it_gives_nothing_more(folder: Path) -> None:
    job = TextJob(folder, LogFilter(text="owls", since=START - timedelta(days=1)))
    pieces = job.run()
    next(pieces)
    job.cancel()
    assert list(pieces) == []
    assert job.cancelled


def test_called_off_in_the_middle_of_a_slice_it_ends_soon(tmp_path: Path) -> None:
    """All rows lie in one second, so that they are one slice; one pass over them takes longer than it may go on."""
    with Store(tmp_path) as store:
        ids = ids_from(AT, 1)
        for _ in range(10):
            store.append([(request(ids.next(), path="/" + "aaaaaaab" * 1500), ended()) for _ in range(1000)])
    job = TextJob(tmp_path, LogFilter(text="a%" * 40 + "nowhere", since=START - timedelta(hours=1)))
    ended_at: list[float] = []

    def run() -> None:
        list(job.run())
        ended_at.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.2)  # somewhere in the reading
    called = time.monotonic()
    job.cancel()
    thread.join(60)
    assert ended_at[0] - called < 2.0  # a fifth of a second, on a machine with nothing else to do


@pytest.mark.parametrize("wanted", [LogFilter(since=START), LogFilter(text="owls"), LogFilter(text="", since=START)])
def test_without_a_text_and_a_time_it_is_refused(tmp_path: Path, wanted: LogFilter) -> None:
    with pytest.raises(ValueError, match="give LogFilter"):
        TextJob(tmp_path, wanted)


def test_rows_of_an_open_day_that_came_meanwhile_are_read(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append(batch(3))
        job = TextJob(tmp_path, LogFilter(text="example", since=START - timedelta(hours=1)))
        store.append(batch(5))
        assert sum(len(piece.rows) for piece in job.run()) == 5
