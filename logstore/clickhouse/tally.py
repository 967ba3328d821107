"""What the annual report counts of a day (`logstore.annual`), counted by ClickHouse.

In come a record and a day; out go how many rows it has, and for each site, band, category and action the requests,
the blocked ones and the people. The rule: names are in the catalog, so the server is told by numbers which rows go
together, and whoever is counted is never carried out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from logstore.clickhouse.db import reading
from logstore.clickhouse.partitions import ids_of
from logstore.clickhouse.tables import log
from logstore.db import reading as reading_catalog
from logstore.dialects import one_of
from logstore.place import ClickHouse
from logstore.schema import day_file, dim_client, dim_verdict

type Words = tuple[str, str]

_NONE: Words = ("", "")


def counted(where: ClickHouse, file: str) -> tuple[int, list[tuple[Any, ...]]]:
    """Rows of a day, and its sums: site, band, category, action, requests, blocked, people."""
    with reading_catalog(where) as catalog, reading(where) as rows:
        day = catalog.execute(select(day_file.c.day).where(day_file.c.file == file)).scalar_one()
        first, past = ids_of(date.fromisoformat(day))
        within = (log.c.id >= first, log.c.id < past)
        total = int(rows.execute(select(func.count()).select_from(log).where(*within)).scalar_one())
        clients = _words(catalog, dim_client, "site", "band", _used(rows, "client_id", within))
        verdicts = _words(catalog, dim_verdict, "category", "action", _used(rows, "verdict_id", within))
        places, judged = _numbers(clients.values()), _numbers(verdicts.values())
        found = rows.execute(
            text(
                f"SELECT {_numbered('client_id', clients, places)} AS place, "
                f"{_numbered('verdict_id', verdicts, judged)} AS verdict, "
                "sum(1 + ifNull(repeats, 0)), countIf(blocked), "
                # Somebody who did not sign in is counted by machine.
                "uniqExactIf(if(user_id != 0, toInt64(user_id), -toInt64(address_id)), user_id + address_id != 0) "
                f"FROM log WHERE id >= {first} AND id < {past} GROUP BY place, verdict"
            )
        ).all()
    of_place, of_verdict = list(places), list(judged)
    return total, [
        (*of_place[place], *of_verdict[verdict], int(requests), int(blocked), int(people))
        for place, verdict, requests, blocked, people in found
    ]


def _used(rows: Connection, name: str, within: tuple[Any, ...]) -> set[int]:
    return set(rows.execute(select(log.c[name]).distinct().where(*within)).scalars()) - {0}


def _words(catalog: Connection, table: Table, one: str, other: str, wanted: Iterable[int]) -> dict[int, Words]:
    """What two columns of a dimension say for each of some numbers; empty where they say nothing."""
    found = catalog.execute(select(table.c.id, table.c[one], table.c[other]).where(one_of(table.c.id, wanted)))
    return {number: (first or "", second or "") for number, first, second in found}


def _numbers(words: Iterable[Words]) -> dict[Words, int]:
    """A number for each pair of words; 0 for none."""
    numbers = {_NONE: 0}
    for pair in words:
        numbers.setdefault(pair, len(numbers))
    return numbers


def _numbered(column: str, words: Mapping[int, Words], numbers: Mapping[Words, int]) -> str:
    """The column with the number of its words in place of its own."""
    if not words:
        return f"toInt64({column} * 0)"
    listed = ", ".join(map(str, words))
    return f"toInt64(transform({column}, [{listed}], [{', '.join(str(numbers[pair]) for pair in words.values())}], 0))"
