"""The audit trail: who changed what, who looked at whom, who signed in; newest first, read only.

The rule: nobody learns here that somebody looked into them, not by a gap in numbers or a shorter page; and the trail is
one for the whole trust, so a role at one site does not read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from console.drawing import link
from console.oneself import Reader, reader_of
from console.page import Answer, Ask, Page, Param, Refused, Shown, Table
from logstore.audit import Entry, entries
from logstore.holdtrail import KIND
from logstore.when import parse_when

ROWS = 100
"""Lines of a page."""
BATCH = 500
"""Lines read at once."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Where moments are counted from."""
KINDS = ("change", "look", "export", "sign-in", "retention", "hold")
"""Kinds of lines."""
COLUMNS = ("at", "kind", "who", "what", "subject", "why", "before", "after")


def show(ask: Ask) -> Answer:
    """One page of lines."""
    if ask.me.site is not None:
        raise Refused("The trail is the trust's", f"It tells of every site, and you are here for {ask.me.site} alone.")
    told = {name: ask.query.get(name, "").strip() for name in ("kind", "who", "what", "subject", "since", "until")}
    wanted = {name: value for name, value in told.items() if value}
    times, problems = _times(ask, wanted)
    asked = {name: value for name, value in wanted.items() if name not in times} | times
    place = _place(ask.query.get("before", ""))
    with ask.house.reading() as connection:
        reader = reader_of(ask, connection)
        found = [] if problems else _lines(connection, reader, asked, place)
    shown = found[:ROWS]
    rows = [{**{name: getattr(one, name) for name in COLUMNS}, "after": _without_rows(one)} for one in shown]
    older = link("/audit", **wanted, before=_after(shown, place)) if len(found) > ROWS else None
    lines = [(one, changed(one.before, row["after"])) for one, row in zip(shown, rows, strict=True)]
    view = {"told": told, "kinds": KINDS, "lines": lines, "first": "before" not in ask.query, "problems": problems}
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(data={"rows": rows, "older": older, "problems": problems}, view=view, table=table)


def _lines(
    connection: Connection, reader: Reader, asked: Mapping[str, Any], place: tuple[int, int] | None
) -> list[Entry]:
    """The lines of one page and one more, if there is one: only lines that are shown count, so that a page is as full
    for whoever is in the trail as for anybody else."""
    until, skip = asked.get("until"), 0
    if place is not None:
        begin = EPOCH + timedelta(microseconds=place[0] + 1)
        until, skip = begin if until is None else min(until, begin), place[1]
    found: list[Entry] = []
    number: int | None = None
    while len(found) <= ROWS:
        batch = entries(connection, **{**asked, "until": until}, before=number, limit=BATCH)
        for one in batch:
            if reader.is_about(one):
                continue
            if skip:
                skip -= 1
            else:
                found.append(one)
        if len(batch) < BATCH:
            break
        number = batch[-1].id
    return found


def _place(text: str) -> tuple[int, int] | None:
    """Where a page begins, from its address: a moment, and how many of its lines were shown before."""
    parts = text.split(".")
    if not all(part.isdecimal() and len(part) < 18 for part in parts) or len(parts) != 2:
        return None
    return int(parts[0]), int(parts[1])


def _after(shown: list[Entry], place: tuple[int, int] | None) -> str:
    """The address of the place after these lines: a moment, because gaps in numbers would tell of lines kept back."""
    last = shown[-1].at
    moment, seen = (last - EPOCH) // timedelta(microseconds=1), sum(one.at == last for one in shown)
    return f"{moment}.{seen + (place[1] if place is not None and place[0] == moment else 0)}"


def _without_rows(line: Entry) -> Any:
    """What a line tells, without numbers of rows: by them somebody finds out whose rows they are."""
    if line.kind == KIND and isinstance(line.after, dict):
        return {name: value for name, value in line.after.items() if name not in {"first", "last"}}
    return line.after


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
            Param(name="before", words="where the page before ended, as its link says it"),
        ),
    ),
)  # fmt: skip
