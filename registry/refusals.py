"""Hosts that programs refuse to have read: counted from facts of the spool, suggested to people, accepted or dismissed.

Facts go in; suggestions come out: hosts for which several devices, that take our certificate elsewhere, would not have
it, and fewer did. The rules: one person counts once, however many devices or addresses they have; nothing passes unread
by itself; a device without our CA makes no suggestion, nor does one that refuses nearly everything, nor for a host that
it takes itself; what devices did is forgotten when the window it counts in is over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, case, delete, distinct, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite

from logstore.encoding import Fact
from policy.model import Action
from registry.change import By, RegistryError, RegistryProblem, begin, from_us, note, text_problems, to_us
from registry.overrides import Decision, decisions
from registry.schema import tls_accepts, tls_dismissed, tls_refusal, tls_taken

logger = logging.getLogger(__name__)

REFUSED, ACCEPTS, TAKEN = "tls-refused", "tls-accepts", "tls-taken"
KINDS = frozenset({REFUSED, ACCEPTS, TAKEN})
"""Kinds of the facts this is made of."""
TAKERS = 20
"""Devices that took a host after which it is read, however many refuse it; more are not kept."""
MOST = 200
"""Suggestions shown at once."""
QUIET = timedelta(days=90)
"""How long a host that was dismissed is not suggested again."""
NUMBERS = ("devices", "known_devices", "staff_devices", "takers", "days", "times")
"""What is counted of a suggestion."""
_LONGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """When a host is suggested."""

    devices: int = 3
    """Devices that must have refused it."""
    days: int = 14
    """Days within which."""
    hosts: int = 30
    """Hosts one device may refuse; one that refuses more counts for none."""

    @property
    def window(self) -> timedelta:
        """How long what devices did counts, and is kept."""
        return timedelta(days=self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A host that programs refuse to have read."""

    host: str
    """Which."""
    devices: int
    """Devices that refused, of those that take our certificate elsewhere; all of one signed-in person are one."""
    known_devices: int
    """Those of them that have a name, or somebody signed in."""
    staff_devices: int
    """Those of them in use by staff."""
    takers: int
    """Other devices, that took our certificate for it."""
    days: int
    """Days on which they did."""
    times: int
    """How often, counted once an hour and device at most."""
    sites: tuple[str, ...]
    """Where."""
    signs: tuple[str, ...]
    """How: `unknown-ca`, `bad-certificate`, `certificate-unknown`, `closed` in the handshake, `left` right after it."""
    first_at: datetime
    """First seen."""
    last_at: datetime
    """Last seen."""
    expires_at: datetime
    """When it is gone unless it is seen again."""
    passed: tuple[str, ...] = ()
    """One-click decisions by which some already pass it unread."""


def file_all(connection: Connection, facts: Iterable[Fact], keep: timedelta) -> int:
    """Count what devices did, and forget what is older than `keep` before the newest; how many facts were counted."""
    counted, newest = 0, 0
    for fact in facts:
        try:
            newest = max(newest, _count(connection, fact.kind, fact.payload))
            counted += 1
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            logger.warning("a fact of kind %s cannot be read and is left out: %s", fact.kind, type(error).__name__)
    if newest:
        forget(connection, (from_us(newest) or datetime.now(UTC)) - keep)
    return counted


def suggestions(connection: Connection, at: datetime, learning: Learning, site: str | None = None) -> list[Suggestion]:
    """What is suggested at `at`, most devices first; with a site, by its devices alone."""
    since = to_us(at - learning.window)
    refusal, taken = tls_refusal.c, tls_taken.c
    recent = refusal.last_us >= since
    too_many = select(refusal.device).where(recent).group_by(refusal.device)
    too_many = too_many.having(func.count(distinct(refusal.host)) > learning.hosts)
    counts = (
        recent
        & refusal.device.in_(select(tls_accepts.c.device).where(tls_accepts.c.last_us >= since))
        & refusal.device.not_in(too_many)
        & ~exists().where(taken.host == refusal.host, taken.device == refusal.device, taken.last_us >= since)
        & refusal.host.not_in(select(tls_dismissed.c.host).where(tls_dismissed.c.until_us > to_us(at)))
    )
    if site is not None:
        counts &= refusal.site == site
    devices = _apart(refusal.device, refusal.person)
    known = refusal.named | refusal.person.is_not(None)
    took = select(_apart(taken.device, taken.person)).where(taken.host == refusal.host, taken.last_us >= since)
    takers = took.correlate(tls_refusal).scalar_subquery()
    query = select(
        refusal.host,
        devices.label("devices"),
        _apart(refusal.device, refusal.person, known).label("known_devices"),
        _apart(refusal.device, refusal.person, refusal.staff).label("staff_devices"),
        takers.label("takers"),
        func.count(distinct(refusal.day)).label("days"),
        func.sum(refusal.times).label("times"),
        func.min(refusal.first_us).label("first_us"),
        func.max(refusal.last_us).label("last_us"),
    ).where(counts)
    enough = (devices >= learning.devices) & (takers < devices) & (takers < TAKERS)
    query = query.group_by(refusal.host).having(enough).order_by(devices.desc(), refusal.host)
    rows = connection.execute(query.limit(MOST)).mappings().all()
    hosts = [row["host"] for row in rows]
    told = _each(connection, hosts, counts)
    unread = [one for one in decisions(connection) if one.override.action is Action.BYPASS and one.holds(at)]
    found = []
    for row in rows:
        passed = [one for one in unread if _covers(one, row["host"])]
        if any(_for_everybody(one) for one in passed):
            continue
        last = from_us(row["last_us"]) or at
        found.append(
            Suggestion(
                **{name: int(row[name]) for name in NUMBERS},
                host=row["host"],
                sites=tuple(sorted({where for where, _ in told[row["host"]] if where})),
                signs=tuple(sorted({sign for _, sign in told[row["host"]]})),
                first_at=from_us(row["first_us"]) or at,
                last_at=last,
                expires_at=last + learning.window,
                passed=tuple(one.override.name for one in passed),
            )
        )
    return found


def dismiss(connection: Connection, host: str, by: By, until: datetime | None = None) -> datetime:
    """Do not suggest this host again before `until` (default: in `QUIET`); returns that time."""
    problems = text_problems(host, "reason", by.why)
    if not by.why.strip():
        problems.append(RegistryProblem(host, "a decision needs a reason", "say why, in a few words"))
    ends = until or by.at + QUIET
    if ends <= by.at:
        problems.append(RegistryProblem(host, "would be over before it began", "give a later time"))
    if problems:
        raise RegistryError(*problems)
    begin(connection, by)
    values = {"made_by": by.who, "why": by.why, "made_us": to_us(by.at), "until_us": to_us(ends)}
    _put(connection, tls_dismissed, {"host": host}, values, values)
    note(connection, by, "bypass.dismiss", host, None, {"until": ends.isoformat(timespec="seconds")})
    return ends


def forget(connection: Connection, limit: datetime, *, dry_run: bool = False) -> int:
    """Remove what devices did before `limit`; how much that is."""
    return sum(_remove(connection, table, "last_us", limit, dry_run) for table in (tls_refusal, tls_accepts, tls_taken))


def forget_dismissed(connection: Connection, limit: datetime, *, dry_run: bool = False) -> int:
    """Remove dismissals that ended before `limit`; how many they are."""
    return _remove(connection, tls_dismissed, "until_us", limit, dry_run)


def facts(one: Suggestion) -> dict[str, Any]:
    """A suggestion in JSON."""
    names = ("host", *NUMBERS, "sites", "signs", "passed")
    told = {name: list(value) if isinstance(value := getattr(one, name), tuple) else value for name in names}
    times = ("first_at", "last_at", "expires_at")
    return told | {name: getattr(one, name).isoformat(timespec="seconds") for name in times}


def _remove(connection: Connection, table: Table, moment: str, limit: datetime, dry_run: bool) -> int:
    due = table.c[moment] < to_us(limit)
    count = int(connection.execute(select(func.count()).select_from(table).where(due)).scalar_one())
    if count and not dry_run:
        connection.execute(delete(table).where(due))
    return count


def _count(connection: Connection, kind: str, payload: Mapping[str, Any]) -> int:
    """Count one fact; when it was. Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
    at = datetime.fromisoformat(payload["at"])
    at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    now = to_us(at)
    if kind == ACCEPTS:
        _put(connection, tls_accepts, {"device": _word(payload["device"])}, {"last_us": now})
    elif kind == TAKEN:
        _take(connection, {"host": _word(payload["host"]), "device": _word(payload["device"])}, payload, now)
    else:
        key = {"host": _word(payload["host"]), "device": _word(payload["device"]), "day": at.date().isoformat()}
        site = payload.get("site")
        seen = {"site": None if site is None else _word(site), "staff": bool(payload.get("staff")), "last_us": now}
        who = {"person": _person(payload), "named": bool(payload.get("named"))}
        _put(connection, tls_refusal, key, {**seen, **who, "sign": _word(payload["sign"]), "times": 1, "first_us": now})
    return now


def _take(connection: Connection, key: Mapping[str, str], payload: Mapping[str, Any], now: int) -> None:
    """Note who took a host, unless so many did that one more tells nothing."""
    taken = tls_taken.c
    others = select(func.count()).where(taken.host == key["host"], taken.device != key["device"])
    if connection.execute(others).scalar_one() < 2 * TAKERS:  # some of them may be one person's
        _put(connection, tls_taken, key, {"person": _person(payload), "last_us": now})


def _person(payload: Mapping[str, Any]) -> str | None:
    person = payload.get("person")
    return None if person is None else _word(person)


def _apart(device: ColumnElement[str], person: ColumnElement[Any], only: ColumnElement[bool] | None = None) -> Any:
    """How many devices of different people there are at least, among those of which `only` is true."""
    who: ColumnElement[Any] = func.coalesce(person, device)
    found = [func.count(distinct(one if only is None else case((only, one)))) for one in (device, who)]
    return case((found[0] < found[1], found[0]), else_=found[1])


def _put(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    changed: Mapping[str, Any] | None = None,
) -> None:
    """Insert a line, or bring the one that is there up to date. Times only move on, whatever order facts come in."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).values(**key, **values)
    if changed is None:
        later = statement.excluded["last_us"]
        moved: dict[str, Any] = {"last_us": case((later > table.c.last_us, later), else_=table.c.last_us)}
        if "times" in table.c:
            moved["times"] = table.c.times + 1
    else:
        moved = dict(changed)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=moved))


def _word(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{type(value).__name__} is no name")
    return value[:_LONGEST].encode("utf-8", "replace").decode("utf-8")


def _each(
    connection: Connection, hosts: list[str], counts: ColumnElement[bool]
) -> dict[str, set[tuple[str | None, str]]]:
    """Where and how each host was refused."""
    found: dict[str, set[tuple[str | None, str]]] = {host: set() for host in hosts}
    columns = (tls_refusal.c.host, tls_refusal.c.site, tls_refusal.c.sign)
    for host, site, sign in connection.execute(
        select(*columns).where(counts & tls_refusal.c.host.in_(hosts)).distinct()
    ):
        found[host].add((site, sign))
    return found


def _covers(one: Decision, host: str) -> bool:
    named = one.override.what.removeprefix("host:")
    return host == named or host.endswith(f".{named}")


def _for_everybody(one: Decision) -> bool:
    return one.override.site is None and one.override.group is None and one.override.band is None
