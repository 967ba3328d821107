"""Why, in full: the verdict, its evidence, what would change it, and the rows that lost.

In comes what the engine heard while it decided; out comes one `Explanation`, the same text for console, command line
and block page. It never decides anything itself: what would change the verdict is found by asking the engine again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from categories.model import Match
from categories.pagetable import Finding
from policy.builtinrows import HELP_ROW
from policy.client import Band, Client
from policy.decide import Facts, Hit, fit_thing, fits_time
from policy.model import Action, Request, Stage, Tier, Verdict
from policy.rows import BAND_TITLES, STRICTNESS, Policy
from policy.safesearch import Change as SafeChange
from policy.safesearch import holds_for, safe, strict_host
from policy.tables import Row

if TYPE_CHECKING:
    from policy.engine import Engine

MAX_STEPS = 30
"""How many changes of schedule are tried before `by time` is given up: about a school week."""


class Asked(NamedTuple):
    """A row the engine asked, and its answer."""

    row: Row
    hit: Hit
    facts: Facts


@dataclass(frozen=True, slots=True)
class Change:
    """Something that would turn the verdict."""

    by: str
    """`time`, `band`, `override`, `policy` or `nothing`."""
    text: str
    """In words: `from 12:10 (lunch)`."""
    action: str = ""
    """The action then; empty when it is not known."""
    at: datetime | None = None
    """For `time`: from this moment."""
    band: Band | None = None
    """For `band`: this band."""

    def as_json(self) -> dict[str, str]:
        """Without what does not apply."""
        found = {"by": self.by, "text": self.text, "action": self.action}
        if self.at is not None:
            found["at"] = self.at.isoformat()
        if self.band is not None:
            found["band"] = self.band.value
        return {key: value for key, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class Loser:
    """A row that is about this request but did not decide it."""

    tier: Tier
    rule: str
    action: str
    line: int
    why: str
    """`later row`, `not at this time`, `for others`, `ended 2026-11-24 09:50`."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One verdict, told in full."""

    verdict: Verdict
    """Exactly what `decide` says."""
    request: Request
    client: Client
    at: datetime
    """The moment, in the site's own zone."""
    site: str
    """The site's title; empty when there is none."""
    line: int
    """Line of the deciding rule in the policy file; 0 for a built-in row."""
    file: str
    """The policy file."""
    changes: tuple[Change, ...]
    """What would turn the verdict."""
    losers: tuple[Loser, ...]
    """Rows about this request that did not decide, in reading order."""
    safer: SafeChange | None = None
    """What is sent to a search engine instead, so that its answers are safe; None when the request goes as it is."""

    def as_json(self) -> dict[str, Any]:
        """For machines: plain values only."""
        verdict, match = self.verdict, self.verdict.match
        return {
            "url": str(self.request.url),
            "action": verdict.action.value,
            "blocked": verdict.blocked,
            "reason": verdict.reason.value,
            "because": verdict.because,
            "tier": None if verdict.tier is None else verdict.tier.value,
            "rule": verdict.rule,
            "category": verdict.category,
            "categories": list(verdict.categories),
            "list": None if match is None else match.list,
            "entry": None if match is None else match.entry,
            "band": None if verdict.band is None else verdict.band.value,
            "terms": list(verdict.terms),
            "matches": [_match_json(item) for item in verdict.matches],
            "outranked": [
                {"tier": o.tier.value, "rule": o.rule, "action": o.action.value, "category": o.category}
                for o in verdict.outranked
            ],
            "safesearch": None if self.safer is None else _safer_json(self.safer),
            "would_change": [change.as_json() for change in self.changes],
            "client": _client_json(self.client),
            "at": self.at.isoformat(),
            "found": [_found_json(finding) for finding in self.request.found],
            "stage": verdict.stage.value,
            "revision": verdict.revision,
        }

    def as_text(self) -> str:
        """For people: verdict, because, evidence, what would change it, losers, identity."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        verdict = self.verdict
        where = f" at {self.site}" if self.site else ""
        yield f"{_HEADLINES[verdict.action.value]} for {self._whom()}{where} on {self.at:%A %-d %B %Y, %H:%M}"
        place = f", {self.file} line {self.line}" if self.line else ", built in"
        yield f"  because {verdict.because}"
        yield f"  by rule {verdict.rule!r} ({'' if verdict.tier is None else verdict.tier.value.upper()}{place})"
        for match in verdict.matches:
            at_line = f", line {match.line}" if match.line else ""
            yield f"  {match.entry} is in list {match.list!r}{at_line} ({match.kind.value}, category {match.category})"
        if not verdict.matches:
            yield "  in no list"
        for finding in self.request.found:
            match = finding.match
            if not finding.settled or match.weight:
                yield f"  on the page: {match.category}, {match.weight} points (the lists' limit is {finding.limit})"
        if verdict.terms:
            yield f"  searched for: {' · '.join(verdict.terms)}"
        if self.safer is not None:
            yield f"  SafeSearch: {_safer_words(self.safer)}"
        turned = [change.text for change in self.changes if change.by != "nothing"]
        would = "allowed" if verdict.blocked else "blocked"
        yield (
            f"  It would be {would}: {' · '.join(turned)}." if turned else "  Nothing in the policy would change this."
        )
        if self.losers:
            yield "Also about this, but did not decide"
            for loser in self.losers:
                at_line = f" (line {loser.line})" if loser.line else ""
                yield f"  {loser.tier.value.upper():<9}{loser.rule}{at_line}: {loser.action}, {loser.why}"
        yield f"Who: {self._identity()}"
        yield f"revision {verdict.revision}"

    def _whom(self) -> str:
        band = BAND_TITLES[self.verdict.band] if self.verdict.band is not None else "anybody"
        return f"{self.client.user} ({band})" if self.client.user else band

    def _identity(self) -> str:
        client = self.client
        user = client.user or "nobody signed in"
        how = f" from {client.source}" if client.source != "none" else ""
        sure = ", verified" if client.verified else ", not verified" if client.user else ""
        groups = f" · groups {', '.join(sorted(client.groups))}" if client.groups else ""
        fallback = "" if client.band_known else " · band from groups or, unknown, the strictest"
        return f"{user}{how}{sure}{groups}{fallback}"


_HEADLINES = {
    "allow": "ALLOWED",
    "block": "BLOCKED",
    "warn": "WARNED",
    "bypass": "PASSED THROUGH, not decrypted,",
}


def explain(
    engine: Engine, request: Request, client: Client, at: datetime, verdict: Verdict, asked: tuple[Asked, ...]
) -> Explanation:
    """Tell a verdict that `engine` made, from the rows it asked."""
    site = engine.policy.sites.get(client.site) if client.site is not None else None
    decided = next((item.row for item in asked if item.hit is not False), None)
    changes = [*_by_time(engine, request, client, at, verdict, asked), *_by_band(engine, request, client, at, verdict)]
    return Explanation(
        verdict=verdict,
        request=request,
        client=client,
        at=at.astimezone(engine.policy.timetable_of(client.site).zone),
        site="" if site is None else site.title,
        line=0 if decided is None else decided.rule.line,
        file=engine.policy.file,
        changes=(*changes, _by_people(verdict)),
        losers=tuple(_losers(asked, decided)),
        safer=None if verdict.blocked else _safer(engine.policy, request, client, verdict),
    )


def _safer(policy: Policy, request: Request, client: Client, verdict: Verdict) -> SafeChange | None:
    """What `addons.rewrite` does to this request once it is allowed, as far as the URL tells: cookies are not known."""
    if not holds_for(policy, client):
        return None
    if verdict.action is Action.BYPASS:
        host = strict_host(request.url)
        return None if host is None else SafeChange(host, request.url._replace(host=host))
    return safe(request.url) if request.stage is Stage.REQUEST else None


def _safer_json(change: SafeChange) -> dict[str, Any]:
    return {
        "engine": change.engine,
        "url": None if change.url is None else str(change.url),
        "headers": dict(change.headers),
        "cookie": change.cookie,
    }


def _safer_words(change: SafeChange) -> str:
    sent = [] if change.url is None else [str(change.url)]
    sent += [f"{name}: {value}" for name, value in change.headers]
    sent += [f"Cookie: {change.cookie}"] if change.cookie is not None else []
    return f"sent to {change.engine} with {' · '.join(sent)}"


def _by_time(
    engine: Engine, request: Request, client: Client, at: datetime, verdict: Verdict, asked: tuple[Asked, ...]
) -> Iterator[Change]:
    """The next moment at which the verdict turns, when time has a say at all."""
    timed = [item.row for item in asked if item.row.timed]
    names = frozenset(name for row in timed for name in (*row.include_when, *row.exclude_when))
    ends = sorted(row.until for row in timed if row.until is not None and row.until > at)
    moment = at
    for _ in range(MAX_STEPS if timed else 0):
        later = engine.next_change(client.site, names, moment)
        upcoming = [end for end in (later, *ends) if end is not None and end > moment]
        if not upcoming:
            return
        moment = min(upcoming)
        then = engine.decide(request, client, moment)
        if then.blocked != verdict.blocked:
            yield Change("time", _moment_text(engine, client.site, names, at, moment), then.action.value, moment)
            return


def _moment_text(engine: Engine, site: str | None, names: frozenset[str], at: datetime, moment: datetime) -> str:
    timetable = engine.policy.timetable_of(site)
    local, now = moment.astimezone(timetable.zone), at.astimezone(timetable.zone)
    before, then = timetable.holding(moment - timedelta(minutes=1)), timetable.holding(moment)
    begun, ended = sorted(then - before, key=lambda name: (name not in names, name)), sorted((before - then) & names)
    day = "" if local.date() == now.date() else f"{local:%A} " if (local - now).days < 6 else f"{local:%-d %B} "
    why = f" ({timetable.schedule(begun[0])})" if begun else f" (after {timetable.schedule(ended[0])})" if ended else ""
    return f"from {day}{local:%H:%M}{why}"


def _by_band(engine: Engine, request: Request, client: Client, at: datetime, verdict: Verdict) -> Iterator[Change]:
    """Every band for which the verdict turns, as if one of that band sat at the same machine."""
    for band in STRICTNESS:
        if band is verdict.band:
            continue
        other = replace(client, band=band, band_known=True, groups=frozenset(), user=None)
        then = engine.decide(request, other, at)
        if then.blocked != verdict.blocked:
            yield Change("band", f"for {BAND_TITLES[band]}", then.action.value, band=band)


def _by_people(verdict: Verdict) -> Change:
    """Who may turn it by hand."""
    if verdict.tier is Tier.LOCKED:
        return Change("nothing", "LOCKED: nothing opens it")
    if verdict.rule == HELP_ROW:
        return Change("nothing", "help sites are always open")
    if verdict.tier is Tier.TRUST:
        return Change("policy", "by the trust's policy")
    return Change("override", "by an override")


def _losers(asked: tuple[Asked, ...], decided: Row | None) -> Iterator[Loser]:
    for row, hit, facts in asked:
        if row is decided:
            continue
        why = "later row" if hit is not False else _why_not(row, facts)
        if why:
            yield Loser(row.tier, row.name, row.action.value, row.rule.line, why)


def _why_not(row: Row, facts: Facts) -> str:
    """Why a row that is about this request does not fit; empty when it is not about it at all."""
    if fit_thing(row, facts) is False:
        return ""
    if row.until is not None and facts.at >= row.until:
        return f"ended {row.until:%Y-%m-%d %H:%M}"
    return "for others" if fits_time(row, facts) else "not at this time"


def _found_json(finding: Finding) -> dict[str, Any]:
    return {**_match_json(finding.match), "limit": finding.limit, "settled": finding.settled}


def _match_json(match: Match) -> dict[str, Any]:
    return {
        "category": match.category,
        "list": match.list,
        "entry": match.entry,
        "line": match.line,
        "kind": match.kind.value,
        "weight": match.weight,
    }


def _client_json(client: Client) -> dict[str, Any]:
    return {
        "site": client.site,
        "device": client.device,
        "address": client.address,
        "user": client.user,
        "groups": sorted(client.groups),
        "band": client.band.value,
        "band_known": client.band_known,
        "source": client.source,
        "verified": client.verified,
        "shared": client.shared,
    }
