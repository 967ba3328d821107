"""Holds: rows that may not die. Placed by one person with a reason, released by two; each step in the trail first."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from console.looking import is_own
from console.page import Answer, Ask, Go, Page, Param, Refused, Shown, Table
from logstore.filter import LogFilter
from logstore.holdcopy import copy_hold
from logstore.holdrelease import WITHIN, approve, same_person, sign
from logstore.holds import Hold, HoldRefused, holds, note_hold, place, set_review
from logstore.when import parse_when
from registry.change import RegistryError, RegistryProblem
from registry.samepeople import same_person as one_person
from registry.spelling import as_recorded

FIELDS = ("user", "device", "address", "host", "domain", "text", "site")
"""Which rows a hold may be of, as the form says it."""
COLUMNS = ("case", "state", "rows_of", "rows", "reason", "placed_by", "placed_at", "review_at", "review_due", "problem",
           "signed_by", "signed_at", "released_by", "released_at")  # fmt: skip
REVIEWS = (("90d", "in 90 days"), ("30d", "in 30 days"), ("180d", "in half a year"), ("365d", "in a year"))
"""When it is looked at again, to pick from."""
DONE = {
    "place": "The hold is in force.", "copy": "Its rows are copied.", "review": "To be looked at again later.",
    "sign": "Signed. Somebody else approves it within a fortnight.", "approve": "Released: its rows are gone.",
}  # fmt: skip
"""What is said after each step."""
_LENGTH = re.compile(r"(\d{1,4})d")


def show(ask: Ask) -> Answer:
    """Holds in force, or all there ever were, and the form for a new one."""
    everything = ask.query.get("all") == "yes"
    found = [one for one in holds(ask.house.where, released=everything) if _visible(ask, one)]
    _note(ask, "looked at holds", "holds")
    rows = [facts(ask, one) for one in found]
    policy = ask.house.doors.policy()
    view: dict[str, Any] = {
        "shown": list(zip(found, rows, strict=True)),
        "everything": everything,
        "place": ask.me.may("hold-place"),
        "form": ask.form,
        "fields": FIELDS,
        "problems": ask.problems,
        "reviews": REVIEWS,
        "sites": sorted(policy.sites) if ask.me.site is None else [],
    }
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(data={"rows": rows}, view=view, table=table)


def show_one(ask: Ask) -> Answer:
    """One hold, and the next step."""
    one = wanted_hold(ask)
    _note(ask, "looked at a hold", one.case)
    signed = one.signed_at is not None and ask.now < one.signed_at + WITHIN
    view: dict[str, Any] = {
        "one": one,
        "told": facts(ask, one),
        "problems": ask.problems,
        "done": "" if ask.problems else DONE.get(ask.query.get("done", ""), ""),
        "signed": signed,
        "by_me": signed and same_person(one.signed_by or "", ask.me.who),
        "until": one.signed_at + WITHIN if one.signed_at is not None else None,
        "active": one.state == "active",
        "empty": one.state == "active" and one.copied_at is not None and not one.rows,
        "reviews": REVIEWS,
    }
    return Shown(data={"hold": view["told"]}, view=view)


def place_one(ask: Ask) -> Answer:
    """Place a hold, and copy its rows."""
    form, case = ask.form, ask.form.get("case", "").strip()
    wanted = _filter(ask)
    if is_own(ask, wanted.user):
        raise RegistryError(RegistryProblem(case, "is about your own rows", "somebody else places it"))
    try:
        kept = place(
            ask.house.where, case, form.get("why", "").strip(), wanted, _review(ask), who=ask.me.who, at=ask.now
        )
        ask.house.doors.holds_changed()
        copy_hold(ask.house.where, kept, who=ask.me.who, at=ask.now)
    except HoldRefused as error:
        raise RegistryError(RegistryProblem(case or "hold", str(error))) from error
    ask.house.doors.holds_changed()
    return Go(f"/holds/{kept.id}?done=place")


def act(ask: Ask) -> Answer:
    """The next step of a hold: copy again, review, sign its release, approve it."""
    one, do = wanted_hold(ask), ask.form.get("do", "")
    where, why = ask.house.where, ask.form.get("why", "").strip()
    told: dict[str, Any] = {"who": ask.me.who, "why": why, "at": ask.now}
    if do not in DONE or do == "place":
        raise RegistryError(RegistryProblem(one.case, "nothing to do was said"))
    if not why and do != "copy":
        raise RegistryError(RegistryProblem(one.case, "needs a reason", "say why, in a few words"))
    try:
        match do:
            case "copy":
                copy_hold(where, one, who=ask.me.who, at=ask.now)
            case "review":
                set_review(where, one.case, _review(ask), **told)
            case "sign":
                sign(where, one.case, **told)
            case "approve":
                with ask.house.reading() as connection:
                    alone = one.signed_by is not None and one_person(connection, one.signed_by, ask.me.who)
                if alone:
                    raise HoldRefused(f"{one.signed_by} signed first; a release needs two different people")
                approve(where, one.case, **told)
    except HoldRefused as error:
        raise RegistryError(RegistryProblem(one.case, str(error))) from error
    ask.house.doors.holds_changed()
    return Go(f"/holds/{one.id}?done={do}")


def facts(ask: Ask, one: Hold) -> dict[str, Any]:
    """A hold in JSON."""
    names = ("id", "case", "state", "reason", "rows", "placed_by", "placed_at", "review_at", "copied_at", "signed_by",
             "signed_at", "released_by", "released_at")  # fmt: skip
    told = {name: getattr(one, name) for name in names}
    asked = one.wanted.sentence(timezone=ask.house.zone) if one.state == "active" else ""
    return {**told, "problem": one.error, "rows_of": asked, "review_due": one.review_due(ask.now)}


def _visible(ask: Ask, one: Hold) -> bool:
    """Nobody sees a hold of their own rows; whoever is here for one site sees the holds of that site."""
    if is_own(ask, one.wanted.user):
        return False
    return ask.me.site is None or one.wanted.site == ask.me.site


def wanted_hold(ask: Ask) -> Hold:
    """The hold of the address, when whoever asks may see it. Raises `Refused`."""
    number = int(ask.path["id"])
    found = next((one for one in holds(ask.house.where, released=True) if one.id == number), None)
    if found is None or not _visible(ask, found):
        raise Refused("No such hold", "There is no hold of that number here.", 404)
    return found


def _filter(ask: Ask) -> LogFilter:
    """Which rows the form asks for, within the site of whoever asks."""
    told = {name: ask.form.get(name, "").strip() or None for name in FIELDS}
    told["client_address"] = told.pop("address")
    if ask.me.site is not None:
        named = any(value for name, value in told.items() if name != "site")
        if not named:
            raise RegistryError(RegistryProblem("hold", "would keep everybody's rows", "say whose, or which"))
        told["site"] = ask.me.site
    times: dict[str, Any] = {}
    try:
        for name in ("since", "until"):
            text = ask.form.get(name, "").strip()
            times[name] = parse_when(text, ask.now, ask.house.zone, end=name == "until") if text else None
        # As rows spell it: a hold on a name as it was typed would keep nothing of it.
        return LogFilter(**{name: as_recorded(name, value) for name, value in told.items()}, **times)
    except ValueError as error:
        raise RegistryError(RegistryProblem("hold", str(error))) from error


def _review(ask: Ask) -> datetime:
    text = ask.form.get("review", "").strip()
    if found := _LENGTH.fullmatch(text):
        return ask.now + timedelta(days=int(found[1]))
    try:
        return datetime.combine(date.fromisoformat(text), time(), ask.house.zone).astimezone(UTC)
    except ValueError as error:
        raise RegistryError(RegistryProblem("review", f"{text[:20]!r} is no date", "2027-02-01 or 90d")) from error


def _note(ask: Ask, what: str, case: str) -> None:
    """Looks are written down before anything is shown."""
    note_hold(ask.house.where, who=ask.me.who, what=what, case=case, after=None, why="", at=ask.now)


PAGES = (
    Page(
        name="holds", path="/holds", title="Holds", show=show, template="holds.html", nav="Holds", order=8,
        params=(Param(name="all", words="`yes`: those that were released, too"),),
    ),
    Page(name="hold-place", path="/holds/place", title="Holds", show=show, act=place_one, template="holds.html",
         twins=False),
    Page(name="hold", path="/holds/{id:int}", title="Hold", show=show_one, template="hold.html"),
    Page(name="hold-release", path="/holds/{id:int}/step", title="Hold", show=show_one, act=act, template="hold.html",
         twins=False),
)  # fmt: skip
