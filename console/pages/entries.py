"""The school's own entries: which are in force, who made them, why and until when; add one, take one out."""

from __future__ import annotations

from typing import Any

from console import filling
from console.page import Answer, Ask, Go, Page, Param, Shown, Table
from registry import entries
from registry.change import RegistryError, RegistryProblem
from registry.entries import Made

COLUMNS = ("id", "category", "entry", "until", "why", "made_by", "made_at")
ROWS = 100
"""Entries of a page."""
DONE = {"add": "Added.", "remove": "Taken out."}
"""What is said after each change."""


def show(ask: Ask) -> Answer:
    """Entries in force, newest first, and the form for a new one."""
    told = {name: ask.query.get(name, "").strip()[:200] for name in ("q", "category")}
    past = ask.query.get("before", "")
    place = int(past) if past.isdecimal() and int(past) < 1 << 62 else None
    with ask.house.reading() as connection:
        holding = [one for one in reversed(entries.made(connection)) if one.holds(ask.now)]
    wanted = [one for one in holding if _fits(one, told)]
    rest = [one for one in wanted if place is None or one.entry.id < place]
    rows = [entries.facts(one) for one in rest[:ROWS]]
    done = "" if ask.problems else DONE.get(ask.query.get("done", ""), "")
    view: dict[str, Any] = {
        "told": told,
        "shown": rest[:ROWS],
        "older": rest[ROWS - 1].entry.id if len(rest) > ROWS else None,
        "first": place is None,
        "used": sorted({one.entry.category for one in holding}),
        "categories": filling.fillable(ask),
        "lengths": filling.LENGTHS,
        "change": ask.me.may("entries-change") and ask.me.site is None,
        "form": ask.form,
        "problems": ask.problems,
        "done": done,
        "in_force": ask.house.doors.in_force() if done else "",
    }
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(data={"count": len(wanted), "rows": rows}, view=view, table=table)


def change(ask: Ask) -> Answer:
    """Add an entry, or take one out."""
    form, doors = ask.form, ask.house.doors
    category, what, do = form.get("category", "").strip(), form.get("what", "").strip(), form.get("do", "")
    filling.check_reach(ask, what[:80] or "entry")
    by = ask.by(form.get("why", ""))
    if do not in DONE:
        raise RegistryError(RegistryProblem("entry", "nothing to do was said"))
    if not by.why:
        raise RegistryError(RegistryProblem(what[:80] or "entry", "needs a reason", "say why, in a few words"))
    if do == "add":
        doors.check_entry(what)
    until, categories, reserved = filling.ends(ask, form), doors.categories(), filling.reserved(ask)
    with ask.house.writing() as connection:
        if do == "add":
            entries.add(connection, category, what, by, categories=categories, reserved=reserved, until=until)
        else:
            entries.remove(connection, category, what, by)
    doors.put_in_force()
    return Go(f"/entries?done={do}")


def _fits(one: Made, told: dict[str, str]) -> bool:
    text = told["q"].lower()
    return text in one.entry.value and told["category"] in {"", one.entry.category}


PAGES = (
    Page(
        name="entries", path="/entries", title="Own entries", show=show, template="entries.html",
        params=(
            Param(name="q", words="part of a host or URL"),
            Param(name="category", words="only of this category"),
            Param(name="before", words="entries with a smaller number than this"),
        ),
    ),
    Page(name="entries-change", path="/entries/change", title="Own entries", show=show, act=change,
         template="entries.html", twins=False),
)  # fmt: skip
