"""One person of the register: add, change, suspend, disable, give back, a new password; in force at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection

from console.looking import is_own, reason_to_look
from console.looking import write_look as look
from console.page import Answer, Ask, Go, Page, Refused, Shown
from console.pages.people import STATES, facts, visible, write_look
from console.pages.peoplenow import seen as seen_in
from identity.directory import account_name
from logstore.facets import last_days
from logstore.filter import LogFilter
from logstore.query import Archive
from policy.client import Band
from registry import people
from registry.change import By, RegistryError, RegistryProblem
from registry.moments import read_length, read_moment
from registry.passwords import made_up, new_hash
from registry.people import Account, Details

LENGTHS = (("8h", "eight hours"), ("1d", "a day"), ("1w", "a week"), ("2w", "two weeks"), ("26w", "half a year"))
"""How long somebody is suspended, to pick from."""
DONE = {
    "details": "Changed.", "suspend": "Suspended.", "disable": "Disabled.", "enable": "May use the internet again.",
    "remove": "Noted that they left.", "consent": "Noted.", "add": "Added.",
}  # fmt: skip
"""What is said after each change."""

type Change = Callable[[Connection, str, By], Account]


def show(ask: Ask) -> Answer:
    """One person, and what can be changed."""
    return _shown(ask, _wanted(ask))


def change(ask: Ask) -> Answer:
    """Change what is decided about them, or give a new password."""
    one, form = _wanted(ask), ask.form
    match form.get("do", ""):
        case "details":
            details = _details(ask, one.details)
            return _done(ask, one, lambda connection, name, by: people.set_details(connection, name, details, by))
        case "enable":
            return _done(ask, one, people.enable)
        case "remove":
            return _done(ask, one, people.remove)
        case "consent":
            given = form.get("given") == "yes"
            return _done(ask, one, lambda connection, name, by: people.set_consent(connection, name, given, by))
        case "password":
            return _new_password(ask, one)
    raise RegistryError(RegistryProblem(one.person.name, "nothing to do was said"))


def suspend(ask: Ask) -> Answer:
    """Withdraw access, until a time or until somebody gives it back."""
    one = _wanted(ask)
    if ask.form.get("do") == "disable":
        return _done(ask, one, people.disable)
    until = _until(ask)
    return _done(ask, one, lambda connection, name, by: people.suspend(connection, name, until, by))


def show_new(ask: Ask) -> Answer:
    """The form for somebody new."""
    view = {"form": ask.form, "problems": ask.problems, "made": None, "password": "", **_choices(ask)}
    return Shown(data={}, view=view)


def add(ask: Ask) -> Answer:
    """Give access to somebody new, with a password made up here and shown once."""
    form = ask.form
    name = account_name(form.get("name", ""))
    _not_own(ask, name)
    details = _details(ask, Details(site=ask.me.site))
    password = made_up() if form.get("password") == "make" else ""
    hashed = new_hash(password, name=name, band=details.band, shared=details.shared) if password else None
    with ask.house.writing() as connection:
        made = people.add(connection, name, details, _by(ask, name), password=hashed)
    ask.house.doors.put_in_force()
    if not password:
        return Go(f"{_address(made)}?done=add")
    view = {"form": {}, "problems": (), "made": made, "password": password, "address": _address(made), **_choices(ask)}
    return Shown(data={}, view=view)


def _shown(ask: Ask, one: Account, password: str = "") -> Shown:
    name = one.person.name
    with ask.house.reading() as connection:
        seen = last_days(connection, "user", [name]).get(name)
    write_look(ask, name, "one person", 1)
    last, say_why = _last(ask, name) if seen else (None, "")
    told = facts(ask, one, seen)
    done = "" if ask.problems else DONE.get(ask.query.get("done", ""), "")
    view: dict[str, Any] = {
        "one": one,
        "told": told,
        "address": _address(one),
        "state": STATES[str(told["status"])],
        "problems": ask.problems,
        "done": done,
        "in_force": ask.house.doors.in_force() if done or password else "",
        "password": password,
        "own": is_own(ask, name),
        "last": last,
        "say_why": say_why,
        "form": ask.form,
        "lengths": LENGTHS,
        **_choices(ask),
    }
    return Shown(data={"person": told}, view=view)


def _last(ask: Ask, name: str) -> tuple[dict[str, Any] | None, str]:
    """When, where and how they were last seen, for who may look at their rows; or where a reason is given."""
    wanted = LogFilter(user=name, site=ask.me.site)
    try:
        why = reason_to_look(ask, wanted)
    except Refused as refused:
        return None, refused.to
    with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
        rows = archive.search(wanted, 1).rows
    look(ask, wanted, len(rows), why, "the last of ")
    return (seen_in(rows[0]) if rows else None), ""


def _done(ask: Ask, one: Account, work: Change) -> Answer:
    name = one.person.name
    _not_own(ask, name)
    by = _by(ask, name)
    with ask.house.writing() as connection:
        work(connection, name, by)
    ask.house.doors.put_in_force()
    return Go(f"{_address(one)}?done={ask.form['do']}")


def _new_password(ask: Ask, one: Account) -> Answer:
    """A password typed here, or one made up and shown this one time."""
    name, details = one.person.name, one.details
    _not_own(ask, name)
    by = _by(ask, name)
    typed = ask.form.get("password", "")
    password = typed or made_up()
    hashed = new_hash(password, name=name, band=details.band, shared=details.shared)
    with ask.house.writing() as connection:
        fresh = people.set_password(connection, name, hashed, by)
    ask.house.doors.put_in_force()
    return _shown(ask, fresh, password)


def _by(ask: Ask, name: str) -> By:
    by = ask.by(ask.form.get("why", ""))
    if not by.why:
        raise RegistryError(RegistryProblem(name, "a change needs a reason", "say why, in a few words"))
    return by


def _not_own(ask: Ask, name: str) -> None:
    """Nobody changes what they may do themselves: not their band, not their password, not that they are suspended."""
    if is_own(ask, name):
        raise RegistryError(RegistryProblem(name, "is your own account at the proxy", "somebody else changes it"))


def _details(ask: Ask, before: Details) -> Details:
    form = ask.form
    groups = frozenset(form.get("groups", "").replace(",", " ").casefold().split())
    site = form.get("site", "").strip().casefold() or None
    if ask.me.site is not None:
        site = ask.me.site
    return replace(
        before,
        title=form.get("title", "").strip(),
        band=form.get("band", "").strip().casefold() or None,
        groups=groups,
        site=site,
        shared=form.get("shared") == "yes",
    )


def _until(ask: Ask) -> datetime:
    text, length = ask.form.get("until", "").strip(), ask.form.get("length", "").strip()
    try:
        if text:
            return read_moment(text, ask.now.astimezone(ask.house.zone)).astimezone(UTC)
        return (ask.now + read_length(length)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RegistryError(RegistryProblem("until", str(error))) from error


def _choices(ask: Ask) -> Mapping[str, Any]:
    policy = ask.house.doors.policy()
    sites = sorted(policy.sites) if ask.me.site is None else [ask.me.site]
    return {"bands": [band.value for band in Band], "known_groups": sorted(policy.groups), "sites": sites}


def _wanted(ask: Ask) -> Account:
    with ask.house.reading() as connection:
        one = people.find(connection, ask.path["name"])
    if one is None or not visible(ask, one):
        raise Refused("No such person", "There is no account of that name here.", 404)
    return one


def _address(one: Account) -> str:
    return f"/person/{quote(one.person.name, safe='')}"


PAGES = (
    Page(name="person-new", path="/people/new", title="Somebody new", show=show_new, act=add,
         template="personnew.html", twins=False),
    Page(name="person", path="/person/{name}", title="Person", show=show, template="person.html"),
    Page(name="person-change", path="/person/{name}/change", title="Person", show=show, act=change,
         template="person.html", twins=False),
    Page(name="person-suspend", path="/person/{name}/suspend", title="Person", show=show, act=suspend,
         template="person.html", twins=False),
)  # fmt: skip
