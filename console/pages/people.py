"""People of the register: who there is, in which band and groups, whether they may use the internet, when last seen."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from console.drawing import link
from console.looking import is_own
from console.page import Answer, Ask, Page, Param, Shown, Table
from identity.directory import account_name
from logstore.audit import record_look
from logstore.facets import last_days
from policy.client import Band
from registry import people
from registry.people import Account

ROWS = 50
"""People of a page."""
COLUMNS = ("name", "title", "band", "groups", "site", "shared", "status", "suspended_until", "consent", "last_seen",
           "granted_by", "granted_at")  # fmt: skip
STATES = {
    "active": ("✓", "active", "good"),
    "suspended": ("…", "suspended", "note"),
    "no-consent": ("!", "no consent", "note"),
    "disabled": ("✕", "disabled", "bad"),
    "left": ("↷", "left", "note"),
}
"""For each status a sign, a word and a colour."""
FILTERS = ("q", "band", "group", "site", "status")
"""What can be asked for."""


def show(ask: Ask) -> Answer:
    """Some of the people, by name, and when each was last seen."""
    told = {name: ask.query.get(name, "").strip()[:100] for name in FILTERS}
    after = account_name(ask.query.get("after", ""))
    with ask.house.reading() as connection:
        everybody = [one for one in people.accounts(connection) if visible(ask, one)]
        wanted = [one for one in everybody if _fits(ask, one, told)]
        rest = [one for one in wanted if one.person.name > after]
        page = rest[:ROWS]
        seen = last_days(connection, "user", [one.person.name for one in page])
    write_look(ask, "people", ", ".join(f"{name} {value}" for name, value in told.items() if value) or "all", len(page))
    rows = [facts(ask, one, seen.get(one.person.name)) for one in page]
    more = link("/people", **told, after=page[-1].person.name) if len(rest) > ROWS else None
    view: dict[str, Any] = {
        "told": told,
        "shown": [{"one": one, "told": row, "state": STATES[str(row["status"])]}
                  for one, row in zip(page, rows, strict=True)],
        "bands": [band.value for band in Band],
        "groups": _names(group for one in everybody for group in one.person.groups),
        "sites": _names(one.person.site for one in everybody) if ask.me.site is None else [],
        "states": list(STATES),
        "first": not after,
    }  # fmt: skip
    table = Table(columns=COLUMNS, rows=([_cell(row[name]) for name in COLUMNS] for row in rows))
    return Shown(data={"count": len(wanted), "rows": rows, "more": more}, view=view, table=table)


def facts(ask: Ask, one: Account, seen: str | None) -> dict[str, object]:
    """A person in JSON; nothing secret."""
    person = one.person
    return {
        "name": person.name,
        **people.facts(one.details),
        "status": one.status(ask.now),
        "suspended_until": person.suspended_until if one.status(ask.now) == "suspended" else None,
        "consent": person.consent,
        "password": person.password_hash is not None,
        "last_seen": None if is_own(ask, person.name) else seen,
        "granted_by": one.granted_by,
        "granted_at": one.granted_at,
        "left_at": one.left_at,
    }


def visible(ask: Ask, one: Account) -> bool:
    """Whoever is here for one site sees the people of that site."""
    return ask.me.site is None or one.person.site == ask.me.site


def write_look(ask: Ask, subject: str, asked: str, rows: int) -> None:
    """Looks at the register are looks: it says when somebody was last seen."""
    with ask.house.writing() as connection:
        record_look(connection, who=ask.me.who, subject=subject, asked=f"register: {asked}", rows=rows, at=ask.now)


def _fits(ask: Ask, one: Account, told: dict[str, str]) -> bool:
    person, text = one.person, told["q"].casefold()
    status = one.status(ask.now)
    return (
        (text in person.name or text in one.title.casefold())
        and (not told["band"] or person.band == told["band"])
        and (not told["group"] or told["group"].casefold() in person.groups)
        and (not told["site"] or person.site == told["site"])
        and (status == told["status"] if told["status"] else status != "left")
    )


def _names(names: Any) -> list[str]:
    return sorted({name for name in names if name})


def _cell(value: object) -> object:
    if isinstance(value, Collection) and not isinstance(value, str):
        return ";".join(map(str, value))
    return ("yes" if value else "no") if isinstance(value, bool) else value


PAGES = (
    Page(
        name="people", path="/people", title="People", show=show, template="people.html", nav="People", order=6,
        params=(
            Param(name="q", words="part of an account name or of a name for people"),
            Param(name="band", words="age band"),
            Param(name="group", words="group"),
            Param(name="site", words="home site"),
            Param(name="status", words=", ".join(STATES)),
            Param(name="after", words="people whose account name comes after this one"),
        ),
    ),
)  # fmt: skip
