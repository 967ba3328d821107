"""Requests to look again at a page: filed from block pages and by command, listed, decided (A-17).

Facts of the spool or `By` go in; requests as they stand come out. A request is filed once, however often it comes.
Filing is no decision and leaves no line in the trail; deciding is one and does. What is said to whoever asked is chosen
here: the answer, never what staff wrote for each other.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from registry.change import By, RegistryError, RegistryProblem, begin, from_us, note, text_problems, to_us
from registry.schema import review_request as requests_table

logger = logging.getLogger(__name__)

KIND = "review-request"
"""Kind of the facts that are requests."""
WAITING = "waiting"
"""State of a request nobody has decided."""
STATES = (WAITING, "allowed", "blocked", "no-change")
"""Every state a request may be in."""
ANSWERS = 500
"""Decided requests the overlay tells workers of: the newest."""
_EVIDENCE = ("action", "reason", "rule", "category", "list", "entry", "reference")
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """One request."""

    id: int
    """Its number."""
    url: str
    """What it is about."""
    user: str | None
    """Account that asked; None when nobody had signed in."""
    address: str
    """Machine it came from; empty when filed by command."""
    device: str | None
    """Its name."""
    site: str | None
    """Where."""
    band: str | None
    """Band of whoever asked, when known."""
    verified: bool
    """Whether the account was proved."""
    wanted: str
    """`allow` or `block`."""
    why: str
    """The reason given."""
    verdict: Mapping[str, Any]
    """What was decided then: action, rule, category, list, entry, reference."""
    asked_at: datetime
    """When."""
    state: str = WAITING
    """One of `STATES`."""
    answer: str | None = None
    """What whoever asked is told."""
    made: str | None = None
    """The override or entry that came of it."""
    decided_by: str | None = None
    """Who decided."""
    decided_at: datetime | None = None
    """When."""

    @property
    def asker(self) -> str:
        """Who asked, in words."""
        sure = "" if self.user is None or self.verified else " (not verified)"
        return (self.user or self.device or self.address or "nobody known") + sure


def take_fact(connection: Connection, payload: Mapping[str, Any]) -> bool:
    """File the request of a fact; False when it is filed already, or is none and never will be."""
    try:
        values = _values(payload)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        logger.warning("a request for a review cannot be read and is left out: %s", type(error).__name__)
        return False
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(requests_table).values(**values).on_conflict_do_nothing(index_elements=["mark"])
    return connection.execute(statement.returning(requests_table.c.id)).first() is not None


def file(
    connection: Connection,
    url: str,
    by: By,
    *,
    mark: str,
    wanted: str,
    verdict: Mapping[str, Any],
    site: str | None = None,
) -> int:
    """File a request of a member of staff, about their site or any; its number."""
    problems = text_problems(url[:80], "reason", by.why)
    if not by.why.strip():
        problems.append(RegistryProblem(url[:80], "a request needs a reason", "say why, in a few words"))
    if problems:
        raise RegistryError(*problems)
    told = {"mark": mark, "url": url, "user": by.who, "address": "", "verified": True, "wanted": wanted, "why": by.why}
    values = _values({**told, "site": site, "at": by.at.isoformat(), **verdict})
    query = requests_table.insert().values(**values).returning(requests_table.c.id)
    return int(connection.execute(query).scalar_one())


def requests(connection: Connection, state: str | None = WAITING) -> list[ReviewRequest]:
    """Requests in one state, or all, oldest first."""
    query = select(requests_table).order_by(requests_table.c.id)
    if state is not None:
        query = query.where(requests_table.c.state == state)
    return [_request(row) for row in connection.execute(query).mappings()]


def queue(
    connection: Connection, *, decided: bool = False, site: str | None = None, past: int | None = None, limit: int = 50
) -> list[ReviewRequest]:
    """Some of the requests that wait, oldest first, or of those that are decided, newest first; at one site, or any.

    `past` is the number of the last one seen before.
    """
    table = requests_table.c
    waits = table.state == WAITING
    query = select(requests_table).where(~waits if decided else waits).limit(limit)
    query = query.order_by(table.id.desc() if decided else table.id)
    if site is not None:
        query = query.where(table.site == site)
    if past is not None:
        query = query.where(table.id < past if decided else table.id > past)
    return [_request(row) for row in connection.execute(query).mappings()]


def waiting(connection: Connection, site: str | None = None) -> int:
    """How many requests wait, at one site or in all."""
    query = select(func.count()).select_from(requests_table).where(requests_table.c.state == WAITING)
    if site is not None:
        query = query.where(requests_table.c.site == site)
    return int(connection.execute(query).scalar_one())


def filed_by(connection: Connection, who: str, limit: int = 50) -> list[ReviewRequest]:
    """What one account asked for, newest first."""
    query = select(requests_table).where(requests_table.c.account == who).order_by(requests_table.c.id.desc())
    return [_request(row) for row in connection.execute(query.limit(limit)).mappings()]


def get(connection: Connection, number: int) -> ReviewRequest:
    """One request. Raises `RegistryError` when there is none."""
    row = connection.execute(select(requests_table).where(requests_table.c.id == number)).mappings().first()
    if row is None:
        raise RegistryError(RegistryProblem(f"request {number}", "there is none", "`schoolgate requests list --all`"))
    return _request(row)


def check(connection: Connection, number: int, by: By) -> ReviewRequest:
    """The request, when it can be decided now. Raises `RegistryError` when it cannot."""
    found = get(connection, number)
    problems = text_problems(f"request {number}", "reason", by.why)
    if not by.why.strip():
        problems.append(RegistryProblem(f"request {number}", "a decision needs a reason", "say why, in a few words"))
    if found.state != WAITING:
        problems.append(
            RegistryProblem(f"request {number}", f"is decided already: {found.state} by {found.decided_by}")
        )
    if problems:
        raise RegistryError(*problems)
    return found


def decide(
    connection: Connection, number: int, state: str, by: By, *, answer: str, made: str | None = None
) -> ReviewRequest:
    """Decide a request. `answer` is what whoever asked is told; `made` names the override or entry that came of it."""
    if state not in STATES or state == WAITING:
        raise ValueError(f"{state!r} is no decision")
    begin(connection, by)
    before = check(connection, number, by)
    problems = text_problems(f"request {number}", "answer", answer)
    if problems:
        raise RegistryError(*problems)
    change = update(requests_table).where(requests_table.c.id == number)
    decided = {"state": state, "answer": answer, "made": made, "decided_by": by.who, "decided_us": to_us(by.at)}
    connection.execute(change.values(**decided))
    after = get(connection, number)
    # Neither who asked nor for what: the trail stays for ever, and requests go with the record.
    told = {"state": state, "made": made}
    note(connection, by, "request.decide", f"request {number}", {"state": before.state}, told)
    return after


def answers(connection: Connection) -> list[list[Any]]:
    """The newest decided requests as primitives, for the overlay: what pages tell whoever asked."""
    table = requests_table.c
    query = select(table.id, table.account, table.address, table.url, table.decided_us, table.answer)
    query = query.where(table.state != WAITING).order_by(table.decided_us.desc(), table.id).limit(ANSWERS)
    return [[row.account, row.address, row.url, row.decided_us, row.answer or ""] for row in connection.execute(query)]


def forget(connection: Connection, limit: datetime, *, dry_run: bool = False) -> int:
    """Remove requests as old as rows of the record must not be (design §5.8); how many there are."""
    old = requests_table.c.asked_us < to_us(limit)
    count = int(connection.execute(select(func.count()).select_from(requests_table).where(old)).scalar_one())
    if count and not dry_run:
        connection.execute(delete(requests_table).where(old))
    return count


def facts(request: ReviewRequest) -> dict[str, Any]:
    """A request in JSON."""
    names = ("id", "url", "user", "address", "device", "site", "band", "verified", "wanted", "why", "state", "answer")
    return {
        **{name: getattr(request, name) for name in names},
        "verdict": dict(request.verdict),
        "asked_at": request.asked_at.isoformat(timespec="seconds"),
        "made": request.made,
        "decided_by": request.decided_by,
        "decided_at": None if request.decided_at is None else request.decided_at.isoformat(timespec="seconds"),
    }


def _values(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table from a fact. Raises `ValueError`, `KeyError` or `TypeError` for what is none."""

    def word(name: str, *, needed: bool = False) -> str | None:
        value = payload.get(name)
        if (needed or value is not None) and not isinstance(value, str):
            raise TypeError(name)
        # A lone surrogate, from an odd client, is no text for a database.
        return None if value is None else value[:_LONGEST].encode("utf-8", "replace").decode("utf-8")

    asked = datetime.fromisoformat(payload["at"])
    return {
        "mark": word("mark", needed=True),
        "url": word("url", needed=True),
        "account": word("user"),
        "address": word("address") or "",
        "device": word("device"),
        "site": word("site"),
        "band": word("band"),
        "verified": bool(payload.get("verified")),
        "wanted": "block" if payload.get("wanted") == "block" else "allow",
        "why": word("why", needed=True),
        "verdict": json.dumps({name: word(name) for name in _EVIDENCE}),
        "asked_us": to_us(asked.replace(tzinfo=asked.tzinfo or UTC)),
        "state": WAITING,
    }


def _request(row: RowMapping) -> ReviewRequest:
    asked = from_us(row["asked_us"])
    if asked is None:
        raise RuntimeError(f"request {row['id']} has no time")
    same = ("id", "url", "address", "device", "site", "band", "wanted", "why", "state", "answer", "made", "decided_by")
    return ReviewRequest(
        **{name: row[name] for name in same},
        user=row["account"],
        verified=bool(row["verified"]),
        verdict=json.loads(row["verdict"]),
        asked_at=asked,
        decided_at=from_us(row["decided_us"]),
    )


def file_all(connection: Connection, payloads: Iterable[Mapping[str, Any]]) -> int:
    """File the requests of many facts; how many were new."""
    return sum(take_fact(connection, payload) for payload in payloads)
