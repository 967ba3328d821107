"""From a form to an own entry: which categories a school may fill, and when an entry ends.

A request of a browser in; names and a time out, or every reason against them. The rule: own entries hold in the whole
trust, so a role of one site fills none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from console.page import Ask
from policy.reserved import reserved_categories
from registry.change import RegistryError, RegistryProblem
from registry.entries import CLOSED
from registry.moments import read_length, read_moment

LENGTHS = (
    ("none", "until somebody takes it out"),
    ("1h", "an hour"),
    ("8h", "eight hours"),
    ("1w", "a week"),
    ("4w", "four weeks"),
)
"""How long an entry lasts, to pick from."""


def fillable(ask: Ask) -> list[str]:
    """Categories whoever asks may put something into."""
    if ask.me.site is not None:
        return []
    known, closed = ask.house.doors.categories(), reserved(ask)
    return sorted(name for name, one in known.items() if one.kind not in CLOSED and name not in closed)


def reserved(ask: Ask) -> Mapping[str, str]:
    """Categories the policy keeps for its owner, each with the reason."""
    return reserved_categories(ask.house.doors.policy())


def check_reach(ask: Ask, where: str) -> None:
    """Raise `RegistryError` for a role of one site."""
    if ask.me.site is not None:
        what = f"an entry of one's own holds in the whole trust, and you are here for {ask.me.site}"
        raise RegistryError(RegistryProblem(where, what, "allow or block it at your site"))


def ends(ask: Ask, form: Mapping[str, str]) -> datetime | None:
    """When an entry ends by itself; None for never."""
    text, length = form.get("until", "").strip(), form.get("length", "").strip() or "none"
    try:
        if text:
            return read_moment(text, ask.now.astimezone(ask.house.zone)).astimezone(UTC)
        return None if length == "none" else (ask.now + read_length(length)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RegistryError(RegistryProblem("until", str(error))) from error
