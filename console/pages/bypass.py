"""Programs that refuse to be read: hosts that are suggested, accepted for some or all, or dismissed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from console import deciding
from console.page import Answer, Ask, Go, Page, Shown, Table
from policy.client import Band
from policy.model import Action
from registry import overrides, refusals
from registry.caution import Caution
from registry.change import RegistryError, RegistryProblem

COLUMNS = ("host", "devices", "known_devices", "staff_devices", "takers", "days", "times", "sites", "signs",
           "first_at", "last_at", "expires_at", "caution", "passed")  # fmt: skip
SIGNS = {
    "unknown-ca": "says that it does not know our CA",
    "bad-certificate": "says that the certificate is bad",
    "certificate-unknown": "says that the certificate is not the one it expects",
    "closed": "closes in the handshake",
    "left": "looks at the certificate and leaves",
}
"""How a program refuses, in words."""
LENGTHS = (
    ("26w", "half a year"),
    ("1w", "a week"),
    ("2w", "two weeks"),
    ("4w", "four weeks"),
    ("none", "until somebody ends it"),
)
"""How long a host passes unread, to pick from."""
USUAL, SHORT = "26w", "2w"
"""How long when nobody says; the short one for what nobody knows (`registry.caution.SHORT`)."""
DONE = {"accept": "Accepted.", "dismiss": "Dismissed."}
"""What is said after each decision."""
_FORM = ("host", "do", "whom", "group", "band", "site", "length", "until", "why")


def show(ask: Ask) -> Answer:
    """What is suggested, most devices first, with a form for each; and what passes unread by a click already."""
    found = ask.house.doors.suggested(ask.now, ask.me.site)
    rows = [{**refusals.facts(one), "caution": about.words} for one, about in found]
    with ask.house.reading() as connection:
        made = [one for one in overrides.decisions(connection) if one.holds(ask.now)]
    unread = [one for one in made if one.override.action is Action.BYPASS and deciding.visible(ask, one)]
    policy, done = ask.house.doors.policy(), "" if ask.problems else DONE.get(ask.query.get("done", ""), "")
    empty = dict.fromkeys(_FORM, "")
    filled = {name: ask.form.get(name, "") for name in _FORM}
    suggested = [
        {
            **row,
            "one": one,
            "how": [SIGNS.get(sign, sign) for sign in row["signs"]],
            "form": filled if filled["host"] == row["host"] else empty | {"length": _usual(about)},
        }
        for row, (one, about) in zip(rows, found, strict=True)
    ]
    view: dict[str, Any] = {
        "suggested": suggested,
        "unread": unread,
        "change": ask.me.may("bypass-decide"),
        "bands": [band.value for band in Band],
        "groups": sorted(policy.groups),
        "sites": sorted(policy.sites) if ask.me.site is None else [],
        "lengths": LENGTHS,
        "problems": ask.problems,
        "done": done,
        "in_force": ask.house.doors.in_force() if done else "",
    }
    told = {"suggested": rows, "unread": [overrides.facts(one) for one in unread]}
    return Shown(data=told, view=view, table=Table(columns=COLUMNS, rows=(_cells(row) for row in rows)))


def decide(ask: Ask) -> Answer:
    """Accept one, or dismiss it."""
    form = ask.form
    host, do = form.get("host", "").strip(), form.get("do", "")
    where = host[:200] or "host"
    if do not in DONE:
        raise RegistryError(RegistryProblem(where, "what is decided?", "accept or dismiss"))
    thought = {one.host: about for one, about in ask.house.doors.suggested(ask.now, ask.me.site)}
    if host not in thought:
        raise RegistryError(RegistryProblem(where, "is not suggested any more", "look at the list again"))
    by = ask.by(form.get("why", ""))
    if do == "accept":
        asked = deciding.wanted(
            ask, {"length": _usual(thought[host]), **form, "action": "allow", "what": f"host:{host}"}
        )
        ask.house.doors.decide(replace(asked, action=Action.BYPASS), by)
    else:
        if ask.me.site is not None:
            what = f"is dismissed in the whole trust, and you are here for {ask.me.site}"
            raise RegistryError(RegistryProblem(where, what, "leave it, or accept it for your site"))
        with ask.house.writing() as connection:
            refusals.dismiss(connection, host, by)
    return Go(f"/bypass?done={do}")


def _usual(about: Caution) -> str:
    return SHORT if about.short else USUAL


def _cells(row: dict[str, Any]) -> list[object]:
    return [" ".join(value) if isinstance(value := row[name], list) else value for name in COLUMNS]


PAGES = (
    Page(
        name="bypass", path="/bypass", title="Programs that refuse to be read", show=show, template="bypass.html",
        nav="Programs", order=8,
    ),
    Page(name="bypass-decide", path="/bypass/decide", title="Programs that refuse to be read", show=show, act=decide,
         template="bypass.html", twins=False),
)  # fmt: skip
