"""From a form to a one-click decision: what, for whom, where and until when, within what this role may decide.

A request of a browser in; an `Override` that is only wanted out, or every reason against it. The rules: a role of one
site decides for that site; a teacher for their own classes, and for no longer than `LESSON`; nobody for themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from console.doors import Misasked
from console.looking import is_own, of_site
from console.page import Ask
from console.roles import Role
from identity.directory import account_name
from logstore.rows import Row
from policy.client import Band
from policy.model import Action
from policy.overrides import Override
from policy.problems import did_you_mean
from registry.change import RegistryError, RegistryProblem
from registry.moments import read_length, read_moment
from registry.overrides import Decision

LESSON = timedelta(hours=4)
"""The longest a teacher's decision lasts: half a school day."""
NOBODY_YET = 1 << 62
"""Number of a decision that is only wanted: the newest there can be."""
LENGTHS = (
    ("15m", "15 minutes"),
    ("40m", "40 minutes, a lesson"),
    ("1h", "an hour"),
    ("2h", "two hours"),
    ("8h", "eight hours"),
    ("1w", "a week"),
    ("none", "until somebody ends it"),
)
"""How long, to pick from."""
USUAL = "40m"
"""How long when nobody says."""


def form_from_row(row: Row) -> dict[str, str]:
    """What a decision about a row's request starts from: its host, for the class or band that asked, at its site."""
    record = row.record
    group = record.groups[0] if record.groups else ""
    return {
        "what": record.host,
        "whom": "group" if group else "band" if record.band else "everybody",
        "group": group,
        "band": record.band or "",
        "site": record.site or "",
    }


def wanted(ask: Ask, form: Mapping[str, str]) -> Override:
    """The decision a form asks for. Raises `RegistryError` with every reason against it."""
    problems: list[RegistryProblem] = []
    what = ""
    try:
        what = ask.house.doors.target(form.get("what", ""))
    except Misasked as error:
        problems.append(RegistryProblem("what", str(error), "a host, a URL, or category:games"))
    action = form.get("action", "")
    if action not in {"allow", "block"}:
        problems.append(RegistryProblem("action", "allow or block?"))
    whom = _whom(ask, form, problems)
    until = _until(ask, form, problems)
    if problems:
        raise RegistryError(*problems)
    made = Override(NOBODY_YET, Action(action), what, until=until, **whom)
    if ask.me.role is Role.TEACHER:
        _within_lesson(ask, made)
    return made


def may_end(ask: Ask, decision: Decision) -> bool:
    """Whether whoever asks may end it: their own site's, a teacher their own classes'."""
    override, grant = decision.override, ask.me.grant
    if not ask.me.may("decide"):
        return False
    if grant.role is Role.TEACHER:
        return override.group in grant.groups and (grant.site is None or override.site == grant.site)
    return grant.site is None or override.site == grant.site


def visible(ask: Ask, decision: Decision) -> bool:
    """Whether whoever asks sees it: it holds where they look, is not about themselves, and a teacher's is about their
    classes."""
    override, grant = decision.override, ask.me.grant
    if is_own(ask, override.user):
        return False
    if grant.role is Role.TEACHER and override.group not in grant.groups:
        return False
    if override.site is None and override.user is not None and not of_site(ask, override.user):
        return False
    return grant.site is None or override.site in {None, grant.site}


def _whom(ask: Ask, form: Mapping[str, str], problems: list[RegistryProblem]) -> dict[str, Any]:
    policy, kind = ask.house.doors.policy(), form.get("whom", "everybody")
    site = ask.me.site or form.get("site", "").strip() or None
    told: dict[str, Any] = {"site": site}
    value = form.get(kind, "").strip()
    known = {"group": list(policy.groups), "band": [band.value for band in Band]}
    if kind == "user" and not value:
        problems.append(RegistryProblem("user", "whom?", "an account name"))
    elif kind == "user" and is_own(ask, value):
        problems.append(RegistryProblem("user", "is your own account at the proxy", "somebody else decides for you"))
    elif kind == "user":
        told["user"] = account_name(value)
        if not of_site(ask, value):
            problems.append(RegistryProblem("user", f"no account of {ask.me.site} is called {value[:80]!r}"))
    elif kind in known and value not in known[kind]:
        problems.append(RegistryProblem(kind, f"there is no {kind} {value!r}", did_you_mean(value, known[kind])))
    elif kind in known:
        told[kind] = Band(value) if kind == "band" else value
    elif kind != "everybody":
        problems.append(RegistryProblem("whom", f"{kind[:20]!r} is nobody", "everybody, a group, a band or a user"))
    if site is not None and site not in policy.sites:
        problems.append(RegistryProblem("site", f"there is no site {site!r}", did_you_mean(site, list(policy.sites))))
    return told


def _until(ask: Ask, form: Mapping[str, str], problems: list[RegistryProblem]) -> datetime | None:
    text, length = form.get("until", "").strip(), form.get("length", USUAL).strip()
    try:
        if text:
            return read_moment(text, ask.now.astimezone(ask.house.zone)).astimezone(UTC)
        return None if length == "none" else (ask.now + read_length(length)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        problems.append(RegistryProblem("until", str(error)))
        return None


def _within_lesson(ask: Ask, made: Override) -> None:
    problems = []
    if made.group not in ask.me.grant.groups:
        classes = ", ".join(ask.me.grant.groups)
        problems.append(RegistryProblem("whom", "a teacher decides for their own classes", classes))
    if made.until is None or made.until > ask.now + LESSON:
        hours = LESSON // timedelta(hours=1)
        problems.append(RegistryProblem("until", "is too late for a class exception", f"within {hours} hours"))
    if problems:
        raise RegistryError(*problems)
