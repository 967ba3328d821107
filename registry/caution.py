"""What speaks against passing a host unread: a host, the lists and who refused it in, a `Caution` out. Pure.

The rule: what must be read is never suggested; what is more than one program's own, what no list knows, and what one
person could have made up is shown with a word of warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from categories.model import EntryKind, Index
from categories.names import NameProblem, canonical_url, registrable_domain
from policy.kinds import Kinds
from registry.refusals import Suggestion

SHARED = frozenset({"web-hosting", "cdn", "file-sharing", "blogs", "url-shorteners", "translation", "mixed-content"})
"""Categories of hosts on which anybody may put anything."""


SHORT = timedelta(days=14)
"""How long such a host passes when nobody says."""


@dataclass(frozen=True, slots=True)
class Caution:
    """What speaks against it."""

    never: bool = False
    """Whether it must not pass unread at all."""
    words: str = ""
    """What to think of before; empty when nothing is known."""
    short: bool = False
    """Whether it passes for `SHORT` unless somebody says otherwise: nobody knows what it is, or who refused it."""


NEVER = Caution(never=True)
"""What must be read."""


def caution(host: str, index: Index, kinds: Kinds) -> Caution:
    """What speaks against passing `host`, and what is below it, unread."""
    try:
        url = canonical_url(f"https://{host}/")
    except NameProblem:
        return NEVER
    # An address is anybody's, and below a suffix, public or private, anybody may live.
    if url.is_address or not url.domain or registrable_domain(f"a.{url.host}") == f"a.{url.host}":
        return NEVER
    listed = {match.category for match in index.match(url) if match.kind is not EntryKind.URL}
    below, bad = index.has_entries_below(url.host), kinds.harmful | kinds.circumvention
    if listed & (kinds.statutory | bad) or below & kinds.statutory:
        return NEVER
    words = []
    if pages := [*sorted(below & bad), *sorted(below - bad - kinds.help)]:
        named = ", ".join(kinds.title(one) for one in pages)
        words.append(f"pages of it are listed ({named}): it is read all the same for everybody to whom one is closed")
    if shared := sorted(listed & SHARED):
        words.append(f"this is {kinds.title(shared[0])}: much besides one program may lie here")
    elif url.host == url.domain:
        words.append("this is a whole domain: everything below it would pass, its website included")
    if not listed:
        words.append("it is in no list: nobody has said what it is")
    return Caution(words="; ".join(words), short=not listed)


def with_evidence(about: Caution, one: Suggestion) -> Caution:
    """The same, and what to think of who refused it."""
    words, nobody = [about.words] if about.words else [], not one.known_devices
    if nobody:
        words.append("no device that refused it has a name or a signed-in user: one person may be all of them")
    if not one.staff_devices:
        words.append("no device of staff refused it")
    if one.takers:
        devices = "another device" if one.takers == 1 else f"{one.takers} other devices"
        words.append(f"{devices} took our certificate for it")
    return Caution(about.never, "; ".join(words), about.short or nobody)
