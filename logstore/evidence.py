"""What holds the chains of the days together: lines of the audit trail that say where each one ended.

In come a catalog connection within its transaction and facts about day files; out go lines of the trail, and later the
facts again. A day's chain proves that day. The trail is itself a chain; it says when a day was sealed, with which hash;
where the chains of open days stood; and what was removed by retention, so that a day that is gone is missed unless the
trail says why. The trail's last line is therefore the head of everything: kept elsewhere, it pins the whole record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from logstore.audit import head, record_change
from logstore.batches import end_of, has_chain
from logstore.db import days_folder, open_catalog, reading, reading_file, write_lock
from logstore.dimensions import restored
from logstore.place import ClickHouse, Database, Where
from logstore.schema import audit, day_file

KIND = "evidence"
"""Kind of these lines."""
SEALED = "sealed a day"
REMOVED = "removed a day"
ENDS = "noted the ends of the chains"
PRUNED = "removed old rows"
"""What these lines say was done; the last is of a whole run of retention."""


@dataclass(slots=True)
class Told:
    """What the trail says of day files, by file."""

    sealed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The facts each was sealed with."""
    removed: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The facts of each that retention removed."""
    removed_at: dict[str, datetime] = field(default_factory=dict)
    """When, by the time of the line; UTC."""
    ends: dict[str, list[tuple[int, str, int]]] = field(default_factory=dict)
    """Places its chain was seen at: number of a batch, its mark, and the line that says so."""

    def files(self) -> frozenset[str]:
        """Every file there was, as far as the trail knows."""
        return frozenset((*self.sealed, *self.removed, *self.ends))


def note(
    catalog: Connection, what: str, file: str, facts: Mapping[str, Any], *, who: str, why: str, at: datetime
) -> None:
    """Add a line on one day file: `SEALED` or `REMOVED`."""
    record_change(catalog, who=who, what=what, subject=file, after=dict(facts), why=why, at=at, kind=KIND)


def note_ends(where: Where, *, who: str, why: str = "", at: datetime) -> tuple[int, str]:
    """Write down where the chains of open days stand, if that is not the last thing written down; the trail's head.

    In a database whoever may not add to the trail is told its head alone; so is everybody where the rows are in
    ClickHouse and under no chain.
    """
    if isinstance(where, ClickHouse):
        with reading(where) as catalog:
            return head(catalog)
    if isinstance(where, Database):
        from logstore.postgres.noting import note_ends as note_there

        return note_there(where, who=who, why=why, at=at)
    folder = where
    engine = open_catalog(folder)
    with write_lock(folder), engine.begin() as catalog:
        ends = {file: [number, mark] for file, number, mark in _open_ends(folder, catalog)}
        if ends and ends != _last_ends(catalog):
            record_change(
                catalog, who=who, what=ENDS, subject="record", after={"ends": ends}, why=why, at=at, kind=KIND
            )
        return head(catalog)


def told(catalog: Connection) -> Told:
    """Everything the trail says of day files."""
    found = Told()
    lines = select(audit.c.id, audit.c.what, audit.c.subject, audit.c.after, audit.c.at_us).where(
        audit.c.what.in_((SEALED, REMOVED, ENDS, PRUNED))
    )
    for number, what, file, after, at_us in catalog.execute(lines.order_by(audit.c.id)):
        facts = json.loads(restored(after))
        if what == SEALED:
            found.sealed[file] = facts
            found.ends.setdefault(file, []).append((facts["batches"], facts["mark"], number))
        elif what == REMOVED:
            found.removed[file] = facts
            found.removed_at[file] = datetime.fromtimestamp(at_us / 1_000_000, UTC)
        elif what == ENDS:
            for name, (batch, mark) in facts["ends"].items():
                found.ends.setdefault(name, []).append((batch, mark, number))
        else:
            found.removed |= {gone["file"]: gone for gone in facts.get("days", ()) if gone["file"] not in found.removed}
    return found


def _open_ends(folder: Path, catalog: Connection) -> Iterator[tuple[str, int, str]]:
    for file in catalog.execute(select(day_file.c.file).where(day_file.c.state == "open").order_by("file")).scalars():
        path = days_folder(folder) / file
        if path.exists():
            with reading_file(path) as day:
                if has_chain(day):
                    end = end_of(day, file)
                    yield file, end.number, end.mark.hex()


def _last_ends(catalog: Connection) -> object:
    last = catalog.execute(
        select(audit.c.after).where(audit.c.kind == KIND, audit.c.what == ENDS).order_by(audit.c.id.desc()).limit(1)
    ).scalar()
    return None if last is None else json.loads(restored(last))["ends"]
