"""A closed day written into a file of its own, packed, with only the index entries that a search needs.

In come a day file and where its copy is to lie; out goes the copy, and later, for whoever searches it, the way around
an index that has not every row. The rule: whatever is left out of an index is found as fast without it. Of addresses
that is where address and device were one and the same all day: the device's index finds the row. Of verdicts it is
where so many rows have one, all day long, that a page of them is full before long. `spared` says so in each row, for
the conditions of the indexes; it is no part of what was recorded, and is not hashed with it.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.parse
from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

PAGE_SIZE = 16_384
"""Bytes of a page of a packed file: fewer and larger reads, less filling."""
STRETCH = 100_000
"""Rows, one after the other, among which a verdict has to be `OFTEN` enough not to need an index."""
OFTEN = 0.05
"""The part of each stretch's rows such a verdict has."""
SPARED = "spared"
"""The column: NULL for a row in neither index, 0 verdict's only, 1 address's only, 2 both."""
BY_ADDRESS, BY_VERDICT = f"{SPARED} IN (1, 2)", f"{SPARED} IN (0, 2)"
"""Which rows each index has: a search that uses it says the same words."""
_PARTIAL = {"log_address_id": BY_ADDRESS, "log_verdict_id": BY_VERDICT}
_TEXTS = ("log_title", "log_terms")
_ROWS = f"""INSERT INTO main.log SELECT log.*, CASE
        WHEN (log.verdict_id IS NULL OR met.verdict_id IS NOT NULL)
            THEN CASE WHEN log.address_id IS NULL OR seat.address_id IS NOT NULL THEN NULL ELSE 1 END
        WHEN log.address_id IS NULL OR seat.address_id IS NOT NULL THEN 0 ELSE 2 END AS {SPARED}
    FROM day.log AS log NOT INDEXED
    LEFT JOIN main.log_met AS met ON met.verdict_id = log.verdict_id
    LEFT JOIN main.log_seat AS seat ON seat.address_id = log.address_id
    ORDER BY log.id"""


def pack(path: Path, copy: Path) -> None:
    """Write the day at `path` anew at `copy`, where nothing is yet: as it is at one moment, whoever writes."""
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None, uri=True)) as out:
        # A copy that is not whole is thrown away: it needs no journal.
        for pragma in (f"page_size={PAGE_SIZE}", "journal_mode=OFF", "synchronous=OFF", "cache_size=-65536"):
            out.execute(f"PRAGMA {pragma}")
        uri = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=ro"
        out.execute("ATTACH DATABASE ? AS day", (uri,))
        out.execute("BEGIN")
        made = dict[str, list[tuple[str, str]]](table=[], index=[])
        for kind, name, sql in out.execute("SELECT type, name, sql FROM day.sqlite_schema WHERE sql IS NOT NULL"):
            made[kind].append((name, sql))
        met, seats = _spared(out)
        for name, sql in made["table"]:
            out.execute(sql)
            if name != "log":
                out.execute(f'INSERT INTO main."{name}" SELECT * FROM day."{name}"')
        out.execute("CREATE TABLE log_met (verdict_id INTEGER PRIMARY KEY)")
        out.execute("CREATE TABLE log_seat (address_id INTEGER PRIMARY KEY, device_id INTEGER NOT NULL)")
        out.executemany("INSERT INTO main.log_met VALUES (?)", [(verdict,) for verdict in met])
        out.executemany("INSERT INTO main.log_seat VALUES (?, ?)", seats)
        out.execute(f"ALTER TABLE main.log ADD COLUMN {SPARED} SMALLINT")
        out.execute(_ROWS)
        out.execute("COMMIT")
        for name, sql in made["index"]:
            # What is sorted may go to the disk for a while; texts stay in memory: there they would outlive their day.
            out.execute(f"PRAGMA temp_store={'MEMORY' if name in _TEXTS else 'DEFAULT'}")
            out.execute(f"{sql} WHERE {_PARTIAL[name]}" if name in _PARTIAL else sql)


def device_of(driver: Any, address: int) -> int | None:
    """The device that had `address` all day, and nothing else, in the packed day attached as `day`; None for others."""
    found = driver.execute("SELECT device_id FROM day.log_seat WHERE address_id = ?", (address,)).fetchone()
    return None if found is None else int(found[0])


def is_met(driver: Any, verdicts: Iterable[int]) -> bool:
    """Whether one of `verdicts` is not in the index of the packed day attached as `day`: it is met on the way."""
    wanted = json.dumps(list(verdicts))
    among = "SELECT 1 FROM day.log_met WHERE verdict_id IN (SELECT value FROM json_each(?)) LIMIT 1"
    return driver.execute(among, (wanted,)).fetchone() is not None


def _spared(connection: sqlite3.Connection) -> tuple[list[int], list[tuple[int, int]]]:
    """Verdicts that are often enough in each stretch of the attached day, and addresses with the device that is theirs.

    What is left behind the last whole stretch belongs to that one.
    """
    stretches = list[Counter[int | None]]()
    pairs = set[tuple[int | None, int | None]]()
    cursor = connection.execute("SELECT verdict_id, address_id, device_id FROM day.log NOT INDEXED ORDER BY id")
    while rows := cursor.fetchmany(STRETCH):
        counts = Counter(map(itemgetter(0), rows))
        if len(rows) < STRETCH and stretches:
            stretches[-1] += counts
        else:
            stretches.append(counts)
        pairs.update(map(itemgetter(1, 2), rows))
    often = [{verdict for verdict, n in counts.items() if n >= counts.total() * OFTEN} for counts in stretches]
    met = set.intersection(*often) if often else set()
    addresses, devices = Counter(address for address, _ in pairs), Counter(device for _, device in pairs)
    seats = [
        (address, device)
        for address, device in pairs
        if address is not None and device is not None and addresses[address] == devices[device] == 1
    ]
    return sorted(verdict for verdict in met if verdict is not None), sorted(seats)
