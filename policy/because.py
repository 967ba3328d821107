"""Why, in one plain sentence.

In comes a row that decided and what it fitted by; out come the reason in one word and the sentence for people. The
rule's own words win; else the sentence is built from the titles of category, band and schedule.
"""

from __future__ import annotations

from typing import Literal

from categories.model import EntryKind, Match
from policy.builtinrows import ALLOW_ONLY_ROW, ALLOW_REST_ROW
from policy.client import Band
from policy.kinds import SIGNALLED, Kinds
from policy.model import Action, Reason, Tier
from policy.rows import BAND_TITLES, Policy
from policy.tables import Row

_DEED = {
    Action.ALLOW: "open",
    Action.BLOCK: "blocked",
    Action.WARN: "open only after a warning",
    Action.BYPASS: "open",
}
Spot = Literal["search", "address", "page"]
"""Where a phrase stands."""
_SPOTS: dict[Spot, str] = {
    "search": "words searched for",
    "address": "words of the address",
    "page": "words on the page",
}
_SPOT_REASON: dict[Spot, Reason] = {"search": Reason.SEARCH, "page": Reason.CONTENT}
_TIER_REASON = {Tier.LOCKED: Reason.STATUTORY, Tier.OVERRIDE: Reason.OVERRIDE}


def reason_of(row: Row, match: Match | None, kinds: Kinds, signalled: bool, spot: Spot = "search") -> Reason:
    """Why, in one word. A way round the filter is called that only when it is stopped."""
    if row.tier in _TIER_REASON:
        return _TIER_REASON[row.tier]
    if row.name in {ALLOW_ONLY_ROW, ALLOW_REST_ROW}:
        return Reason.DEFAULT
    if spot in _SPOT_REASON and match is not None and match.kind is EntryKind.PHRASE:
        return _SPOT_REASON[spot]
    if row.tightens and (signalled or (match is not None and _goes_round(match.category, kinds))):
        return Reason.CIRCUMVENTION
    return Reason.RULE


def _goes_round(category: str, kinds: Kinds) -> bool:
    return category == SIGNALLED or category in kinds.circumvention


def because_of(
    row: Row, match: Match | None, policy: Policy, band: Band, holding: frozenset[str], spot: Spot = "search"
) -> str:
    """Why, in one sentence a teacher understands. `holding` are the schedules that made the row fit.

    `spot` says where the phrase that fitted stands.
    """
    if row.rule.because:
        return row.rule.because
    if row.name == ALLOW_ONLY_ROW:
        return f"{BAND_TITLES[band]} may open only what an adult has chosen, and this is not among it."
    if row.name == ALLOW_REST_ROW:
        return f"No rule speaks against it for {BAND_TITLES[band]}."
    whom, when = _whom(row, policy, band), _when(row, policy, holding)
    if match is None:
        return f"{_thing(row)} is {_DEED[row.action]} for {whom}{when}."
    title = policy.kinds.title(match.category)
    if match.kind is EntryKind.PHRASE:
        return f"The {_SPOTS[spot]} belong to {title}, which {_is(title)} {_DEED[row.action]} for {whom}{when}."
    return f"{title} {_is(title)} {_DEED[row.action]} for {whom}{when}."


def _whom(row: Row, policy: Policy, band: Band) -> str:
    include = row.rule.who.include
    if len(include.groups) == 1 and row.include_who is not None:
        group = policy.groups.get(next(iter(include.groups)))
        if group is not None and group.title:
            return group.title
    return "everybody" if include.everyone and row.rule.where == frozenset() and row.tightens else BAND_TITLES[band]


def _thing(row: Row) -> str:
    if row.signals:
        return "This way of asking for a page"
    if row.uncategorised and not row.anything:
        return "A site that is in no list"
    return "Everything that no earlier rule settles" if row.anything else "This site"


def _when(row: Row, policy: Policy, holding: frozenset[str]) -> str:
    names = row.include_when & holding or row.include_when
    if names:
        return " during " + " and ".join(_title(name, policy) for name in sorted(names))
    if row.exclude_when:
        return " outside " + " and ".join(_title(name, policy) for name in sorted(row.exclude_when))
    return ""


def _title(name: str, policy: Policy) -> str:
    return str(policy.timetable.schedule(name))


def _is(title: str) -> str:
    """`Games are`, `Gambling is`, `Drugs and alcohol are`."""
    last = title.partition("(")[0].strip().rpartition(" ")[2].lower()
    plural = " and " in f" {title} " or (last.endswith("s") and not last.endswith(("ss", "news")))
    return "are" if plural else "is"
