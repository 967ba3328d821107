"""What is on a page, as far as rules may ask: findings in, matches out. Pure.

A finding says how many points of a category a page has; how many are too many is the band's to say (`page_limits` of
the policy), or the list's where the policy says nothing. Words only ever tighten (`policy.decide`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from categories.model import EntryKind, Index, Match
from categories.pagetable import Finding
from policy.client import Band

WORST = "any phrase"
"""The entry of a match that only supposes what a page might hold."""


def heard(findings: Iterable[Finding], limits: Mapping[Band, int], band: Band) -> tuple[Match, ...]:
    """The categories this band finds too much of on a page, with score and limit in the evidence."""
    limit = limits.get(band)
    return tuple(_told(finding, limit) for finding in findings if finding.over(limit))


def worst_page(index: Index) -> tuple[Finding, ...]:
    """A page that has too much of everything lists know of pages; empty when no list asks for pages."""
    if index.pages is None:
        return ()
    matches = (Match(category, "", WORST, 0, EntryKind.PHRASE) for category in sorted(index.pages.categories))
    return tuple(Finding(match, 0, settled=True) for match in matches)


def _told(finding: Finding, limit: int | None) -> Match:
    match = finding.match
    if finding.settled and not match.weight:
        return match
    allowed = finding.limit if limit is None else limit
    return match._replace(entry=f"{match.entry} ({match.weight} points, limit {allowed})")
