"""Which lines of the audit trail are about whoever reads it: they are kept from them, and so is that there are any.

A request in; a test for lines out. The rule: who is looked into learns it neither from a line nor from its absence; so
a line is about its reader when it names them, a machine their own rows came from, or the case of a hold on either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from console.page import Ask
from logstore.audit import Entry, entries
from logstore.filter import LogFilter
from logstore.holdtrail import KIND, PLACED
from logstore.query import Archive, SearchTooWide
from logstore.redactpeople import SHORTEST, mentions
from logstore.stats import Figures

SECONDS = 2.0
"""Longest time their machines of all time are looked for; those of their newest rows are always found."""
NEWEST = 500
"""So many rows of their own are asked for machines and addresses."""
MACHINES = 100
"""Most machines of one person."""
OF_MACHINES = ("look", "export", KIND)
"""Kinds of lines that are about a person when they are about the person's machine."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads the trail."""

    who: str
    """As the trail writes it."""
    person: str | None
    """Their own account at the proxy."""
    machines: frozenset[str] = frozenset()
    """Machines and addresses their own rows came from."""
    cases: frozenset[str] = frozenset()
    """Cases of holds on their rows."""

    def is_about(self, line: Entry) -> bool:
        """Whether a line is about them; what they did themselves they may see."""
        if not self.person:
            return False
        if line.kind == KIND and line.subject in self.cases:
            return True
        return line.who != self.who and self._named(line)

    def _named(self, line: Entry) -> bool:
        told = [line.subject, _without_doers(line.before), _without_doers(line.after), line.why]
        if self.person and mentions(told, self.person):
            return True
        return line.kind in OF_MACHINES and any(mentions(told, machine) for machine in self.machines)


def reader_of(ask: Ask, connection: Connection) -> Reader:
    """Whoever asks, as the reader of the trail."""
    person = ask.me.person
    if not person:
        return Reader(ask.me.who, None)
    bare = Reader(ask.me.who, person, frozenset(_machines(ask, person)))
    placed = entries(connection, kind=KIND, what=PLACED, limit=1_000_000)
    return Reader(bare.who, person, bare.machines, frozenset(one.subject for one in placed if bare.is_about(one)))


def _machines(ask: Ask, person: str) -> Iterable[str]:
    """Machines a person's rows came from."""
    found: set[str] = set()
    wanted = LogFilter(user=person)
    with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
        for row in archive.search(wanted, NEWEST).rows:
            found |= {row.record.device or "", row.record.client_address or ""}
    try:
        with Archive(ask.house.where, seconds=SECONDS) as archive:
            found |= {
                place.name or "" for place in Figures(archive, wanted, exact=False).top("device", MACHINES).places
            }
    except SearchTooWide:
        pass
    return (name for name in found if len(name) >= SHORTEST)


def _without_doers(told: Any) -> Any:
    """What a line tells, without who decided something: that a decision of theirs is over is not about them."""
    if isinstance(told, dict):
        return {name: value for name, value in told.items() if not (name.endswith("_by") and isinstance(value, str))}
    return told
