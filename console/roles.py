"""Who may do what in the console: one table of routes and roles, and how far each role sees names.

A role and the name of a route in; yes or no out. The rule: what the table does not name is nobody's. Roles hold at one
site or in the whole trust; that narrows every search, it never widens a row of the table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Role(enum.StrEnum):
    """What somebody is, to the console."""

    TECHNICIAN = "technician"
    """Looks after one school's or the trust's network day by day."""
    ICT = "ict-services"
    """Answers for the whole installation: accounts, exports, the trail."""
    SAFEGUARDING = "safeguarding-lead"
    """The designated safeguarding lead."""
    LEADER = "senior-leader"
    """Sees what technicians did; changes nothing."""
    GOVERNOR = "governor"
    """Sees that it works; no names."""
    TEACHER = "teacher"
    """Opens and closes pages for their own classes."""
    READER = "reader"
    """A program with a token: reads, no names."""


TITLES: Mapping[Role, str] = {
    Role.TECHNICIAN: "Technician",
    Role.ICT: "ICT services",
    Role.SAFEGUARDING: "Safeguarding lead",
    Role.LEADER: "Senior leader",
    Role.GOVERNOR: "Governor",
    Role.TEACHER: "Teacher",
    Role.READER: "Program that reads",
}
"""Roles in words."""


class Names(enum.StrEnum):
    """How far a role sees who it was."""

    NEVER = "never"
    """Rows show no person, machine or words they wrote."""
    REASON = "reason"
    """One person's history needs a reason."""
    PUPILS = "pupils"
    """A pupil's history needs none; an adult's does."""


NAMES: Mapping[Role, Names] = {
    Role.TECHNICIAN: Names.REASON,
    Role.ICT: Names.REASON,
    Role.SAFEGUARDING: Names.PUPILS,
    Role.LEADER: Names.REASON,
    Role.GOVERNOR: Names.NEVER,
    Role.TEACHER: Names.NEVER,
    Role.READER: Names.NEVER,
}
"""For each role, how far it sees names."""

_T, _I, _S, _L, _G, _C, _R = Role
PUBLIC = frozenset({"sign-in", "first", "static"})
"""Routes of people nobody knows yet. They show nothing of the school."""
MAY: Mapping[str, frozenset[Role]] = {
    "dashboard": frozenset({_T, _I, _S, _L, _G, _R}),
    "why": frozenset({_T, _I, _S, _L, _G, _C, _R}),
    "decide": frozenset({_T, _I, _S, _C}),
    "decisions": frozenset({_T, _I, _S, _L, _C}),
    "decision": frozenset({_T, _I, _S, _L, _C}),
    "openapi": frozenset(Role),
    "log": frozenset({_T, _I, _S, _L, _R}),
    "log-row": frozenset({_T, _I, _S, _L}),
    "log-live": frozenset({_T, _I, _S}),
    "log-export": frozenset({_I, _S}),
    "log-views": frozenset({_T, _I, _S, _L}),
    "audit": frozenset({_I, _S, _L}),
    "requests": frozenset({_T, _I, _S, _L}),
    "request": frozenset({_T, _I, _S, _L}),
    "request-decide": frozenset({_T, _I, _S}),
    "request-new": frozenset({_T, _I, _S, _L, _C}),
    "people": frozenset({_T, _I, _S, _L}),
    "people-now": frozenset({_T, _I, _S, _L}),
    "person": frozenset({_T, _I, _S, _L}),
    "person-suspend": frozenset({_T, _I, _S}),
    "person-change": frozenset({_T, _I}),
    "person-new": frozenset({_T, _I}),
    "people-import": frozenset({_T, _I}),
    "bypass": frozenset({_T, _I, _S, _L}),
    "bypass-decide": frozenset({_T, _I}),
    "entries": frozenset({_T, _I, _S, _L}),
    "entries-change": frozenset({_T, _I, _S}),
    "policy": frozenset({_T, _I, _S, _L, _G, _R}),
    "policy-begin": frozenset({_T, _I}),
    "policy-draft": frozenset({_T, _I, _S, _L}),
    "policy-rule": frozenset({_T, _I}),
    "policy-text": frozenset({_T, _I}),
    "policy-step": frozenset({_T, _I}),
    "policy-whatif": frozenset({_T, _I, _S, _L}),
    "policy-publish": frozenset({_I, _L}),
    "policy-history": frozenset({_T, _I, _S, _L, _G}),
    "policy-version": frozenset({_T, _I, _S, _L, _G}),
    "policy-file": frozenset({_T, _I, _S, _L}),
    "lists": frozenset({_T, _I, _S, _L, _G, _R}),
    "list": frozenset({_T, _I, _S, _L, _G, _R}),
    "lists-update": frozenset({_T, _I}),
    "list-new": frozenset({_I}),
    "list-change": frozenset({_I}),
    "holds": frozenset({_I, _S, _L}),
    "hold": frozenset({_I, _S, _L}),
    "hold-rows": frozenset({_I, _S, _L}),
    "hold-place": frozenset({_I, _S}),
    "hold-release": frozenset({_I, _S, _L}),
    "retention": frozenset({_T, _I, _S, _L, _G, _R}),
    "accounts": frozenset({_I}),
    "account": frozenset({_I}),
    "tokens": frozenset({_I}),
    "me": frozenset({_T, _I, _S, _L, _G, _C}),
    "reason": frozenset({_T, _I, _S, _L}),
    "sign-out": frozenset({_T, _I, _S, _L, _G, _C}),
}
"""Every route that is not public, and who may use it: a page's name is its line here."""


def may(role: Role | None, route: str) -> bool:
    """Whether somebody of this role may use the route; `None` is nobody known."""
    return route in PUBLIC or (role is not None and role in MAY.get(route, frozenset()))


@dataclass(frozen=True, slots=True)
class Grant:
    """A role somebody has."""

    id: int
    """Its number; 0 for a token's."""
    role: Role
    """The role."""
    site: str | None = None
    """The site it holds at; None for the whole trust."""
    groups: tuple[str, ...] = ()
    """A teacher's classes."""

    @property
    def words(self) -> str:
        """`Technician at oakwood`."""
        return f"{TITLES[self.role]} {'in the trust' if self.site is None else f'at {self.site}'}"

    def covers(self, other: Grant) -> bool:
        """Whether whoever has this one may give the other: never more than they have."""
        return self.role is Role.ICT and (self.site is None or self.site == other.site)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking: an account in one of its roles, or a program with a token."""

    name: str
    """Account or token name."""
    title: str
    """Name for people."""
    grant: Grant
    """The role they act in."""
    account: int = 0
    """Number of the account; 0 for a token."""
    session: str = ""
    """Hash of the session; empty for a token."""
    person: str | None = None
    """Their own account at the proxy: its rows are not shown to them."""
    grants: tuple[Grant, ...] = ()
    """Every role they may act in."""

    @property
    def who(self) -> str:
        """As the audit trail writes it."""
        return f"console:{self.name}" if self.account else f"token:{self.name}"

    @property
    def role(self) -> Role:
        """The role they act in."""
        return self.grant.role

    @property
    def site(self) -> str | None:
        """The site they see; None for the whole trust."""
        return self.grant.site

    @property
    def names(self) -> Names:
        """How far they see names."""
        return NAMES[self.grant.role]

    def may(self, route: str) -> bool:
        """Whether they may use a route."""
        return may(self.role, route)
