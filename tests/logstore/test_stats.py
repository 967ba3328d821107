"""Numbers about rows agree with counting the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.rows import Row
from logstore.stats import By, Totals, series, top, totals
from logstore.store import Store

from .rows import AT, ended, ids_from, request

HOUR_US = 3_600_000_000
START = datetime.fromtimestamp(AT // 1_000_000, UTC)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Two days of a small school."""
    folder = tmp_path_factory.mktemp("store")
    ids = ids_from(AT, HOUR_US // 2)
    rows = []
    for n in range(80):
        blocked = n % 8 == 0
        record = request(
            ids.next(), user=None if n % 10 == 0 else f"pupil-{n % 7:04}", site=("oakwood", "beech")[n % 2],
            host=f"www{n % 5}.games{n % 2}.example", domain=f"games{n % 2}.example", blocked=blocked,
            action="block" if blocked else "allow", reason="rule" if n % 4 == 0 else "default",
            rule=f"rule-{n % 3}" if n % 4 == 0 else None, category=("games", None, "chat")[n % 3],
            device="lab2-14" if n % 6 == 0 else None, band="ks2" if n % 2 else "ks3",
        )  # fmt: skip
        rows.append((record, ended(bytes_up=n, bytes_down=1000 + n)))
    with Store(folder) as store:
        store.append(rows)
    with Archive(folder) as opened:
        yield opened


def plain(row: Row, by: By) -> Any:
    """What a ranking ranks, read from the row."""
    return {
        "user": row.record.user,
        "device": row.record.device,
        "host": row.record.host,
        "domain": row.record.domain,
        "site": row.record.site,
        "band": row.record.band,
        "category": row.category,
        "rule": row.rule,
        "reason": row.reason,
        "action": row.action,
    }[by]


FILTERS = [
    LogFilter(),
    LogFilter(user="pupil-0003"),
    LogFilter(blocked=True),
    LogFilter(site="beech", category="games"),
    LogFilter(since=START + timedelta(hours=20), until=START + timedelta(hours=30)),
    LogFilter(domain="games0.example"),
    LogFilter(user="nobody"),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=LogFilter.sentence)
class TestAgreesWithCounting:
    def test_totals(self, archive: Archive, wanted: LogFilter) -> None:
        rows = list(archive.walk(wanted))
        assert totals(archive, wanted) == Totals(
            rows=len(rows),
            blocked=sum(row.blocked for row in rows),
            users=len({row.record.user for row in rows} - {None}),
            hosts=len({row.record.host for row in rows}),
            bytes_up=sum(row.ending.bytes_up for row in rows),
            bytes_down=sum(row.ending.bytes_down for row in rows),
        )

    @pytest.mark.parametrize("by", get_args(By.__value__))
    def test_rankings(self, archive: Archive, wanted: LogFilter, by: By) -> None:
        rows = list(archive.walk(wanted))
        counted = Counter(plain(row, by) for row in rows)
        blocked = Counter(plain(row, by) for row in rows if row.blocked)
        found = top(archive, wanted, by, 100)
        assert [place.rows for place in found] == sorted(counted.values(), reverse=True)
        assert {place.name: place.rows for place in found} == counted
        assert {place.name: place.blocked for place in found if place.blocked} == blocked
        assert sum(p.bytes for p in found) == sum(row.ending.bytes_up + row.ending.bytes_down for row in rows)
        assert top(archive, wanted, by, 2) == found[:2]

    @pytest.mark.parametrize("step", [timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)])
    def test_series(self, archive: Archive, wanted: LogFilter, step: timedelta) -> None:
        rows = list(archive.walk(wanted))
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        counted = Counter(epoch + (row.at - epoch) // step * step for row in rows)
        found = series(archive, wanted, step)
        assert [(span.start, span.rows) for span in found] == sorted(counted.items())
        assert sum(span.blocked for span in found) == sum(row.blocked for row in rows)


def test_the_blocked_share_of_nothing_is_nothing() -> None:
    assert Totals(0, 0, 0, 0, 0, 0).blocked_share == 0.0
    assert Totals(200, 3, 1, 1, 0, 0).blocked_share == 0.015


@pytest.mark.parametrize("step", [timedelta(milliseconds=1), timedelta(days=2)])
def test_steps_too_small_or_large_are_refused(archive: Archive, step: timedelta) -> None:
    with pytest.raises(ValueError, match="between a second and a day"):
        series(archive, LogFilter(), step)
