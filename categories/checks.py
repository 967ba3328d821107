"""Checks before a swap: what lists say now and what they would say next in, every reason against it out. Pure.

A list maker's mistake must not become the school's: a list cut short by a broken download, a list that swallowed the
internet, a category that lost its entries. The rule: what was right before and would be wrong after is refused; what is
as it was is none of this file's business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from categories.model import Index, ListStatus
from categories.names import Url, canonical_url

CLASSIFIED: Mapping[str, str] = {
    "games.schoolgate.test": "games",
    "pornhub.com": "pornography",
    "bet365.com": "gambling",
    "facebook.com": "social-media",
    "childline.org.uk": "help",
}
"""Hosts of which everybody knows what they are: once classified so, they stay classified so."""
NEVER_BLOCKED = (
    "www.gov.uk", "www.nhs.uk", "www.bbc.co.uk", "www.legislation.gov.uk", "www.police.uk", "www.ofsted.gov.uk",
    "en.wikipedia.org", "www.britannica.com", "www.bl.uk", "www.nationalgeographic.com", "www.khanacademy.org",
    "www.google.com", "www.bing.com", "duckduckgo.com", "www.microsoft.com", "login.microsoftonline.com",
    "accounts.google.com", "classroom.google.com", "docs.google.com", "www.apple.com", "github.com",
    "www.ox.ac.uk", "www.cam.ac.uk", "www.openstreetmap.org", "www.ordnancesurvey.co.uk", "www.rspb.org.uk",
)  # fmt: skip
"""Hosts that no update may close for anybody who had them open before."""
HELP = (
    "www.childline.org.uk", "www.nspcc.org.uk", "www.samaritans.org", "www.papyrus-uk.org", "www.ceopeducation.co.uk",
    "www.ceop.police.uk", "www.themix.org.uk", "www.youngminds.org.uk", "www.beateatingdisorders.org.uk",
)  # fmt: skip
"""Help sites (B-53)."""

type BlockedFor = Callable[[Url], frozenset[str]]
"""For whom a URL is blocked, in words: empty when for nobody."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a list may change at once."""

    smallest: float = 0.7
    """New entries for each old one, at least."""
    largest: float = 3.0
    """New entries for each old one, at most."""
    small: int = 100
    """A list with fewer entries than this may change as it likes, but for what the next two say."""
    half: float = 0.5
    """New entries for each old one, at least, in a small list that loses as many as `lost`."""
    lost: int = 10
    """Entries a small list may lose whatever their share."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why new lists are not put in force."""

    list: str
    """The list to blame; empty when it cannot be told."""
    what: str
    """What is wrong, in words."""

    def __str__(self) -> str:
        return f"{self.list}: {self.what}" if self.list else self.what


def check_sizes(before: Iterable[ListStatus], after: Iterable[ListStatus], bounds: Bounds) -> Iterator[Refusal]:
    """Lists that shrank, grew or vanished. `before` are those lists whose source is still wanted."""
    now = {status.name: status.entries for status in after}
    for status in before:
        entries = now.get(status.name, 0)
        share = entries / status.entries if status.entries else 1.0
        small = status.entries < bounds.small
        smallest = bounds.half if small else bounds.smallest
        if small and (share >= smallest or status.entries - entries < bounds.lost):
            continue
        if smallest <= share <= bounds.largest:
            continue
        grown = "would grow" if share > 1 else "would shrink"
        limit = f"{bounds.largest:.0%}" if share > 1 else f"{smallest:.0%}"
        said = f"{grown} from {status.entries:,} to {entries:,} entries ({share:.0%}; the limit is {limit})"
        yield Refusal(status.name, said)


def check_classified(before: Index | None, after: Index, own: Mapping[str, str]) -> Iterator[Refusal]:
    """Well-known hosts that would lose their category, and hosts of the school's own that have another one."""
    for host, category in {**CLASSIFIED, **own}.items():
        url = canonical_url(host)
        known = {match.category: match.list for match in (() if before is None else before.match(url))}
        if category in {match.category for match in after.match(url)}:
            continue
        if host in own or category in known:
            yield Refusal(known.get(category, ""), f"{host} would no longer be known as {category}")


def check_open(
    hosts: Collection[str], before: BlockedFor | None, after: BlockedFor, blame: Callable[[Url], str], why: str
) -> Iterator[Refusal]:
    """Hosts that would be closed for somebody who has them open. `why` says what kind of hosts they are."""
    for host in hosts:
        url = canonical_url(host)
        closed = after(url) - (frozenset() if before is None else before(url))
        if closed and before is not None:
            yield Refusal(blame(url), f"{why} {host} would be blocked for {', '.join(sorted(closed))}")


def blamed_sources(refusals: Sequence[Refusal], sources: Collection[str]) -> frozenset[str]:
    """The sources whose lists are to blame; a list is called after its source, or `source/category`."""
    lists = {refusal.list for refusal in refusals if refusal.list}
    return frozenset(name for name in sources if any(one == name or one.startswith(f"{name}/") for one in lists))
