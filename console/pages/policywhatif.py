"""What a draft would have done with the requests of the last day."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from categories.names import NameProblem, canonical_url
from console import drafting
from console.drawing import link
from console.looking import is_own, reason_to_look, written_subject
from console.page import Answer, Ask, Page, Param, Refused, Shown
from console.roles import Names
from identity.directory import account_name
from logstore.audit import record_look
from logstore.filter import LogFilter
from logstore.query import Archive, SearchTooWide
from logstore.rows import Row
from policy.client import STRICTEST_BAND, Band, Client
from policy.comparing import standing
from policy.model import Request, Stage
from policy.rows import Policy
from policy.rules import PolicyErrors
from policy.whatif import KINDS, Seen, WhatIf, what_if
from registry.change import RegistryError

ROWS = 50_000
"""Most requests that are decided again: the newest."""
SECONDS = 6.0
"""Longest time it may take."""
HOURS = {1: "the last hour", 24: "the last day", 72: "the last three days"}
"""How far back, to pick from."""
TOP = 10
"""Hosts and people that are named of each kind."""
FEW = 3
"""A host that fewer people than this asked for is not told: that would be one person's history, without a reason."""
NOT_OURS = frozenset({"guard", "identity", "certificate", "upstream", "record", "failure", "content"})
"""Reasons by which something else than the policy decided: another policy changes nothing there."""
HEADINGS = {
    "blocked": ("bad", "✕", "Would have been blocked"),
    "warned": ("note", "!", "Would have been open only after a warning"),
    "opened": ("good", "✓", "Would have been open"),
    "unread": ("note", "↷", "Would have passed unread"),
    "read": ("note", "◉", "Would have been read"),
}


def show(ask: Ask) -> Answer:
    """Decide the newest requests again, by the policy in force and by the draft."""
    with ask.house.turns.of(f"what-if {ask.me.who}") as theirs:
        if not theirs:
            raise Refused("One at a time", "Another what-if of yours is still being worked out. Try again then.", 429)
        return _show(ask)


def _show(ask: Ask) -> Shown:
    version, view = drafting.wanted(ask, still_open=True), dict[str, Any]()
    back = ask.query.get("hours", "")
    hours = int(back) if back.isdigit() and int(back) in HOURS else 24
    named = ask.query.get("who") == "yes" and ask.me.names is not Names.NEVER
    walk = _Walk(ask, hours)
    try:
        before, after = ask.house.doors.engines(version.text)
    except (PolicyErrors, RegistryError) as error:
        problems = tuple(map(str, error.problems))
        view = {"one": version, "found": None, "problems": problems, "hours": HOURS, "told": {"hours": hours}}
        return Shown(data={"draft": version.id, "problems": problems}, view=view)
    looks = _looks(ask, before.policy, after.policy)
    # The line in the trail first: what cannot be written down is not looked at.
    words = f"what-if of policy version {version.id} over at most {ROWS:,} requests of the last {hours} hours"
    with ask.house.writing() as connection:
        asked = words + (", with names" if named else "")
        record_look(connection, who=ask.me.who, subject="record", asked=asked, rows=None, at=ask.now)
        for whom, why in looks:
            record_look(connection, who=ask.me.who, subject=whom, asked=asked, rows=None, why=why, at=ask.now)
    found = what_if(before, after, walk)
    told = _facts(ask, version.id, found, walk, named=named)
    view = {
        "one": version,
        "found": found,
        "told": told,
        "headings": HEADINGS,
        "hours": HOURS,
        "named": named,
        "problems": (),
        "log": lambda host: link("/log", host=host, since=f"{hours}h", parts="yes") if ask.me.may("log") else "",
        "names_link": link(f"/policy/drafts/{version.id}/what-if", hours=hours, who="yes")
        if ask.me.names is not Names.NEVER else "",
    }  # fmt: skip
    return Shown(data=told, view=view)


def _looks(ask: Ask, before: Policy, after: Policy) -> list[tuple[str, str]]:
    """Whom the rules that differ name, and the reason given for each. Raises `Refused`, as any look at one's rows."""
    old, new = standing(before), standing(after)
    rules = [stands[name].rule for name in old.keys() | new.keys() if old.get(name) != new.get(name)
             for stands in (old, new) if name in stands]  # fmt: skip
    people = [side for rule in rules for side in (rule.who.include, rule.who.exclude)]
    named = {LogFilter(user=name) for side in people for name in side.users}
    named |= {LogFilter(device=name) for side in people for name in side.devices}
    named |= {LogFilter(group=name, site=ask.me.site) for side in people for name in side.groups}
    found = []
    for wanted in sorted(named, key=repr):
        why = reason_to_look(ask, wanted)
        if (subject := written_subject(ask, wanted)) != "record":
            found.append((subject, why))
    return found


class _Walk:
    """The newest requests, as far as rows and time allow; says afterwards how far it came."""

    def __init__(self, ask: Ask, hours: int) -> None:
        self.ask, self.hours = ask, hours
        self.left_out = 0
        """Rows in which something else than the policy decided."""
        self.whole = True
        """Whether every row of that time was looked at."""
        self.oldest = ask.now
        """Time of the oldest row looked at."""

    def __iter__(self) -> Iterator[Seen]:
        ask, began = self.ask, time.monotonic()
        wanted = LogFilter(since=ask.now - timedelta(hours=self.hours), until=ask.now, site=ask.me.site)
        try:
            with Archive(ask.house.where, seconds=SECONDS) as archive:
                for number, row in enumerate(archive.walk(wanted, limit=1_000)):
                    if number >= ROWS or (number % 100 == 0 and time.monotonic() - began > SECONDS):
                        self.whole = False
                        return
                    self.oldest = row.at
                    if (seen := seen_of(row)) is None:
                        self.left_out += 1
                    else:
                        yield seen
        except SearchTooWide:
            self.whole = False


def seen_of(row: Row) -> Seen | None:
    """A row of the record as a request that can be decided again; None where the policy did not decide."""
    record = row.record
    if row.reason in NOT_OURS:
        return None
    try:
        url = canonical_url(record.url)
    except NameProblem:
        return None
    stage = Stage.CONNECT if record.path is None else Stage.REQUEST
    band = Band(record.band) if record.band in set(Band) else None
    client = Client(
        record.site, record.device, record.client_address, record.user, frozenset(record.groups),
        band or STRICTEST_BAND, band is not None,
    )  # fmt: skip
    who = account_name(record.user) if record.user else record.device or record.client_address
    return Seen(Request(url, stage, record.method), client, row.at, who)


def _facts(ask: Ask, number: int, found: WhatIf, walk: _Walk, *, named: bool) -> dict[str, Any]:
    kinds = {}
    for kind in KINDS:
        one = found.turned[kind]
        few = len(one.people) < FEW
        met = Counter(host for _, host in one.visits)
        told = {host for host, people in met.items() if people >= FEW}
        hosts = Counter({host: count for host, count in one.hosts.items() if host in told})
        kinds[kind] = {
            "requests": one.requests,
            "people": len(one.people),
            "hosts": [{"host": host, "requests": count} for host, count in hosts.most_common(TOP)],
            "few": bool(one.hosts) and (few or not told),
            "rules": [{"rule": rule, "requests": count} for rule, count in one.rules.most_common(TOP)],
        }
        if named:
            # Of somebody only what they asked of hosts that others asked of, too.
            seen = Counter[str]()
            for (who, host), count in one.visits.items():
                if host in told and not is_own(ask, who):
                    seen[who] += count
            people = seen.most_common(TOP)
            kinds[kind]["who"] = [{"name": who, "requests": count} for who, count in people]
    return {
        "draft": number,
        "hours": walk.hours,
        "sentence": found.sentence,
        "looked_at": found.looked,
        "people": found.people,
        "left_out": walk.left_out,
        "whole": walk.whole,
        "oldest": walk.oldest,
        "turned": kinds,
    }


PAGES = (
    Page(
        name="policy-whatif", path="/policy/drafts/{id:int}/what-if", title="What if?", show=show,
        template="policywhatif.html",
        params=(
            Param(name="hours", words="how far back: 1, 24 or 72"),
            Param(name="who", words="`yes`: names those it would have met, for who may see names"),
        ),
    ),
)  # fmt: skip
