"""The audit trail: who changed what, who looked at whom, who signed in; newest first, read only."""

from __future__ import annotations

from console.drawing import link
from console.page import Answer, Ask, Page, Param, Shown, Table
from logstore.audit import entries

ROWS = 100
"""Lines of a page."""
KINDS = ("change", "look", "export", "sign-in", "retention", "hold")
"""Kinds of lines."""
COLUMNS = ("id", "at", "kind", "who", "what", "subject", "why", "before", "after")


def show(ask: Ask) -> Answer:
    """One page of lines."""
    told = {name: ask.query.get(name, "").strip() for name in ("kind", "who", "subject")}
    wanted = {name: value for name, value in told.items() if value}
    before = ask.query.get("before", "")
    with ask.house.reading() as connection:
        place = int(before) if before.isdecimal() and int(before) < 1 << 63 else None
        found = entries(connection, **wanted, before=place, limit=ROWS)
    rows = [{name: getattr(one, name) for name in COLUMNS} for one in found]
    older = link("/audit", **wanted, before=found[-1].id) if len(found) == ROWS else None
    view = {"told": told, "kinds": KINDS, "entries": found, "first": before == ""}
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(data={"rows": rows, "older": older}, view=view, table=table)


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
