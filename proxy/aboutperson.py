"""Everything the gateway holds about one person, one piece at a time.

In come the settings and an account; out go pieces of JSON with their kind, others' names taken out of what staff wrote.
Nothing is gathered in memory but numbers. The order matters: what is not shipped yet is read first, so that nothing
slips by between the spool and the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import select

from identity.directory import account_name
from logstore.audit import entries
from logstore.db import open_catalog, reading
from logstore.dimensions import restored
from logstore.export import as_json, when
from logstore.exportbook import Span
from logstore.exportfile import widened
from logstore.filter import LogFilter
from logstore.holdcopy import held_rows
from logstore.holds import holds
from logstore.query import Archive
from logstore.redactpeople import Redactor, mentions
from logstore.rows import Row
from logstore.schema import dim_user, log_cursor
from logstore.unshipped import Unshipped, unshipped_rows
from proxy.settings import Settings
from proxy.userlines import as_dict
from registry import overrides, requests
from registry.people import Account, accounts, find

SECONDS = 24 * 3600.0
"""Longest time one search of the store may take; nobody waits in front of a page."""
LINES = 500
"""Lines of the audit trail read at a time."""
PROGRAMS = ("retention", "schoolgate", "shipper", "supervisor")
"""Doers that are no people."""


@dataclass(slots=True)
class AboutPerson:
    """What is held about one account."""

    settings: Settings
    """The gateway's settings."""
    account: str
    """The account, as it was typed."""
    at: datetime
    """The moment; aware."""
    zone: tzinfo
    """Zone of times."""
    counts: Counter[str] = field(default_factory=Counter)
    """Pieces given so far, by kind."""
    unshipped: Unshipped = field(default_factory=Unshipped)
    """What was found in the spool, besides rows; complete after `rows`."""
    of_a_class: int = 0
    """Rows left out, because the account was a class login when they were made."""
    span: Span | None = None
    """Times of the oldest and the newest row given."""

    @property
    def names(self) -> tuple[str, ...]:
        """The account in every spelling the record may have."""
        return tuple(dict.fromkeys((self.account, account_name(self.account))))

    def registered(self) -> Account | None:
        """The account in the register; None when it is not there."""
        engine = open_catalog(self.settings.store)
        try:
            with engine.connect() as connection:
                return find(connection, self.account)
        finally:
            engine.dispose()

    def rows(self) -> Iterator[tuple[Row, str]]:
        """Every row, with where it was found: `spool`, `store`, `hold`; each once."""
        store = self.settings.store
        given: set[int] = set()
        with reading(store) as catalog:
            stored = {row.producer: row.seq for row in catalog.execute(select(log_cursor))}
        names = set(self.names)
        spooled = unshipped_rows(
            self.settings.data / "spool", stored, lambda record: record.user in names, self.unshipped
        )
        theirs = self._class_login_until()
        for row in spooled:
            given.add(row.id)
            if self._may_have(row, theirs):
                yield self._given(row), "spool"
        with Archive(store, seconds=SECONDS) as archive:
            for name in self.names:
                for row in archive.walk(LogFilter(user=name), rising=True, limit=2_000):
                    if row.id not in given and self._may_have(row, theirs):
                        yield self._given(row), "store"
            for kept in holds(store):
                for row in held_rows(store, kept, rising=True):
                    if row.record.user in names and row.id not in given and archive.show(row.id) is None:
                        given.add(row.id)
                        if self._may_have(row, theirs):
                            yield self._given(row), "hold"

    def others(self) -> Iterator[dict[str, Any]]:
        """Everything but rows: register, review requests, overrides, audit trail."""
        engine = open_catalog(self.settings.store)
        try:
            with engine.connect() as connection:
                redactor = self._redactor(accounts(connection), connection.execute(select(dim_user.c.key)).scalars())
                person = find(connection, self.account)
                if person is not None:
                    yield self._piece("register", redactor.value(as_dict(person, self.at)))
                for asked in requests.requests(connection, None):
                    if asked.user in self.names:
                        told = {**requests.facts(asked), "url": "", "user": self.account}
                        yield self._piece("review request", {**redactor.value(told), "url": asked.url})
                for decided in overrides.decisions(connection, ended=True):
                    if decided.override.user in self.names:
                        yield self._piece("override", redactor.value(overrides.facts(decided)))
        finally:
            engine.dispose()
        yield from self._trail(redactor)

    def request(self, row: Row, source: str) -> dict[str, Any]:
        """A row as a piece."""
        return {"kind": "request", "source": source, **as_json(row, self.zone)}

    def _trail(self, redactor: Redactor) -> Iterator[dict[str, Any]]:
        before: int | None = None
        with reading(self.settings.store) as catalog:
            while lines := entries(catalog, before=before, limit=LINES):
                before = lines[-1].id
                for line in lines:
                    said = [line.subject, line.before, line.after, line.why]
                    if any(mentions(said, name) for name in self.names):
                        told = {
                            "at": when(line.at, self.zone),
                            "what": line.what,
                            "who": line.who,
                            "subject": line.subject,
                            "before": line.before,
                            "after": line.after,
                            "why": line.why,
                        }
                        yield self._piece("audit trail", redactor.value(told))

    def _redactor(self, register: list[Account], recorded: Iterator[Any]) -> Redactor:
        mine = {account_name(name) for name in self.names}
        people = {True: set(self.names), False: set[str]()}
        for account in register:
            people[account.person.name in mine] |= {account.person.name, account.title}
        others = people[False] | {str(restored(name)) for name in recorded}
        return Redactor(people[True], others, PROGRAMS)

    def _class_login_until(self) -> datetime | None:
        """When the account was a class login last, by the audit trail; None: it never was."""
        before: int | None = None
        with reading(self.settings.store) as catalog:
            while lines := entries(catalog, kind="change", before=before, limit=LINES):
                before = lines[-1].id
                for line in lines:
                    was = line.before if isinstance(line.before, Mapping) else {}
                    if was.get("shared") is True and line.what.startswith("person.") and line.subject in self.names:
                        return line.at
        return None

    def _may_have(self, row: Row, theirs: datetime | None) -> bool:
        """Whether the row is this person's and no class's: a shared row counts as the class's while there was one."""
        if theirs is None or not row.record.shared or row.at >= theirs:
            return True
        self.of_a_class += 1
        return False

    def _given(self, row: Row) -> Row:
        self.counts["request"] += 1
        self.span = widened(self.span, row.at)
        return row

    def _piece(self, kind: str, told: dict[str, Any]) -> dict[str, Any]:
        self.counts[kind] += 1
        return {"kind": kind, **told}
