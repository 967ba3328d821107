"""Lists: which are in force, how old and how large they are, how updating them goes, and which of them name a host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from categories.model import ListStatus, Match
from console.page import Answer, Ask, Go, Page, Param, Refused, Shown, Table
from registry.change import RegistryError

COLUMNS = ("name", "category", "entries", "problems", "updated_at", "source")
DONE = {
    "yes": "The gateway looks for new versions. Lessons go on with the lists in force until new ones are found good.",
    "add": "The gateway fetches and checks it. It is in force when it is found good; if not, it is not added.",
    "remove": "The gateway compiles the lists without it.",
}
"""What is said after each order."""
FOUND = 200
"""Most entries shown of a search."""
OLD = timedelta(days=14)
"""From this age on a list is shown as old."""


def show(ask: Ask) -> Answer:
    """Lists in force and sources, with what was searched for."""
    seen, what = ask.house.doors.lists(), ask.query.get("host", "").strip()[:2000]
    partial = ask.query.get("partial") == "yes" and ask.me.may("lists-update")
    found, problem = _naming(ask, what, partial=partial)
    rows = [list_facts(one) for one in sorted(seen.lists, key=lambda one: one.name)]
    view: dict[str, Any] = {
        "what": what,
        "problem": problem,
        "shown": [{**row, "old": ask.now - row["updated_at"] > OLD} for row in rows],
        "running": seen.running,
        "gateway": seen.gateway,
        "update": ask.me.may("lists-update"),
        "problems": ask.problems,
        "done": "" if ask.problems else DONE.get(ask.query.get("done", ""), ""),
        "named": ask.query.get("name", "")[:64],
        "partial": partial,
        "new": ask.me.may("list-new") and ask.me.site is None,
        "statutory": seen.statutory,
        "last": {**seen.last, "at": datetime.fromtimestamp(seen.last["at"], UTC)} if seen.last else None,
        "most": FOUND,
        "total": sum(one.entries for one in seen.lists),
    }
    data = {
        "revision": seen.revision,
        "current": seen.current,
        "running": seen.running,
        "last": dict(seen.last),
        "statutory": list(seen.statutory),
        "lists": rows,
        "sources": [_plain(one) for one in seen.sources],
        "found": [_match(one) for one in found],
    }
    return Shown(
        data=data, view=view, table=Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    )


def show_one(ask: Ask) -> Answer:
    """One source: how its updates went, and what the last one changed."""
    seen, name = ask.house.doors.lists(), ask.path["name"]
    one = next((source for source in seen.sources if source["name"] == name and "location" in source), None)
    if one is None:
        raise Refused(
            "No such list", "No list of that name was added. Those of the settings file have no updates.", 404
        )
    told = _plain(one)
    changes = told["changes"]
    rows = [(word, entry) for word in ("added", "removed") for entry in changes.get(f"{word}_sample", ())]
    parts = [list_facts(status) for status in seen.lists if status.name.partition("/")[0] == name]
    view = {"one": told, "changes": changes, "parts_of": parts, "running": seen.running}
    view["update"] = ask.me.may("lists-update")
    view["change"] = ask.me.may("list-change") and ask.me.site is None
    view["done"] = ask.query.get("done") == "change"
    return Shown(data={"source": told, "lists": parts}, view=view, table=Table(columns=("change", "entry"), rows=rows))


def update(ask: Ask) -> Answer:
    """Have the gateway look for a new version."""
    name = ask.form.get("name", "").strip()
    ask.house.doors.update_lists(name, ask.by(ask.form.get("why", "")))
    return Go("/lists?done=yes")


def list_facts(one: ListStatus) -> dict[str, Any]:
    """A list in JSON."""
    return {
        "name": one.name,
        "category": one.category,
        "entries": one.entries,
        "problems": one.problems,
        "updated_at": datetime.fromtimestamp(one.updated_at, UTC),
        "source": one.source,
    }


def _naming(ask: Ask, what: str, *, partial: bool) -> tuple[list[Match], str]:
    if not what:
        return [], ""
    try:
        return list(ask.house.doors.naming(what, FOUND, partial=partial)), ""
    except RegistryError as error:
        return [], str(error)


def _match(one: Match) -> dict[str, Any]:
    return {"category": one.category, "list": one.list, "entry": one.entry, "line": one.line, "kind": one.kind.value}


def _plain(one: Any) -> dict[str, Any]:
    """A source without what only the gateway needs."""
    return {name: value for name, value in one.items() if name != "key"}


PAGES = (
    Page(
        name="lists", path="/lists", title="Lists", show=show, template="lists.html", nav="Lists", order=7,
        params=(
            Param(name="host", words="a host or URL: which entries name it"),
            Param(name="partial", words="`yes`: every entry with that text in it"),
        ),
    ),
    Page(name="list", path="/lists/of/{name}", title="A list", show=show_one, template="list.html"),
    Page(name="lists-update", path="/lists/update", title="Lists", show=show, act=update, template="lists.html",
         twins=False),
)  # fmt: skip
