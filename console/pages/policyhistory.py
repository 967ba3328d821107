"""Every version of the policy: who published it, when and why, what it changed of another, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from console import drafting
from console.drawing import link
from console.page import Answer, Ask, Page, Param, Refused, Shown, Table
from console.policytable import sees_names
from registry import policies
from registry.change import RegistryError
from registry.policies import Version

LIMIT = 50
"""Versions of one page."""
CLOSED = (policies.PUBLISHED, policies.REFUSED, policies.WITHDRAWN)
COLUMNS = ("id", "state", "title", "why", "authors", "published_by", "published_at", "changed_at", "digest", "problem")
DONE = {
    "yes": "Published, and in force.",
    "next": "Published. No gateway runs here: it holds from the next start.",
    "late": "Published. The gateway has not answered yet; see its health.",
}


def show(ask: Ask) -> Answer:
    """What was published, newest first; given up and refused ones too when asked for."""
    everything = ask.query.get("all") == "yes"
    before = ask.query.get("before", "")
    with ask.house.reading() as connection:
        found = policies.versions(
            connection, CLOSED if everything else (policies.PUBLISHED,), site=ask.me.site,
            before=_moment(before), limit=LIMIT + 1,
        )  # fmt: skip
        newest = policies.newest(connection)
    now = ask.house.doors.policy_text()
    rows = [_facts(ask, one) for one in found[:LIMIT]]
    view: dict[str, Any] = {
        "shown": list(zip(found[:LIMIT], rows, strict=True)),
        "states": drafting.STATES,
        "everything": everything,
        "now": now,
        "newest": newest,
        "in_force": None if newest is None or newest.digest != now.digest else newest.id,
        "outside": newest is not None and newest.digest != now.digest and ask.me.site is None,
        "older": link("/policy/history", before=_when(found[LIMIT - 1]).isoformat(), all=everything and "yes")
        if len(found) > LIMIT else "",
    }  # fmt: skip
    table = Table(columns=COLUMNS, rows=([_cell(row[name]) for name in COLUMNS] for row in rows))
    return Shown(data={"versions": rows, "in_force": now.digest}, view=view, table=table)


def show_one(ask: Ask) -> Answer:
    """One version, and what it changed of another: of the one before it unless the address names one."""
    version = drafting.wanted(ask)
    other = _other(ask, version)
    now = ask.house.doors.policy_text()
    before = now.text if ask.query.get("against") == "now" else "" if other is None else other.text
    found = drafting.compared(ask, before, version.text) if before else None
    with ask.house.reading() as connection:
        others = policies.versions(connection, (policies.PUBLISHED,), site=ask.me.site, limit=LIMIT)
    data = {
        "version": _facts(ask, version),
        "against": "now" if ask.query.get("against") == "now" else None if other is None else other.id,
        **({} if found is None else drafting.changes_json(found)),
    }
    view: dict[str, Any] = {
        "one": version,
        "told": data["version"],
        "state": drafting.STATES[version.state],
        "other": other,
        "against": ask.query.get("against", ""),
        "found": found,
        "lines": drafting.lines_of(ask, before, version.text) if before else [],
        "others": [one for one in others if one.id != version.id],
        "in_force": version.digest == now.digest,
        "begin": ask.me.may("policy-begin"),
        "text": sees_names(ask.me) and ask.me.may("policy-file"),
        "done": DONE.get(ask.query.get("done", ""), ""),
    }
    return Shown(data=data, view=view)


def _when(version: Version) -> datetime:
    return version.published_at or version.changed_at


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _other(ask: Ask, version: Version) -> Version | None:
    """What it is compared with."""
    told = ask.query.get("against", "")
    if told == "now":
        return None
    try:
        with ask.house.reading() as connection:
            if told.isdigit():
                found = policies.get(connection, int(told))
                return found if drafting.visible(ask, found) else None
            return policies.previous(connection, version)
    except RegistryError as error:
        raise Refused("No such version", "There is no version of that number to compare with.", 404) from error


def _facts(ask: Ask, version: Version) -> dict[str, Any]:
    told = policies.facts(version)
    # What people call a change may name somebody.
    return told if ask.me.may("policy-draft") else {**told, "title": "", "why": "", "problem": ""}


def _cell(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value


PAGES = (
    Page(
        name="policy-history", path="/policy/history", title="History of the policy", show=show,
        template="policyhistory.html",
        params=(
            Param(name="all", words="`yes`: those given up or not taken, too"),
            Param(name="before", words="only versions from before this moment, ISO 8601"),
        ),
    ),
    Page(
        name="policy-version", path="/policy/history/{id:int}", title="A version of the policy", show=show_one,
        template="policyversion.html",
        params=(Param(name="against", words="number of the version it is compared with; `now`: the policy in force"),),
    ),
)  # fmt: skip
