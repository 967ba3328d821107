"""Numbers about the rows a filter wants: totals, what comes first, and how it went over time.

In come an open `Archive` and a `LogFilter`; out go values. Raw rows are read, so a whole day of a large school takes
seconds: bound the time. Like a search, it is stopped after the archive's time limit and says so.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, Select, Table, column, func, select

from logstore.dayview import DaySearch
from logstore.dimensions import restored
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.schema import dim_client, dim_device, dim_host, dim_user, dim_verdict

type By = Literal["category", "host", "domain", "user", "device", "rule", "reason", "action", "site", "band"]

BYTES = ("bytes_up", "bytes_down")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Totals:
    """All rows a filter wants, added up."""

    rows: int
    """Requests."""
    blocked: int
    """Of them, blocked."""
    users: int
    """Different named users."""
    hosts: int
    """Different hosts."""
    bytes_up: int
    """Body bytes from clients."""
    bytes_down: int
    """Body bytes to clients."""

    @property
    def blocked_share(self) -> float:
        """Blocked requests as a part of all, 0 to 1."""
        return self.blocked / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """One line of a ranking."""

    name: str | None
    """What it is about; None for rows that have none."""
    rows: int
    """Requests."""
    blocked: int
    """Of them, blocked."""
    bytes: int
    """Body bytes both ways."""


@dataclass(frozen=True, slots=True)
class Span:
    """One step of a time series."""

    start: datetime
    """Begin of the step; UTC."""
    rows: int
    """Requests."""
    blocked: int
    """Of them, blocked."""


_SOURCES: Mapping[By, tuple[str, Table, str]] = {
    "user": ("user_id", dim_user, "key"),
    "device": ("device_id", dim_device, "key"),
    "host": ("host_id", dim_host, "name"),
    "domain": ("host_id", dim_host, "domain"),
    "site": ("client_id", dim_client, "site"),
    "band": ("client_id", dim_client, "band"),
    "category": ("verdict_id", dim_verdict, "category"),
    "rule": ("verdict_id", dim_verdict, "rule"),
    "reason": ("verdict_id", dim_verdict, "reason"),
    "action": ("verdict_id", dim_verdict, "action"),
}
"""For each ranking the column of `log`, the dimension it points into, and the column that is the name."""


def totals(archive: Archive, wanted: LogFilter) -> Totals:
    """Everything `wanted` added up, in one reading of the rows."""
    rows: Counter[str] = Counter()
    users: set[int] = set()
    hosts: set[int] = set()
    for (user, host), (number, blocked, up, down) in _grouped(archive, wanted, ("user_id", "host_id")):
        rows.update({"rows": number, "blocked": blocked, "up": up, "down": down})
        users.add(user) if user is not None else None
        hosts.add(host) if host is not None else None
    return Totals(rows["rows"], rows["blocked"], len(users), len(hosts), rows["up"], rows["down"])


def top(archive: Archive, wanted: LogFilter, by: By, limit: int = 10) -> tuple[Place, ...]:
    """The `limit` names with the most rows, most first; equal ones by name."""
    place, table, name = _SOURCES[by]
    by_id: defaultdict[int | None, Counter[str]] = defaultdict(Counter)
    for (key,), (number, blocked, up, down) in _grouped(archive, wanted, (place,)):
        by_id[key].update({"rows": number, "blocked": blocked, "bytes": up + down})
    names = _names(archive.catalog, table, name, (key for key in by_id if key is not None))
    sums: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    for key, counts in by_id.items():
        sums[None if key is None else names.get(key)].update(counts)
    ranked = sorted(sums.items(), key=lambda item: (-item[1]["rows"], item[0] or ""))
    return tuple(Place(name, counts["rows"], counts["blocked"], counts["bytes"]) for name, counts in ranked[:limit])


def series(archive: Archive, wanted: LogFilter, step: timedelta = timedelta(hours=1)) -> tuple[Span, ...]:
    """Rows and blocked rows for each step of time that has any, oldest first; steps are counted from UTC midnight."""
    width = step // timedelta(milliseconds=1)
    if not 1000 <= width <= 86_400_000:
        raise ValueError(f"step is {step}; it lies between a second and a day")
    steps: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for (start,), (number, blocked, _, _) in _grouped(archive, wanted, (f"step:{width}",)):
        steps[start].update({"rows": number, "blocked": blocked})
    return tuple(
        Span(_EPOCH + timedelta(milliseconds=start * width), counts["rows"], counts["blocked"])
        for start, counts in sorted(steps.items())
    )


def _grouped(
    archive: Archive, wanted: LogFilter, by: tuple[str, ...]
) -> Iterable[tuple[tuple[Any, ...], tuple[int, int, int, int]]]:
    """Keys and (rows, blocked, bytes up, bytes down) of each group of each day file."""
    archive.start_clock()
    if (selection := wanted.select(archive.catalog)) is None:
        return
    search = DaySearch(selection)
    for part in archive.parts(selection):
        work: Callable[[], list[Any]] = partial(search.grouped, archive.catalog, part.first, part.past, by, BYTES)
        none: list[Any] = []
        for row in archive.read(part, none, work):
            keys, sums = tuple(row[: len(by)]), tuple(int(value or 0) for value in row[len(by) :])
            yield keys, (sums[0], sums[1], sums[2], sums[3])


def _names(catalog: Connection, table: Table, name: str, ids: Iterable[int]) -> dict[int, str | None]:
    wanted: Select[Any] = select(column("value")).select_from(
        func.json_each(json.dumps(list(ids))).table_valued("value")
    )
    found = catalog.execute(select(table.c.id, table.c[name]).where(table.c.id.in_(wanted)))
    return {row[0]: restored(row[1]) for row in found}
