"""One row with all its evidence, and what the same person and machine did either side of it."""

from __future__ import annotations

from typing import Any

from console.drawing import link
from console.looking import reason_to_look, write_look
from console.page import Answer, Ask, Page, Refused, Shown
from console.rowview import evidence, line_of
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.rows import Row
from logstore.timeline import around

SIDE = 10
"""Rows either side."""


def show(ask: Ask) -> Answer:
    """The row; its neighbours when they are asked for, with a reason where one is needed."""
    row = row_of(ask, ask.path["id"])
    history = ask.query.get("history") == "yes"
    lanes = lanes_of(row) if history else []
    # Every lane is asked for: a reason for a pupil opens nothing of the adult at the same machine.
    reasons = [reason_to_look(ask, lane) for lane in lanes]
    why = "; ".join(dict.fromkeys(filter(None, reasons)))
    neighbours: list[Row] = []
    if lanes:
        with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
            neighbours = list(around(archive, lanes, row.id, before=SIDE, after=SIDE + 1).rows)
    write_look(ask, look_of(row), len(neighbours) or 1, why, "the rows around " if history else "")
    line = line_of(row, ask)
    lines = [line_of(one, ask) for one in neighbours]
    data: dict[str, Any] = {"row": line["row"], "around": [one["row"] for one in lines]}
    here = f"/log/{row.id}"
    view = {
        "line": line,
        "evidence": evidence(line["row"]),
        "lines": lines,
        "history": "" if history or not lanes_of(row) else link(here, history="yes"),
        "locked": row.record.tier == "locked",
        "of": " and ".join(filter(None, (row.record.user, row.record.device))) or row.record.client_address,
    }
    return Shown(data=data, view=view)


def row_of(ask: Ask, number: str) -> Row:
    """The row of that number, when whoever asks may see it. Raises `Refused`."""
    row = None
    if number.isdecimal() and int(number) < 1 << 63:
        with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
            row = archive.show(int(number))
    if row is None or (ask.me.site is not None and row.record.site != ask.me.site):
        raise Refused("No such row", "There is no row of that number, or it is not of your site.", 404)
    return row


def look_of(row: Row) -> LogFilter:
    """What a look at this row is a look at, for its line in the trail: the row, whose it is, and the machine."""
    record = row.record
    address = None if record.user or record.device else record.client_address or None
    return LogFilter(id=row.id, user=record.user, device=record.device, client_address=address)


def lanes_of(row: Row) -> list[LogFilter]:
    """Filters of the same person and the same machine."""
    record, found = row.record, []
    if record.user is not None:
        found.append(LogFilter(user=record.user, site=record.site))
    if record.device is not None:
        found.append(LogFilter(device=record.device, site=record.site))
    elif record.client_address:
        found.append(LogFilter(client_address=record.client_address, site=record.site))
    return found


PAGES = (Page(name="log-row", path="/log/{id:int}", title="A row of the log", show=show, template="logrow.html"),)
