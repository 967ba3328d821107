"""The audit trail: who changed what, who looked at whom, who signed in; newest first, read only.

The rule: nobody learns here that somebody looked into them; and the trail is one for the whole trust, so a role at one
site does not read it.
"""

from __future__ import annotations

from console.drawing import link
from console.page import Answer, Ask, Page, Param, Refused, Shown, Table
from logstore.audit import Entry, entries
from logstore.redactpeople import mentions

ROWS = 100
"""Lines of a page."""
KINDS = ("change", "look", "export", "sign-in", "retention", "hold")
"""Kinds of lines."""
COLUMNS = ("id", "at", "kind", "who", "what", "subject", "why", "before", "after")


def show(ask: Ask) -> Answer:
    """One page of lines."""
    if ask.me.site is not None:
        raise Refused("The trail is the trust's", f"It tells of every site, and you are here for {ask.me.site} alone.")
    told = {name: ask.query.get(name, "").strip() for name in ("kind", "who", "subject")}
    wanted = {name: value for name, value in told.items() if value}
    before = ask.query.get("before", "")
    with ask.house.reading() as connection:
        place = int(before) if before.isdecimal() and int(before) < 1 << 63 else None
        found = entries(connection, **wanted, before=place, limit=ROWS)
    shown = [one for one in found if not _about_viewer(ask, one)]
    rows = [{name: getattr(one, name) for name in COLUMNS} for one in shown]
    older = link("/audit", **wanted, before=found[-1].id) if len(found) == ROWS else None
    view = {"told": told, "kinds": KINDS, "entries": shown, "hidden": len(found) - len(shown), "first": before == ""}
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(data={"rows": rows, "older": older, "hidden": len(found) - len(shown)}, view=view, table=table)


def _about_viewer(ask: Ask, line: Entry) -> bool:
    """Whether a line names whoever reads it as the person it is about; what they did themselves they may see."""
    person = ask.me.person
    if not person or line.who == ask.me.who:
        return False
    return mentions([line.subject, line.before, line.after, line.why], person)


PAGES = (
    Page(
        name="audit", path="/audit", title="Audit trail", show=show, template="audit.html", nav="Audit", order=8,
        params=(
            Param(name="kind", words=", ".join(KINDS)),
            Param(name="who", words="who did it, as the trail writes it: `console:name`"),
            Param(name="subject", words="to what or whom"),
            Param(name="before", words="lines older than this number"),
        ),
    ),
)  # fmt: skip
