"""All the core needs: one immutable engine of lists and policy.

In come a request, a client and a time; out comes a verdict. An engine is built aside, checks itself, and is swapped in
whole; one that fails its checks is never seen by a request. Thread-safe: what it keeps besides are answers that come
out the same whoever computes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, final

from categories.model import EntryKind, Index, Match
from categories.names import Url
from categories.urlreadings import other_readings
from policy.because import Spot, because_of, reason_of
from policy.case import Case, Second
from policy.claims import mismatched, others
from policy.client import Band, Client
from policy.content import heard, worst_page
from policy.decide import Facts, Hit, Trace, read, strictness
from policy.explain import Asked, Explanation, explain
from policy.hostfacts import Hosts
from policy.kinds import SIGNALLED
from policy.locked import closed, statutory_trouble
from policy.model import Action, Reason, Request, Signal, Stage, Tier, Verdict
from policy.remembered import Remembered, categories_of
from policy.rows import Policy
from policy.searches import search_terms
from policy.shapes import shape
from policy.tables import Row, Table
from policy.wrappers import Wrapped, wrapped

ALGORITHM = 7
"""Raised whenever the same lists and policy would be read differently: it is part of the revision."""
_CHANGES_KEPT = 20_000
_MINUTE: Final = timedelta(minutes=1)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NO_SIGNALS: Final[frozenset[Signal]] = frozenset()
_SIGNAL_LIST = "built-in/signals"
_MEANINGS = {
    Signal.DOH: ("doh", SIGNALLED),
    Signal.WEB_PROXY: ("proxy-avoidance", SIGNALLED),
    Signal.HIDDEN_NETWORK: ("tor", SIGNALLED),
    Signal.HIDDEN_SEARCH: ("unsafe-search",),
    Signal.WRAPPED_URL: (),
}
_SIGNALLED = {
    signal: tuple(
        Match(category, _SIGNAL_LIST, signal.value, 0, EntryKind.DOMAIN)
        for category in _MEANINGS.get(signal, (SIGNALLED,))
    )
    for signal in Signal
}
"""What signals classify as. A wrapped URL is in every link of a search page, so by itself it is no attempt: what it
wraps is decided with the rest; a rule may still ask for `signal:wrapped-url`."""
_UNPROVEN = frozenset({Signal.NO_SNI, Signal.NAME_MISMATCH})
"""Signals under which a host's name is not to be trusted enough to pass it undecrypted."""


class EngineProblem(Exception):
    """The engine must not be used: it failed its own checks. Says what is wrong and what to do."""


@final
class Engine:
    """Lists and policy together. Immutable; decides and explains."""

    def __init__(self, index: Index, policy: Policy, *, revision: str = "", closes_at: datetime | None = None) -> None:
        """Compile and check. Raises `EngineProblem` when a check fails."""
        self.index = index
        """The lists."""
        self.policy = policy
        """The policy."""
        self.closes_at = closes_at
        """From when everything is refused: the school wants no service without its statutory lists."""
        self.revision = revision or _revision(index, policy, closes_at)
        """Changes with every change of lists, policy or algorithm."""
        sites = (None, *policy.sites)
        self._tables = {(band, site): Table(policy, band, site) for band in Band for site in sites}
        self._reads_urls = index.reads_urls
        self._hosts = Hosts(index, frozenset().union(*(table.url_hosts for table in self._tables.values())))
        self._worst_page = worst_page(index)
        self._minute: tuple[datetime, datetime, dict[str | None, frozenset[str]]] = (_LONG_AGO, _LONG_AGO, {})
        self._changes: dict[tuple[str | None, str, datetime], datetime | None] = {}
        self._known = Remembered()
        self._check()

    def decide(self, request: Request, client: Client, at: datetime) -> Verdict:
        """The verdict for this request, client and moment. `at` must be aware. Pure."""
        return self._decide(request, client, at, None)

    def explain(self, request: Request, client: Client, at: datetime) -> Explanation:
        """The same verdict, with every row that was asked and what would change it."""
        asked: list[Asked] = []
        verdict = self._decide(request, client, at, asked)
        return explain(self, request, client, at, verdict, tuple(asked))

    def heeds_page(self, request: Request, client: Client, at: datetime) -> bool:
        """Whether anything on the page that answers could close it: else it need not be looked at."""
        found = self._worst_page
        if not found:
            return False
        url, _, method, claims, terms, signals, _ = request
        return self.decide(Request(url, Stage.RESPONSE, method, claims, terms, signals, found), client, at).blocked

    def holding(self, site: str | None, at: datetime) -> frozenset[str]:
        """Names of the schedules that hold at a site; remembered for the minute, the unit policies are written in."""
        since, until, known = self._minute
        if not since <= at < until:
            since = at.astimezone(UTC).replace(second=0, microsecond=0)
            known = {}
            self._minute = (since, since + _MINUTE, known)
        found = known.get(site)
        if found is None:
            found = known[site] = self.policy.timetable_of(site).holding(at)
        return found

    def next_change(self, site: str | None, names: Collection[str], at: datetime) -> datetime | None:
        """When one of these schedules starts or ends next at that site; remembered, so that many can be explained."""
        timetable, found = self.policy.timetable_of(site), []
        if len(self._changes) > _CHANGES_KEPT:
            self._changes = {}
        for name in names:
            key = (site, name, at)
            if key not in self._changes:
                self._changes[key] = timetable.next_change((name,), at)
            if (change := self._changes[key]) is not None:
                found.append(change)
        return min(found, default=None)

    @property
    def missing_statutory(self) -> tuple[str, ...]:
        """Statutory categories that no list fills. What *compliant* asks of them is `proxy.statutory_state`'s to say.

        The starter lists hold none of the licensed entries, so what stands in them fills nothing.
        """
        filled = {s.category for s in self.index.lists if s.entries and not s.name.startswith("starter/")}
        return tuple(sorted(self.policy.kinds.statutory - filled))

    def _decide(self, request: Request, client: Client, at: datetime, asked: list[Asked] | None) -> Verdict:
        if at.tzinfo is None:
            raise ValueError("`at` must be an aware time: a wall clock without a zone decides nothing")
        site = client.site if client.site in self.policy.sites else None
        table = self._tables[self.policy.band_of(client), site]
        if self.closes_at is not None and at >= self.closes_at:
            return closed(table.band, request.stage, self.revision)
        url = request.url
        named = others(request) if request.claims else ()
        holding = self.holding(site, at)
        supposed = bool(request.found) and request.found is self._worst_page  # the same page every time
        place = self._known.place((table, request.stage, holding, table.asker(client, at), supposed))
        plain = asked is None and not named and not self._reads_urls and (supposed or not request.found)
        if plain and self._hosts.settle(request):
            known = place.hosts.get(url.host)
            if known is not None:
                return known
            return self._settled(Case(request, client, at, table, holding, _NO_SIGNALS, place))
        signals = request.signals
        if shaped := shape(url, request.method):
            signals |= shaped
        if named and mismatched(request, named):
            signals |= {Signal.NAME_MISMATCH}
        inner = wrapped(url)
        seconds = [*named, *other_readings(url)]
        for other in named:
            inner += wrapped(other)
            seconds += other_readings(other)
        if inner:
            signals |= {Signal.WRAPPED_URL}
        case = Case(request, client, at, table, holding, signals, place)
        verdict = self._answer(url, case, asked)
        for other in seconds:
            verdict = _stricter(verdict, self._second(other, case, asked), asked)
        if inner:
            read = [replace(one, url=other) for one in inner for other in other_readings(one.url)]
            for one in (*inner, *read):
                verdict = _stricter(verdict, self._inside(one, case, asked), asked)
        return verdict

    def _second(self, url: Url, case: Case, asked: list[Asked] | None) -> Second:
        """What another name the request goes by meets."""
        heard: list[Asked] | None = None if asked is None else []
        return Second(self._answer(url, case, heard), heard)

    def _inside(self, one: Wrapped, case: Case, asked: list[Asked] | None) -> Second:
        """What a wrapped URL meets. Asking for a copy of a closed page is an attempt to get round the filter."""
        signals = case.signals | shape(one.url)
        if one.url.is_address:
            signals |= {Signal.IP_LITERAL}
        if one.deeper:
            signals |= {Signal.WEB_PROXY}
        second = self._second(one.url, case.with_signals(signals), asked)
        verdict = second.verdict
        if one.copied and verdict.blocked and verdict.tier is not Tier.LOCKED:
            return Second(verdict._replace(reason=Reason.CIRCUMVENTION), second.heard)
        return second

    def _answer(self, url: Url, case: Case, asked: list[Asked] | None) -> Verdict:
        """The verdict for one thing the request claims to be."""
        request, full = case.request, case.full
        sited = self.index.match(url)
        if not full and sited:
            sited = tuple([match for match in sited if match.kind is not EntryKind.URL])
        terms: tuple[str, ...] = ()
        words: tuple[Match, ...] = ()
        if full and (url.query or url.path != "/" or request.terms):
            terms, words = self._words(url, request)
        if asked is not None or terms or request.found or (full and self._reads_urls):
            return self._read(url, case, asked, sited, terms, words)
        hosts = case.table.hosts(url)
        if full and hosts and not case.table.url_hosts.isdisjoint(hosts):
            return self._read(url, case, None, sited, (), ())
        # Whatever a row may ask of this request is in the key: a verdict is remembered for all that differ in nothing.
        below = None if full else self.index.has_entries_below(url.host)
        return self._alike(url, case, sited, hosts, below)

    def _settled(self, case: Case) -> Verdict:
        """The verdict for a request of which nothing but the host matters."""
        url = case.request.url
        sited = self.index.pageless(url) if case.full else None
        if sited is None:
            verdict = self._answer(url, case, None)
        else:
            verdict = self._alike(url, case, sited, case.table.hosts(url), None)
        case.place.keep_host(url.host, verdict)
        return verdict

    def _alike(
        self, url: Url, case: Case, sited: tuple[Match, ...], hosts: frozenset[str], below: frozenset[str] | None
    ) -> Verdict:
        """The verdict that entries of the same categories met, or meet now: read once."""
        key = (categories_of(sited), case.signals, hosts, below)
        verdict = case.place.alike(key, sited)
        if verdict is None:
            verdict = self._read(url, case, None, sited, (), ())
            case.place.keep(key, verdict)
        return verdict

    def _read(
        self,
        url: Url,
        case: Case,
        asked: list[Asked] | None,
        sited: tuple[Match, ...],
        terms: tuple[str, ...],
        words: tuple[Match, ...],
    ) -> Verdict:
        """The verdict, by reading the table from the top."""
        request, full = case.request, case.full
        signalled = tuple(m for s in sorted(case.signals) for m in _SIGNALLED[s]) if case.signals else ()
        searched = words
        paged = heard(request.found, self.policy.page_limits, case.table.band) if request.found else ()
        if full and (paged or self._reads_urls):
            words = tuple(dict.fromkeys((*searched, *self.index.match_words(url), *paged)))
        heeded = words
        if words and not self.policy.kinds.help.isdisjoint(match.category for match in sited):
            heeded = ()
        facts = Facts(
            url,
            full,
            case.client,
            case.at,
            case.holding,
            sited,
            signalled,
            heeded,
            case.signals,
            case.table.hosts(url),
        )
        row, hit, lost = read(case.table, facts, None if asked is None else _listener(asked, facts))
        action, provisional = row.action, False
        if not full:
            action, provisional = self._at_connect(row, facts, case.table)
        elif action is Action.BYPASS:
            action = Action.ALLOW
        match = hit if isinstance(hit, Match) else None
        spot: Spot = "search" if match in searched else "page" if match in paged else "address"
        reason, because = self._why(row, match, case, spot)
        named = match
        if named is None and sited and not row.tightens:
            named = sited[0]
        return Verdict(
            action,
            reason,
            because,
            row.tier,
            row.name,
            None if named is None else named.category,
            named,
            facts.things + words,
            lost,
            case.table.band,
            terms,
            request.stage,
            self.revision,
            provisional,
        )

    def _words(self, url: Url, request: Request) -> tuple[tuple[str, ...], tuple[Match, ...]]:
        """The search terms of a request, and what lists say of them."""
        terms = search_terms(url) if request.terms is None else request.terms
        if not terms:
            return (), ()
        match_text = self.index.match_text
        return terms, tuple(dict.fromkeys(match for term in terms for match in match_text(term)))

    def _why(self, row: Row, match: Match | None, case: Case, spot: Spot) -> tuple[Reason, str]:
        holding = row.include_when & case.holding if row.include_when else row.include_when
        worded = match is not None and match.kind is EntryKind.PHRASE
        key = (None if match is None else match.category, worded, spot, holding)
        known = row.sentences.get(key)
        if known is None:
            signalled = match is None and bool(row.signals) and not row.anything
            kinds = self.policy.kinds
            because = because_of(row, match, self.policy, case.table.band, holding, spot)
            known = row.sentences[key] = (reason_of(row, match, kinds, signalled, spot), because)
        return known

    def _at_connect(self, row: Row, facts: Facts, table: Table) -> tuple[Action, bool]:
        """The action when only the host is known, and whether a URL below the host could still escape it.

        What is not decrypted is never looked at again, so `bypass` holds only where nothing LOCKED can lie below the
        host and the name is sure; one click, also only where this table closes no listed page below it. Else it is
        allowed, and inspected.
        """
        if row.tier is Tier.LOCKED or row.action is Action.ALLOW:
            return row.action, False
        inside = self.index.has_entries_below(facts.url.host)
        named = not table.url_hosts.isdisjoint(facts.hosts)
        if row.action is Action.BYPASS:
            sure = not named and facts.signals.isdisjoint(_UNPROVEN) and inside.isdisjoint(self.policy.kinds.statutory)
            if row.unread:  # what the policy's own rules may not say (`policy.checks`), one click may not either
                never = self.policy.kinds.harmful | self.policy.kinds.circumvention
                sure = sure and never.isdisjoint(match.category for match in facts.things)
                sure = sure and not any(_supposing(category, facts, table).tightens for category in inside)
            return (Action.BYPASS if sure else Action.ALLOW), False
        return row.action, named or any(self._escapes(category, row, facts, table) for category in inside & table.mild)

    def _escapes(self, category: str, row: Row, facts: Facts, table: Table) -> bool:
        """Whether a URL of that category on the same host would meet a milder row."""
        other = _supposing(category, facts, table)
        return not other.tightens or (other.action is Action.WARN and row.action is Action.BLOCK)

    def _check(self) -> None:
        """Prove that what may never change is unchanged, for every band at every site (design §5.3, B-53)."""
        kinds = self.policy.kinds
        if not kinds.statutory or not kinds.help:
            raise EngineProblem("no statutory or no help category is known; load the policy with the whole taxonomy")
        if trouble := statutory_trouble(self.index, kinds):
            raise EngineProblem(trouble)
        for table in self._tables.values():
            for category in sorted(kinds.statutory | kinds.help):
                row = self._probe(table, category)
                right = Action.BLOCK if category in kinds.statutory else Action.ALLOW
                if row.action is not right or row.tier not in {Tier.LOCKED, Tier.TRUST}:
                    what = f"{category} must be {right} for everyone, but rule {row.name!r} says {row.action}"
                    raise EngineProblem(f"{what} (band {table.band}, site {table.site or 'none'})")

    def _probe(self, table: Table, category: str) -> Row:
        probe = Match(category, "self-test", "probe.invalid", 0, EntryKind.DOMAIN)
        client, at = Client(site=table.site, band=table.band, band_known=True), datetime(2026, 1, 1, tzinfo=UTC)
        url, holding = Url("https", "probe.invalid", 443), self.holding(table.site, at)
        facts = Facts(url, True, client, at, holding, (probe,), (), (), _NO_SIGNALS, frozenset({url.host}))
        return read(table, facts)[0]


def _revision(index: Index, policy: Policy, closes_at: datetime | None) -> str:
    text = f"{ALGORITHM}|{policy.digest}|{index.revision}|{closes_at or ''}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _stricter(first: Verdict, second: Second, asked: list[Asked] | None) -> Verdict:
    """The stricter of two verdicts, with what was asked for it. Words searched for inside are told either way."""
    verdict = second.verdict
    if strictness(verdict) <= strictness(first):
        return first._replace(terms=verdict.terms) if verdict.terms and not first.terms else first
    if asked is not None and second.heard is not None:
        asked[:] = second.heard
    return verdict


def _supposing(category: str, facts: Facts, table: Table) -> Row:
    """The row that would decide a listed page of that category on this host."""
    return read(table, facts.supposing(Match(category, "", "", 0, EntryKind.URL)))[0]


def _listener(asked: list[Asked], facts: Facts) -> Trace:
    def hear(row: Row, hit: Hit) -> None:
        asked.append(Asked(row, hit, facts))

    return hear
