"""Retention: that it runs, what went, what is left that should have gone, and the lines that prove it."""

from __future__ import annotations

from typing import Any

from console.drawing import link
from console.page import Answer, Ask, Page, Param, Shown, Table
from console.roles import Names
from logstore.audit import entries
from logstore.retention import oldest_day, overdue
from logstore.retentionruns import Run, runs

RUNS = 30
"""Runs of a page."""
LINES = 20
"""Lines of the trail shown with them."""
COLUMNS = ("id", "started_at", "finished", "kept_from", "months", "rows", "days", "elsewhere", "left")


def show(ask: Ask) -> Answer:
    """The newest runs, whether retention is behind, and its newest lines in the trail."""
    text = ask.query.get("before", "")
    before = int(text) if text.isdecimal() and int(text) < 1 << 62 else None
    named = ask.me.names is not Names.NEVER
    with ask.house.reading() as connection:
        found = runs(connection, before=before, limit=RUNS)
        newest = runs(connection, limit=1)
        lines = entries(connection, kind="retention", limit=LINES) if named and ask.me.site is None else ()
    months = newest[0].months if newest else 6
    late = overdue(ask.house.where, ask.now, ask.house.zone, months)
    oldest = oldest_day(ask.house.where)
    rows = [_facts(one, named=named) for one in found]
    data: dict[str, Any] = {
        "months": months,
        "behind": None if late is None else str(late),
        "oldest_day": None if oldest is None else oldest.isoformat(),
        "runs": rows,
        "lines": [{"id": one.id, "at": one.at, "what": one.what, "subject": one.subject} for one in lines],
    }
    older = link("/retention", before=found[-1].id) if len(found) == RUNS else None
    view = {"shown": list(zip(found, rows, strict=True)), "proof": lines, "older": older, "first": before is None}
    table = Table(columns=COLUMNS, rows=([_cell(row[name]) for name in COLUMNS] for row in rows))
    return Shown(data=data, view=view, table=table)


def _facts(one: Run, *, named: bool) -> dict[str, Any]:
    """A run in JSON. What is left is told by number to whoever sees no names: files are called after cases."""
    told = {
        name: getattr(one, name) for name in ("id", "started_at", "finished", "kept_from", "months", "rows", "days")
    }
    return {**told, "elsewhere": dict(one.elsewhere), "left": list(one.left) if named else len(one.left)}


def _cell(value: object) -> object:
    if isinstance(value, dict):
        return "; ".join(f"{name} {count}" for name, count in value.items())
    return "; ".join(value) if isinstance(value, list) else value


PAGES = (
    Page(
        name="retention", path="/retention", title="Retention", show=show, template="retention.html",
        params=(Param(name="before", words="runs before this number"),),
    ),
)  # fmt: skip
