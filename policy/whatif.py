"""What another policy would have done with requests that were made: two engines and requests in, numbers out.

Each request is decided again by both engines, at the time it was made, so that only what the policies differ in counts.
The rule: it says how many it looked at. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from policy.client import Client
from policy.engine import Engine
from policy.model import Action, Request, Verdict


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that was made."""

    request: Request
    """What was asked for."""
    client: Client
    """Who asked."""
    at: datetime
    """When; aware."""
    who: str
    """Stands for whoever asked, for counting people: an account, else a machine."""


@dataclass(slots=True)
class Turned:
    """Requests whose verdict would have been another, in one way."""

    requests: int = 0
    """How many."""
    people: Counter[str] = field(default_factory=Counter)
    """Requests of each of those who asked."""
    hosts: Counter[str] = field(default_factory=Counter)
    """Requests to each host."""
    visits: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests of each of them to each host."""
    rules: Counter[str] = field(default_factory=Counter)
    """Requests by the rule that would decide."""

    def add(self, seen: Seen, verdict: Verdict) -> None:
        """Count one."""
        self.requests += 1
        self.people[seen.who] += 1
        self.hosts[seen.request.url.host] += 1
        self.visits[seen.who, seen.request.url.host] += 1
        self.rules[verdict.rule or ""] += 1


KINDS = ("blocked", "warned", "opened", "unread", "read")
"""How a verdict may turn: blocked; opened only after a warning; opened; no longer read; read from now on."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What would have been otherwise."""

    looked: int
    """Requests decided again."""
    people: int
    """People who made them."""
    turned: dict[str, Turned]
    """For each of `KINDS`, what turned so."""

    @property
    def same(self) -> bool:
        """Whether nothing would have been otherwise."""
        return not any(one.requests for one in self.turned.values())

    @property
    def sentence(self) -> str:
        """In one sentence: `It would have blocked 312 requests of 41 people and opened 12 of 3.`"""
        said = [
            f"{_DEEDS[kind]} {one.requests:,} request{'s' if one.requests != 1 else ''} of {_people(len(one.people))}"
            for kind, one in self.turned.items()
            if one.requests
        ]
        if not said:
            return "It would have changed none of them."
        return f"It would have {said[0] if len(said) == 1 else ', '.join(said[:-1]) + ' and ' + said[-1]}."


_DEEDS = {
    "blocked": "blocked",
    "warned": "put a warning before",
    "opened": "opened",
    "unread": "passed unread",
    "read": "read",
}


def what_if(before: Engine, after: Engine, seen: Iterable[Seen]) -> WhatIf:
    """Decide each again by both."""
    turned = {kind: Turned() for kind in KINDS}
    looked, people = 0, set[str]()
    for one in seen:
        looked += 1
        people.add(one.who)
        was, now = (engine.decide(one.request, one.client, one.at) for engine in (before, after))
        if kind := how(was.action, now.action):
            turned[kind].add(one, now)
    return WhatIf(looked, len(people), turned)


def how(was: Action, now: Action) -> str:
    """How a verdict turned, one of `KINDS`; empty when it did not."""
    if was is now:
        return ""
    if now is Action.BLOCK:
        return "blocked"
    if now is Action.WARN:
        return "warned"
    if was in {Action.BLOCK, Action.WARN}:
        return "opened"
    return "unread" if now is Action.BYPASS else "read"


def _people(number: int) -> str:
    return f"{number:,} {'person' if number == 1 else 'people'}"
