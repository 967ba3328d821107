"""What the audit trail says of holds: which are in force, on which rows, and which lots of rows were copied.

In comes a catalog connection, out go values. The rule: a hold is in force by its line, and what is told later counts.
A *lot* is the rows one transaction copied into a hold; each carries the lot's number, and the lot's line has their
hash, so that a copied row cannot go, change or appear without showing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from logstore.dialects import exact
from logstore.dimensions import restored
from logstore.schema import audit

KIND = "hold"
"""Kind of these lines."""
PLACED = "placed a hold"
PUT_BACK = "put a hold back"
RELEASED = "released a hold"
REVIEWED = "reviewed a hold"
COPIED = "copied rows"
"""What they say was done. The first and the third are written before it is done: whoever is killed in between leaves
what the next run of retention does (`logstore.holdproof`)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lot:
    """Rows that one transaction copied."""

    number: int
    """Which; microseconds since 1970, because that is when it was copied, and no two of a hold are the same."""
    rows: int
    """How many."""
    first: int
    """Lowest record id."""
    last: int
    """Highest record id."""
    sha256: str
    """Hash over them (`mark_of`)."""

    @property
    def at(self) -> datetime:
        """When; UTC."""
        return _EPOCH + timedelta(microseconds=self.number)


@dataclass(slots=True)
class Told:
    """What the trail says of one hold."""

    case: str
    """Its case."""
    by: str
    """Who placed it."""
    at: datetime
    """When; UTC."""
    why: str
    """Why."""
    filter: str | None
    """Which rows, as the hold keeps it; None in lines of before that was written down."""
    review: datetime
    """When it has to be looked at; aware."""
    released: tuple[str, datetime] | None = None
    """Who approved its release, and when; None while it is in force."""
    lots: list[Lot] = field(default_factory=list)
    """Lots that must be there to the row."""
    before: list[Lot] = field(default_factory=list)
    """Lots copied before it was put back; their rows may have come again in others."""


def told(catalog: Connection, case: str | None = None) -> dict[str, Told]:
    """Every hold there ever was, by case; or only that of `case`."""
    columns = (audit.c.at_us, audit.c.who, audit.c.what, audit.c.subject, audit.c.after, audit.c.why)
    query = select(*columns).where(audit.c.kind == KIND).order_by(audit.c.id)
    query = query.where(audit.c.what.in_((PLACED, PUT_BACK, RELEASED, REVIEWED, COPIED)))
    if case is not None:
        query = query.where(audit.c.subject == exact(case))
    found: dict[str, Told] = {}
    for at_us, *texts in catalog.execute(query):
        who, what, subject, after, why = (restored(text) for text in texts)
        _add(found, _EPOCH + timedelta(microseconds=at_us), who, what, subject, json.loads(after or "{}") or {}, why)
    return found


def mark_of(rows: Iterable[tuple[int, str]]) -> str:
    """The hash over rows of a lot: their ids and hashes, in the order of their ids."""
    whole = hashlib.sha256()
    for number, sha256 in rows:
        whole.update(f"{number}:{sha256}\n".encode())
    return whole.hexdigest()


def _add(found: dict[str, Told], at: datetime, who: str, what: str, case: str, after: dict[str, Any], why: str) -> None:
    if what == PLACED:
        found[case] = Told(case, who, at, why, after.get("filter"), datetime.fromisoformat(after["review"]))
    elif case not in found:
        return
    elif what == PUT_BACK:
        found[case].before += found[case].lots
        found[case].lots.clear()
    elif what == RELEASED:
        found[case].released = (who, at)
    elif what == REVIEWED:
        found[case].review = datetime.fromisoformat(after["review"])
    elif "lot" in after:
        ids = int(after["first"]), int(after["last"])
        found[case].lots.append(Lot(int(after["lot"]), after["new"], *ids, after["sha256"]))
