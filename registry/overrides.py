"""One-click decisions in the register: made, listed, ended; each in the caller's transaction, each with an audit line.

An override and `By` go in; the decision as it stands comes out. What cannot be done raises `RegistryError` with every
reason. A decision ends by itself: its time is in the rule that workers read. `end_expired` only writes that down.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from policy.client import Band
from policy.model import Action
from policy.overrides import Override
from registry.change import By, RegistryError, RegistryProblem, begin, from_us, note, text_problems, to_us
from registry.schema import override as overrides_table

EXPIRED = "its time is over"
"""Why an override ended that nobody ended."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An override, and who stands for it."""

    override: Override
    """What was decided."""
    why: str
    """The reason given; for staff and the audit trail, never on a page."""
    made_by: str
    """Who decided."""
    made_at: datetime
    """When."""
    ended_by: str | None = None
    """Who ended it; None while nobody has."""
    ended_at: datetime | None = None
    """When it ended before or at its time."""
    ended_why: str | None = None
    """Why."""

    def holds(self, at: datetime) -> bool:
        """Whether it is in force at that moment."""
        until = self.override.until
        return self.ended_at is None and (until is None or at < until)


def add(connection: Connection, wanted: Override, by: By) -> Decision:
    """Decide. `wanted.id` is not looked at: the register gives the number."""
    check(wanted, by)
    begin(connection, by)
    values = {
        "action": wanted.action.value,
        "what": wanted.what,
        "site": wanted.site,
        "group_name": wanted.group,
        "band": None if wanted.band is None else wanted.band.value,
        "account": None if wanted.user is None else wanted.user.casefold(),
        "until_us": None if wanted.until is None else to_us(wanted.until),
    }
    query = insert(overrides_table).values(**values, why=by.why, made_by=by.who, made_us=to_us(by.at))
    number = int(connection.execute(query.returning(overrides_table.c.id)).scalar_one())
    decision = Decision(replace(wanted, id=number), by.why, by.who, by.at)
    note(connection, by, "override.add", decision.override.name, None, facts(decision))
    return decision


def decisions(connection: Connection, *, ended: bool = False) -> list[Decision]:
    """Every override nobody has ended, oldest first; with `ended`, all there ever were."""
    query = select(overrides_table).order_by(overrides_table.c.id)
    if not ended:
        query = query.where(overrides_table.c.ended_us.is_(None))
    return [_decision(row) for row in connection.execute(query).mappings()]


def end(connection: Connection, number: int, by: By) -> Decision:
    """End an override now."""
    begin(connection, by)
    known = {one.override.id: one for one in decisions(connection, ended=True)}
    found = known.get(number)
    if found is None or not found.holds(by.at):
        held = ", ".join(str(key) for key, one in known.items() if one.holds(by.at)) or "none"
        what = "there is no such override" if found is None else "it is over already"
        raise RegistryError(RegistryProblem(f"override-{number}", what, f"in force: {held}"))
    return _end(connection, found, by)


def end_expired(connection: Connection, at: datetime, who: str) -> list[Decision]:
    """Write down which overrides are over at `at`. Nothing is opened or closed by this: their rules knew the time."""
    over = [one for one in decisions(connection) if not one.holds(at)]
    if not over:
        return []
    by = By(who, at, EXPIRED)
    begin(connection, by)
    return [_end(connection, one, by) for one in over]


def forget(connection: Connection, limit: datetime, *, dry_run: bool = False) -> int:
    """Remove overrides that ended before `limit`: no row of the record has their number any more. How many there are.

    Numbers are not given twice, and the audit trail keeps what was decided.
    """
    old = overrides_table.c.ended_us < to_us(limit)
    count = int(connection.execute(select(func.count()).select_from(overrides_table).where(old)).scalar_one())
    if count and not dry_run:
        connection.execute(delete(overrides_table).where(old))
    return count


def next_end(decided: Collection[Decision]) -> datetime | None:
    """When the next of these overrides is over."""
    return min((one.override.until for one in decided if one.override.until is not None), default=None)


def facts(decision: Decision) -> dict[str, Any]:
    """A decision as the audit trail and JSON write it."""
    override = decision.override

    def time(at: datetime | None) -> str | None:
        return None if at is None else at.isoformat(timespec="seconds")

    return {
        "id": override.id,
        "rule": override.name,
        "action": override.action.value,
        "what": override.what,
        "site": override.site,
        "group": override.group,
        "band": None if override.band is None else override.band.value,
        "user": override.user,
        "until": time(override.until),
        "why": decision.why,
        "made_by": decision.made_by,
        "made_at": time(decision.made_at),
        "ended_by": decision.ended_by,
        "ended_at": time(decision.ended_at),
        "ended_why": decision.ended_why,
    }


def _end(connection: Connection, found: Decision, by: By) -> Decision:
    number = found.override.id
    ended = replace(found, ended_by=by.who, ended_at=by.at, ended_why=by.why)
    change = update(overrides_table).where(overrides_table.c.id == number)
    connection.execute(change.values(ended_by=by.who, ended_us=to_us(by.at), ended_why=by.why))
    note(connection, by, "override.end", found.override.name, facts(found), facts(ended))
    return ended


def check(wanted: Override, by: By) -> None:
    """Raise `RegistryError` with every reason why nobody can decide so."""
    where = wanted.what
    problems = text_problems(where, "reason", by.why)
    if not by.why.strip():
        problems.append(RegistryProblem(where, "a decision needs a reason", "say why, in a few words"))
    if wanted.action is Action.BYPASS:
        problems += _unread_problems(wanted)
    elif wanted.action not in {Action.ALLOW, Action.BLOCK}:
        problems.append(RegistryProblem(where, f"nobody can {wanted.action} with one click", "allow or block"))
    named = [word for word in (wanted.group, wanted.band, wanted.user) if word is not None]
    if len(named) > 1:
        problems.append(RegistryProblem(where, "is for a group, a band or a user", f"choose one of {named}"))
    if wanted.until is not None and wanted.until <= by.at:
        said = wanted.until.isoformat(timespec="minutes")
        problems.append(RegistryProblem(where, f"would be over before it began ({said})", "give a later time"))
    if problems:
        raise RegistryError(*problems)


def _unread_problems(wanted: Override) -> list[RegistryProblem]:
    """What is not decrypted shows only its host, and a person has no programs of their own."""
    problems = []
    if not wanted.what.startswith("host:"):
        what = "only a host can be passed unread: of what is not decrypted nothing else is known"
        problems.append(RegistryProblem(wanted.what, what, "name the host"))
    if wanted.user is not None:
        what = "a host is passed unread for machines, not for an account"
        problems.append(RegistryProblem(wanted.what, what, "choose a site, a group or a band"))
    return problems


def _decision(row: RowMapping) -> Decision:
    override = Override(
        row["id"],
        Action(row["action"]),
        row["what"],
        row["site"],
        row["group_name"],
        None if row["band"] is None else Band(row["band"]),
        row["account"],
        from_us(row["until_us"]),
    )
    made = from_us(row["made_us"])
    if made is None:
        raise RuntimeError(f"override {override.id} has no time")
    return Decision(
        override, row["why"], row["made_by"], made, row["ended_by"], from_us(row["ended_us"]), row["ended_why"]
    )
