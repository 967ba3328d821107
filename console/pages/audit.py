"""The audit trail: who changed what, who looked at whom, who signed in; newest first, read only.

The rule: nobody learns here that somebody looked into them; and the trail is one for the whole trust, so a role at one
site does not read it.
"""

from __future__ import annotations

import json
from typing import Any

from console.drawing import link
from console.page import Answer, Ask, Page, Param, Refused, Shown, Table
from logstore.audit import Entry, entries
from logstore.redactpeople import mentions
from logstore.when import parse_when

ROWS = 100
"""Lines of a page."""
KINDS = ("change", "look", "export", "sign-in", "retention", "hold")
"""Kinds of lines."""
COLUMNS = ("id", "at", "kind", "who", "what", "subject", "why", "before", "after")


def show(ask: Ask) -> Answer:
    """One page of lines."""
    if ask.me.site is not None:
        raise Refused("The trail is the trust's", f"It tells of every site, and you are here for {ask.me.site} alone.")
    told = {name: ask.query.get(name, "").strip() for name in ("kind", "who", "what", "subject", "since", "until")}
    wanted = {name: value for name, value in told.items() if value}
    times, problems = _times(ask, wanted)
    asked = {name: value for name, value in wanted.items() if name not in times} | times
    before = ask.query.get("before", "")
    with ask.house.reading() as connection:
        place = int(before) if before.isdecimal() and int(before) < 1 << 63 else None
        found = () if problems else entries(connection, **asked, before=place, limit=ROWS)
    shown = [one for one in found if not _about_viewer(ask, one)]
    rows = [{name: getattr(one, name) for name in COLUMNS} for one in shown]
    older = link("/audit", **wanted, before=found[-1].id) if len(found) == ROWS else None
    lines = [(one, changed(one.before, one.after)) for one in shown]
    view = {"told": told, "kinds": KINDS, "lines": lines, "hidden": len(found) - len(shown), "first": before == ""}
    view["problems"] = problems
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(
        data={"rows": rows, "older": older, "hidden": len(found) - len(shown), "problems": problems},
        view=view,
        table=table,
    )


def _times(ask: Ask, wanted: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The moments that were asked for; what cannot be read is told, and then no line is shown."""
    found: dict[str, Any] = {}
    problems = []
    for name in ("since", "until"):
        if name in wanted:
            try:
                found[name] = parse_when(wanted[name], ask.now, ask.house.zone, end=name == "until")
            except ValueError as error:
                problems.append(str(error))
                found[name] = None
    return found, problems


def _about_viewer(ask: Ask, line: Entry) -> bool:
    """Whether a line names whoever reads it as the person it is about; what they did themselves they may see."""
    person = ask.me.person
    if not person or line.who == ask.me.who:
        return False
    return mentions([line.subject, _without_doers(line.before), _without_doers(line.after), line.why], person)


def _without_doers(told: Any) -> Any:
    """What a line tells, without who decided something: that a decision of theirs is over is not about them."""
    if isinstance(told, dict):
        return {name: value for name, value in told.items() if not (name.endswith("_by") and isinstance(value, str))}
    return told


def changed(before: Any, after: Any) -> list[tuple[str, str, str]]:
    """What a line's before and after say: name, what it was, what it is; what stayed is left out."""
    was = before if isinstance(before, dict) else {} if before is None else {"": before}
    now = after if isinstance(after, dict) else {} if after is None else {"": after}
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return [(name.replace("_", " "), _plain(was.get(name)), _plain(now.get(name))) for name in names]


def _plain(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return "" if value is None else str(value)


PAGES = (
    Page(
        name="audit", path="/audit", title="Audit trail", show=show, template="audit.html", nav="Audit", order=8,
        params=(
            Param(name="kind", words=", ".join(KINDS)),
            Param(name="who", words="who did it, as the trail writes it: `console:name`"),
            Param(name="what", words="how what was done begins: `person.`, `looked`"),
            Param(name="subject", words="to what or whom"),
            Param(name="since", words="from this time on: 2h, yesterday, 2026-11-20T10:20"),
            Param(name="until", words="until this time"),
            Param(name="before", words="lines older than this number"),
        ),
    ),
)  # fmt: skip
