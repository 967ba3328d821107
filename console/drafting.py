"""What the pages about drafts and versions of the policy share: who may see one, what it changes, how lines differ.

A request and a version in; what to show of it out. The rules: a draft is compared with the policy in force now, not
with what it was begun from; a role of one site sees and writes what is the business of that site alone.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from console.page import Ask, Refused
from console.policytable import sees_names
from policy.comparing import Change, compare, confined
from policy.merging import Collision, merge
from policy.model import Tier
from policy.risks import Risk, risks
from policy.rows import Policy
from policy.rules import PolicyErrors
from registry import policies
from registry.change import RegistryError, RegistryProblem
from registry.policies import Version

LINES = 4_000
"""Most lines of a comparison of texts that are shown."""
DIFFERING = 1_000
"""Most lines that may go or come for two texts to be compared line by line: the cost grows with their square."""
LONGEST = 8_000
"""Most lines of a text that is."""
STATES = {
    "draft": ("note", "✎", "draft"),
    "review": ("note", "…", "waits for a second person"),
    "published": ("good", "✓", "published"),
    "withdrawn": ("note", "↷", "given up"),
    "refused": ("bad", "✕", "not taken"),
}
"""States in colour, sign and words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one text changes of another."""

    before: Policy | None
    """The policy it is compared with; None when its text cannot be read any more."""
    after: Policy | None
    """What it says; None when it cannot be read."""
    problems: tuple[str, ...] = ()
    """Why not."""
    changes: tuple[Change, ...] = ()
    """What differs, in words, as far as whoever looks may read it."""
    risks: tuple[Risk, ...] = ()
    """Why it needs a second person."""
    confined: bool = True
    """Whether all of it is the business of the one site of whoever looks; True for a role of the trust."""


def wanted(ask: Ask, *, still_open: bool = False) -> Version:
    """The version the address names. Raises `Refused` when there is none to see."""
    try:
        with ask.house.reading() as connection:
            found = policies.get(connection, int(ask.path["id"]))
    except RegistryError as error:
        raise _none() from error
    if not visible(ask, found):
        raise _none()
    if still_open and found.state not in policies.OPEN:
        raise Refused("No draft any more", f"This version is {found.state}. Begin a draft from it to go on.", 409)
    return found


def _none() -> Refused:
    return Refused("No such version", "There is no version of that number, or it is not about your site.", 404)


def visible(ask: Ask, version: Version) -> bool:
    """Whether whoever asks may see it: of one site, only what is about that site alone."""
    return ask.me.site is None or version.site == ask.me.site


def read(ask: Ask, text: str) -> Policy:
    """A text as a policy. Raises `RegistryError` with every problem."""
    try:
        return ask.house.doors.read_policy(text)
    except PolicyErrors as error:
        problems = (RegistryProblem(f"line {one.line}", one.what, one.instead) for one in error.problems)
        raise RegistryError(*problems) from error


def compared(ask: Ask, before: str, after: str) -> Compared:
    """What one text changes of another."""
    try:
        old = read(ask, before)
    except RegistryError:
        old = None
    try:
        new = read(ask, after)
    except RegistryError as error:
        return Compared(before=old, after=None, problems=tuple(map(str, error.problems)), confined=ask.me.site is None)
    if old is None:
        return Compared(before=None, after=new, problems=("the text it is compared with names what is not there now",))
    found = compare(old, new, names=sees_names(ask.me))
    own = ask.me.site is None or confined(found, ask.me.site)
    return Compared(before=old, after=new, changes=_seen(ask, found), risks=risks(old, new), confined=own)


def _seen(ask: Ask, changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Without what other sites chose for themselves, for a role of one site."""
    if ask.me.site is None:
        return changes
    return tuple(one for one in changes if one.tier is not Tier.SITE or ask.me.site in one.sites)


def site_of(ask: Ask, before: str, after: str) -> str | None:
    """The one site a change is about, or None for the trust. Raises `RegistryError` when it cannot be read, and when a
    role of one site would change more than what is theirs."""
    old, new = read(ask, before), read(ask, after)
    changes = compare(old, new)
    if ask.me.site is not None:
        if not confined(changes, ask.me.site):
            raise RegistryError(RegistryProblem(
                "policy", f"your role is for {ask.me.site}, and this changes more than the rules of that school alone",
                "ask somebody with a role in the trust"))  # fmt: skip
        return ask.me.site
    sites = {site for change in changes for site in change.sites}
    return next(iter(sites)) if len(sites) == 1 and confined(changes, *sites) else None


def brought_up(ask: Ask, version: Version, now: str) -> str:
    """The text of a draft with what was published since it was begun. Raises `RegistryError` when that collides."""
    with ask.house.reading() as connection:
        begun = policies.known(connection, version.base)
    if begun is None:
        raise RegistryError(RegistryProblem(
            version.title, "was begun from a policy that is not kept here", "begin anew, and make the change there"
        ))  # fmt: skip
    if any(too_different(begun.text, text) for text in (version.text, now)):
        raise RegistryError(RegistryProblem(version.title, "differs too much to be put together line by line"))
    found = merge(begun.text, version.text, now)
    if found.text is None:
        raise RegistryError(*(_collision(ask, one) for one in found.collisions))
    read(ask, found.text)
    return found.text


def _collision(ask: Ask, one: Collision) -> RegistryProblem:
    what = "was changed in this draft and, otherwise, in the policy in force"
    if not sees_names(ask.me):
        return RegistryProblem(f"line {one.line}", what, "ask somebody with a role in the trust")
    mine, theirs = (" / ".join(line.strip() for line in lines)[:200] or "nothing" for lines in (one.mine, one.theirs))
    return RegistryProblem(f"line {one.line}", f"{what}: here “{mine}”, there “{theirs}”", "make one of the other")


def changes_json(found: Compared) -> dict[str, Any]:
    """Changes and risks as plain values."""
    return {
        "changes": [{"kind": one.kind, "name": one.name, "words": list(one.words)} for one in found.changes],
        "risks": [f"{one.name} {one.words}" for one in found.risks],
        "problems": list(found.problems),
    }


def lines_of(ask: Ask, before: str, after: str) -> list[tuple[str, str]]:
    """How two texts differ, line by line: `+`, `-`, `@` or nothing, and the line. Nothing for whoever sees no names."""
    if not sees_names(ask.me):
        return []
    return list(_differing(before, after))


def too_different(before: str, after: str) -> tuple[int, int] | None:
    """How many lines go and come when that is too much to be compared line by line; else None."""
    old, new = before.splitlines(), after.splitlines()
    gone, come = sum((Counter(old) - Counter(new)).values()), sum((Counter(new) - Counter(old)).values())
    return (gone, come) if max(gone, come) > DIFFERING or max(len(old), len(new)) > LONGEST else None


def _differing(before: str, after: str) -> Iterator[tuple[str, str]]:
    old, new = before.splitlines(), after.splitlines()
    if changed := too_different(before, after):
        yield "@", f"too much to compare line by line: {changed[0]:,} lines go, {changed[1]:,} come"
        return
    found = difflib.unified_diff(old, new, lineterm="", n=3)
    for number, line in enumerate(found):
        if number < 2:
            continue
        if number > LINES:
            yield "@", "… and more"
            return
        yield (line[0] if line[0] in "+-@" else ""), line if line[0] == "@" else line[1:]
