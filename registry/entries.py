"""The school's own entries in the register: added, listed, removed; each with who, why and until, and an audit line.

A category and a host or URL go in; the entry as it stands comes out. What cannot be done raises `RegistryError`.
Entries reach workers through the overlay (`categories.layered`), so nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from categories.layered import OwnEntry, read_entry
from categories.model import EntryKind
from categories.names import NameProblem
from categories.taxonomy import Category, Kind
from policy.kinds import meant_by
from registry.change import By, RegistryError, RegistryProblem, begin, from_us, note, text_problems, to_us
from registry.overrides import EXPIRED
from registry.schema import entry as entries_table

CLOSED = {
    Kind.STATUTORY: "is filled by its statutory list alone",
    Kind.HELP: "is open to everybody whatever the policy says, so it is filled by the product alone",
}
"""Kinds of category nobody adds to, and why."""


@dataclass(frozen=True, slots=True)
class Made:
    """An own entry, and who stands for it."""

    entry: OwnEntry
    """What it says."""
    why: str
    """The reason given."""
    made_by: str
    """Who added it."""
    made_at: datetime
    """When."""
    ended_at: datetime | None = None
    """When it was removed or over; None while it is neither."""

    def holds(self, at: datetime) -> bool:
        """Whether it is in force at that moment."""
        return self.ended_at is None and (self.entry.until is None or at < self.entry.until)


def add(
    connection: Connection,
    category: str,
    text: str,
    by: By,
    *,
    categories: Mapping[str, Category],
    reserved: Mapping[str, str],
    until: datetime | None = None,
) -> Made:
    """Say that a host or URL is of a category. `categories` are those there are; `reserved` is the policy's word on
    which of them a school does not fill (`policy.reserved`)."""
    problems = [*_category_problems(category, categories, reserved), *_reason_problems(text, by, until)]
    try:
        kind, value = read_entry(text)
    except NameProblem as problem:
        kind, value = EntryKind.DOMAIN, ""
        problems.append(RegistryProblem(text[:200], str(problem), "write a host or URL, such as example.org/lessons"))
    if problems:
        raise RegistryError(*problems)
    begin(connection, by)
    for one in made(connection):
        if (one.entry.category, one.entry.value) == (category, value) and one.holds(by.at):
            raise RegistryError(RegistryProblem(value, f"is in {category} already (entry {one.entry.id})"))
    values = {"category": category, "kind": kind.value, "value": value, "why": by.why, "made_by": by.who}
    moment = None if until is None else to_us(until)
    query = insert(entries_table).values(**values, until_us=moment, made_us=to_us(by.at))
    number = int(connection.execute(query.returning(entries_table.c.id)).scalar_one())
    fresh = Made(OwnEntry(number, category, kind, value, until), by.why, by.who, by.at)
    note(connection, by, "entry.add", f"{category}: {value}", None, facts(fresh))
    return fresh


def made(connection: Connection) -> list[Made]:
    """Every own entry nobody has removed, oldest first."""
    query = select(entries_table).where(entries_table.c.ended_us.is_(None)).order_by(entries_table.c.id)
    return [_made(row) for row in connection.execute(query).mappings()]


def remove(connection: Connection, category: str, text: str, by: By) -> Made:
    """Take an own entry out again."""
    try:
        _, value = read_entry(text)
    except NameProblem as problem:
        raise RegistryError(RegistryProblem(text[:200], str(problem))) from problem
    begin(connection, by)
    here = [one for one in made(connection) if one.entry.category == category]
    found = next((one for one in here if one.entry.value == value), None)
    if found is None:
        own = ", ".join(one.entry.value for one in here[:5]) or "none"
        what = f"is no entry of yours in {category}; entries of other lists cannot be taken out"
        raise RegistryError(RegistryProblem(value, what, f"yours: {own}; to open a page use `schoolgate allow`"))
    return _end(connection, found, by)


def end_expired(connection: Connection, at: datetime, who: str) -> list[Made]:
    """Write down which entries are over at `at`."""
    over = [one for one in made(connection) if not one.holds(at)]
    if not over:
        return []
    by = By(who, at, EXPIRED)
    begin(connection, by)
    return [_end(connection, one, by) for one in over]


def facts(one: Made) -> dict[str, Any]:
    """An entry as the audit trail and JSON write it."""
    entry = one.entry
    return {
        "id": entry.id,
        "category": entry.category,
        "kind": entry.kind.value,
        "entry": entry.value,
        "until": None if entry.until is None else entry.until.isoformat(timespec="seconds"),
        "why": one.why,
        "made_by": one.made_by,
        "made_at": one.made_at.isoformat(timespec="seconds"),
    }


def _end(connection: Connection, found: Made, by: By) -> Made:
    change = update(entries_table).where(entries_table.c.id == found.entry.id)
    connection.execute(change.values(ended_by=by.who, ended_us=to_us(by.at), ended_why=by.why))
    note(connection, by, "entry.remove", f"{found.entry.category}: {found.entry.value}", facts(found), None)
    return replace(found, ended_at=by.at)


def _category_problems(
    category: str, categories: Mapping[str, Category], reserved: Mapping[str, str]
) -> list[RegistryProblem]:
    known = categories.get(category)
    if known is None:
        meant = meant_by(category, categories)
        return [
            RegistryProblem(category[:80], "there is no such category", f"did you mean {meant!r}?" if meant else "")
        ]
    closed = CLOSED.get(known.kind) or reserved.get(category)
    instead = "" if known.kind in CLOSED else "to open a page use `always-allowed` or `schoolgate allow`"
    return [] if closed is None else [RegistryProblem(category, closed, instead)]


def _reason_problems(text: str, by: By, until: datetime | None) -> list[RegistryProblem]:
    problems = text_problems(text[:200], "reason", by.why)
    if not by.why.strip():
        problems.append(RegistryProblem(text[:200], "an entry needs a reason", "say why, in a few words"))
    if until is not None and until <= by.at:
        problems.append(RegistryProblem(text[:200], "would be over before it began", "give a later time"))
    return problems


def _made(row: RowMapping) -> Made:
    at = from_us(row["made_us"])
    if at is None:
        raise RuntimeError(f"entry {row['id']} has no time")
    entry = OwnEntry(row["id"], row["category"], EntryKind(row["kind"]), row["value"], from_us(row["until_us"]))
    return Made(entry, row["why"], row["made_by"], at, from_us(row["ended_us"]))
