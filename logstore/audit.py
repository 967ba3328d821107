"""The audit trail: who changed what, who looked at whom, what was deleted, and why.

In comes a SQLAlchemy connection within its transaction, so that a change and its line are one; out goes the line's id.
The rule: lines are only ever added. Triggers refuse everything else, and each line carries the hash of the one before,
so that a line altered or taken out behind SQLite's back shows. A trail cut off at its end shows too, unless the counter
of ids was set back with it: keep the head (`head`) somewhere else for that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, text

from logstore.cleaning import spelt
from logstore.dialects import exact
from logstore.dimensions import restored, stored
from logstore.schema import audit

FIRST = "0" * 64
"""Hash before the first line."""
SQLITE_SEQUENCE = text("SELECT seq FROM sqlite_sequence WHERE name = 'audit'")
AUDIT_NUMBER = text("SELECT number FROM audit_number")
"""The counter in PostgreSQL; a trigger raises it with each line."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HASHED = ("id", "at_us", "kind", "who", "what", "subject", "before", "after", "why")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the trail."""

    id: int
    """Number of the line, from 1, without gaps."""
    at: datetime
    """When; UTC."""
    kind: str
    """`change`, `look`, `export`, `sign-in`, `retention` or `hold`."""
    who: str
    """Who did it."""
    what: str
    """What was done."""
    subject: str
    """To what or whom."""
    before: Any
    """How it was; None when that says nothing."""
    after: Any
    """How it is now; for a look, what was asked and how much was seen."""
    why: str
    """The reason given."""
    hash: str
    """Hash of this line and, through it, of all before."""


def record_change(
    connection: Connection,
    *,
    who: str,
    what: str,
    subject: str,
    before: object = None,
    after: object = None,
    why: str = "",
    at: datetime,
    kind: str = "change",
) -> int:
    """Add a line on a change; its id. `before` and `after` are what JSON can say; `at` is aware.

    The transaction must hold the write lock before it reads (as engines of `logstore.db.open_catalog` do).
    """
    if at.tzinfo is None:
        raise ValueError(f"at has no time zone: {at.isoformat()}; give an aware datetime")
    last = connection.execute(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).first()
    # The counter, not the last line: a number whose line was taken out is never used again, and so is missed.
    given = _given(connection)
    line = {
        "id": given + 1,
        "at_us": (at - _EPOCH) // timedelta(microseconds=1),
        "kind": kind,
        "who": who,
        "what": what,
        "subject": subject,
        "before": _said(before),
        "after": _said(after),
        "why": why,
    }
    if connection.dialect.name != "sqlite":
        line = {name: spelt(value) for name, value in line.items()}
    prev = FIRST if last is None else last.hash
    values = {name: stored(value) for name, value in line.items()}
    connection.execute(audit.insert().values(**values, prev=prev, hash=_hash(prev, line)))
    return given + 1


def record_look(
    connection: Connection, *, who: str, subject: str, asked: str, rows: int | None, why: str = "", at: datetime
) -> int:
    """Add a line on a look at a named person's rows; its id. `asked` is the filter's sentence, `rows`
    how many were seen; None when that is not known before.
    """
    return record_change(
        connection,
        who=who,
        what="looked at rows",
        subject=subject,
        after={"asked": asked, "rows": rows},
        why=why,
        at=at,
        kind="look",
    )


def entries(
    connection: Connection, *, kind: str | None = None, who: str | None = None, subject: str | None = None,
    what: str | None = None, since: datetime | None = None, until: datetime | None = None,
    before: int | None = None, limit: int = 100,
) -> tuple[Entry, ...]:  # fmt: skip
    """The newest lines, newest first, or the newest before an id.

    `what` is how it begins: `person.` finds `person.add` and `person.suspend`. Times are aware; `until` is left out.
    """
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    for name, value in (("kind", kind), ("who", who), ("subject", subject)):
        if value is not None:
            query = query.where(audit.c[name] == exact(value))
    if what is not None:
        query = query.where(audit.c.what.startswith(what, autoescape=True))
    if since is not None:
        query = query.where(audit.c.at_us >= (since - _EPOCH) // timedelta(microseconds=1))
    if until is not None:
        query = query.where(audit.c.at_us < (until - _EPOCH) // timedelta(microseconds=1))
    if before is not None:
        query = query.where(audit.c.id < before)
    return tuple(_entry(_line(row)) for row in connection.execute(query).mappings())


def head(connection: Connection) -> tuple[int, str]:
    """Number and hash of the last line: what to keep elsewhere, to prove later that nothing was cut off."""
    last = connection.execute(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)).first()
    return (0, FIRST) if last is None else (last.id, last.hash)


def verify(connection: Connection, kept: tuple[int, str] | None = None) -> int | None:
    """The first line that is missing or not what was written; None when the trail is whole.

    `kept`: a head kept elsewhere, which must still be in the trail.
    """
    prev, expected = FIRST, 1
    for line in _lines(connection):
        if line["id"] != expected or line["prev"] != prev or line["hash"] != _hash(prev, line):
            return expected
        prev = line["hash"]
        if kept is not None and kept[0] == expected and kept[1] != prev:
            return expected
        expected += 1
    newest = max(_given(connection), kept[0] if kept is not None else 0)
    return expected if expected <= newest else None


def count(connection: Connection) -> int:
    """How many lines there are."""
    return int(connection.execute(select(func.count()).select_from(audit)).scalar_one())


def _given(connection: Connection) -> int:
    """The number of the last line ever added."""
    counter = SQLITE_SEQUENCE if connection.dialect.name == "sqlite" else AUDIT_NUMBER
    return int(connection.execute(counter).scalar() or 0)


def _lines(connection: Connection) -> Iterator[dict[str, Any]]:
    for row in connection.execute(select(audit).order_by(audit.c.id)).mappings():
        yield _line(row)


def _line(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): restored(value) for name, value in row.items()}


def _entry(line: Mapping[str, Any]) -> Entry:
    told = {name: line[name] for name in ("id", "kind", "who", "what", "subject", "why", "hash")}
    before, after = (None if line[name] is None else json.loads(line[name]) for name in ("before", "after"))
    return Entry(at=_EPOCH + timedelta(microseconds=line["at_us"]), before=before, after=after, **told)


def _hash(prev: str, line: Mapping[str, Any]) -> str:
    said = json.dumps([line[name] for name in _HASHED], separators=(",", ":"))
    return hashlib.sha256((prev + said).encode()).hexdigest()


def _said(value: object) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True, default=str)
