"""The one algorithm: read the table from the top; the first row that fits who, what, where and when decides.

In come a table and the facts of one request; out comes the row that decided and the rows that fitted too. `decide` and
`explain` both come through `read`; the trace only listens, so they cannot disagree (design §5.5).

Words only ever tighten: a search term can make a blocking or warning row fit, never an allowing one, and none at all on
a help site (B-53). So nobody opens a page by adding a harmless word to a search.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from categories.model import Match
from categories.names import Url
from categories.paths import folded_all, folded_path, folded_query, split_query
from policy.client import Client
from policy.model import Action, Outranked, Signal, Tier, Verdict
from policy.rows import Things
from policy.tables import Row, Table

type Hit = Match | bool
"""How a row fits: by a match, by something else (True), or not (False)."""


class Facts:
    """What is known of one request, laid out for reading. Made fresh for each, never shared."""

    __slots__ = ("at", "blocking", "client", "full", "holding", "hosts", "signals", "sited", "things", "url")

    def __init__(
        self,
        url: Url,
        full: bool,
        client: Client,
        at: datetime,
        holding: frozenset[str],
        sited: tuple[Match, ...],
        signalled: tuple[Match, ...],
        words: tuple[Match, ...],
        signals: frozenset[Signal],
        hosts: frozenset[str],
    ) -> None:
        self.url = url
        self.full = full
        """True when more than the host is known."""
        self.client = client
        self.at = at
        self.holding = holding
        """Names of the schedules that hold."""
        self.sited = sited
        """What lists say of the host or URL itself."""
        self.things = sited + signalled if signalled else sited
        """What any row may fit by."""
        self.blocking = self.things + words if words else self.things
        """What a row that tightens may fit by."""
        self.signals = signals
        self.hosts = hosts
        """The host and its parents, as far as any row names them."""

    def supposing(self, match: Match) -> Facts:
        """The same facts, were that entry to fit as well."""
        sited, signalled = (*self.sited, match), self.things[len(self.sited) :]
        words = self.blocking[len(self.things) :]
        return Facts(
            self.url, self.full, self.client, self.at, self.holding, sited, signalled, words, self.signals, self.hosts
        )


class Trace(Protocol):
    """Listens while a table is read."""

    def __call__(self, row: Row, hit: Hit) -> None:
        """Called for every row that was asked, in reading order."""


def read(table: Table, facts: Facts, trace: Trace | None = None) -> tuple[Row, Hit, tuple[Outranked, ...]]:
    """The row that decides, how it fits, and the rows that fitted too.

    There always is one: the last row of a table fits everything.
    """
    winner: Row | None = None
    won: Hit = False
    unread: tuple[Row, Hit] | None = None
    lost: list[Outranked] = []
    rows = table.rows
    for position in _candidates(table, facts):
        row = rows[position]
        hit = fit(row, facts)
        if trace is not None:
            trace(row, hit)
        if hit is False:
            continue
        if winner is None and row.unread:
            unread = unread or (row, hit)
        elif winner is None:
            winner, won = row, hit
        else:
            lost.append(_outranked(row, hit))
    if winner is None:
        raise LookupError(
            f"no row of the table for {table.band} at {table.site} fits; its last row must fit everything"
        )
    if unread is not None and winner.action is Action.ALLOW:  # it says how what is allowed passes, never whether
        return *unread, (_outranked(winner, won), *lost)
    return winner, won, tuple(lost)


def _candidates(table: Table, facts: Facts) -> Iterable[int]:
    """Positions of the rows that could fit, in reading order."""
    if not (facts.blocking or facts.hosts or facts.signals):
        return table.general
    found: set[int] = set()
    by_category = table.by_category
    for match in facts.blocking:
        found.update(by_category.get(match.category, ()))
    for host in facts.hosts:
        found.update(table.by_host.get(host, ()))
    for signal in facts.signals:
        found.update(table.by_signal.get(signal, ()))
    if not found:
        return table.general
    found.update(table.general)
    return sorted(found)


def _outranked(row: Row, hit: Hit) -> Outranked:
    category = hit.category if isinstance(hit, Match) else None
    known = row.losing.get(category)
    if known is None:
        known = row.losing[category] = Outranked(row.tier, row.name, row.action, category)
    return known


def fit(row: Row, facts: Facts) -> Hit:
    """Whether and how a row fits: when, who, then what."""
    if row.timed and not fits_time(row, facts):
        return False
    if row.include_who is not None and not row.include_who.has(facts.client):
        return False
    if row.exclude_who is not None and row.exclude_who.has(facts.client):
        return False
    return fit_thing(row, facts)


def fits_time(row: Row, facts: Facts) -> bool:
    """Whether the row holds at that time."""
    if row.include_when and row.include_when.isdisjoint(facts.holding):
        return False
    if row.exclude_when and not row.exclude_when.isdisjoint(facts.holding):
        return False
    return row.until is None or facts.at < row.until


def fit_thing(row: Row, facts: Facts) -> Hit:
    """Whether and how the row is about this request."""
    hit: Hit = False
    if row.categories:
        for match in facts.blocking if row.tightens else facts.things:
            if match.category in row.categories:
                hit = match
                break
    if hit is False:
        hit = (
            row.anything
            or (row.uncategorised and not facts.sited)
            or (bool(row.hosts) and not row.hosts.isdisjoint(facts.hosts))
            or (bool(row.signals) and not row.signals.isdisjoint(facts.signals))
            or (bool(row.urls) and facts.full and any(below(url, facts, broadly=row.tightens) for url in row.urls))
        )
    if hit is not False and row.excludes is not None and _excluded(row.excludes, row.tightens, facts):
        return False
    return hit


def _excluded(things: Things, tightens: bool, facts: Facts) -> bool:
    """Whether a `not` item speaks against the row. Words exclude only what would loosen."""
    if things.categories:
        for match in facts.things if tightens else facts.blocking:
            if match.category in things.categories:
                return True
    return (
        (things.uncategorised and not facts.sited)
        or not things.hosts.isdisjoint(facts.hosts)
        or not things.signals.isdisjoint(facts.signals)
        or (facts.full and any(below(url, facts, broadly=not tightens) for url in things.urls))
    )


def below(prefix: Url, facts: Facts, *, broadly: bool) -> bool:
    """Whether the request is at or below a URL the policy names: its host (or below), its path up to a border, and the
    parameters it names among those asked for.

    `broadly` is for what closes: it heeds neither case nor escapes, as lists do, because a server may not either. What
    opens means the very page.
    """
    if prefix.host not in facts.hosts:
        return False
    url = facts.url
    if broadly:
        path, wanted, asked = folded_path(url.path), *_folded(prefix)
        if not prefix.query:
            return _up_to_border(wanted, path, "/;")
        if path != wanted:
            return False
        given = set(folded_all(split_query(url.query)))
        return asked <= given or _up_to_border(folded_query(prefix.query), folded_query(url.query), "&;")
    if prefix.query:
        return _unslashed(url.path) == _unslashed(prefix.path) and (
            _up_to_border(prefix.query, url.query, "&;")
            or set(split_query(prefix.query)) <= set(split_query(url.query))
        )
    return _up_to_border(_unslashed(prefix.path), url.path, "/;")


@lru_cache(maxsize=4096)
def _folded(prefix: Url) -> tuple[str, frozenset[str]]:
    """Path and parameters of a URL the policy names, as they are compared broadly."""
    return _unslashed(folded_path(prefix.path)), frozenset(folded_all(split_query(prefix.query)))


def _unslashed(path: str) -> str:
    """A path without the slash at its end, which makes no other page of it."""
    return path.rstrip("/") or "/"


def _up_to_border(prefix: str, text: str, borders: str) -> bool:
    if not text.startswith(prefix):
        return False
    return len(text) == len(prefix) or prefix[-1] in borders or text[len(prefix)] in borders


_STRICTNESS = {Action.BYPASS: 0, Action.ALLOW: 1, Action.WARN: 2, Action.BLOCK: 3}


def strictness(verdict: Verdict) -> int:
    """How strict a verdict is, for comparing what several claims meet: bypass < allow < warn < block < LOCKED."""
    return 4 if verdict.tier is Tier.LOCKED else _STRICTNESS[verdict.action]
