"""What happened around a moment, of a person and a device, each row once and none left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.store import Store
from logstore.timeline import around, further

from .rows import AT, ended, ids_from, request

START = datetime.fromtimestamp(AT / 1e6, UTC)
LANES = (LogFilter(user="pupil-0001"), LogFilter(device="lab2-14"))
WANTED = [n for n in range(120) if n % 3 == 1 or n % 4 == 0]
"""Numbers of the rows of the pupil or of the device."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """A request every quarter of an hour, over two days."""
    folder = tmp_path_factory.mktemp("store")
    ids = ids_from(AT, 900_000_000)
    rows = [
        (
            request(ids.next(), user=f"pupil-{n % 3:04}", device="lab2-14" if n % 4 == 0 else None, path=f"/{n}"),
            ended(),
        )
        for n in range(120)
    ]
    with Store(folder) as store:
        store.append(rows)
    with Archive(folder) as opened:
        yield opened


def numbers(rows: tuple[object, ...]) -> list[int]:
    """Which rows, in the order given."""
    return [int(row.record.path[1:]) for row in rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize("hours", [0, 7, 14, 29])
def test_so_many_rows_on_either_side_of_the_moment(archive: Archive, hours: int) -> None:
    found = around(archive, LANES, START + timedelta(hours=hours), before=5, after=7)
    earlier = [n for n in WANTED if n < 4 * hours][-5:]
    later = [n for n in WANTED if n >= 4 * hours][:7]
    assert numbers(found.rows) == [*reversed(later), *reversed(earlier)]
    assert (found.older is not None) == (len([n for n in WANTED if n < 4 * hours]) > 5)
    assert (found.newer is not None) == (len([n for n in WANTED if n >= 4 * hours]) > 7)


def test_going_on_in_both_directions_meets_every_row_once(archive: Archive) -> None:
    middle = around(archive, LANES, START + timedelta(hours=15), before=4, after=4)
    rows = list(middle.rows)
    older, newer = middle.older, middle.newer
    while older is not None:
        page = further(archive, LANES, 6, before=older)
        rows += page.rows
        older = page.older
    while newer is not None:
        page = further(archive, LANES, 6, after=newer)
        rows = [*page.rows, *rows]
        newer = page.newer
    assert numbers(tuple(rows)) == list(reversed(WANTED))


def test_around_a_record(archive: Archive) -> None:
    (one,) = archive.search(LogFilter(text="www.example.org/60")).rows
    found = around(archive, LANES, one.id, before=1, after=1)
    assert numbers(found.rows) == [60, 58]


def test_nobody_has_no_timeline(archive: Archive) -> None:
    found = around(archive, [LogFilter(user="nobody")], START)
    assert (found.rows, found.older, found.newer) == ((), None, None)


def test_what_makes_no_sense_is_refused(archive: Archive) -> None:
    with pytest.raises(ValueError, match="not both"):
        further(archive, LANES, before=1, after=2)
    with pytest.raises(ValueError, match="-1 rows"):
        around(archive, LANES, START, before=-1)
