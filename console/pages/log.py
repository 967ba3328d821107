"""The log: what happened, filtered, said in a sentence, newest first, to the oldest row there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from console import charts, saved
from console.charts import Bar
from console.drawing import link
from console.logfilter import PERSONAL, RANGE, RANGES, Search, guess, read_search, step_for
from console.looking import reason_to_look, write_look
from console.page import Answer, Ask, Go, Page, Param, Refused, Shown, Table
from console.partsof import parts_of
from console.roles import Names
from console.rowview import line_of
from logstore.export import COLUMNS
from logstore.facets import facets
from logstore.filter import LogFilter
from logstore.query import Archive, Count, SearchTooWide
from logstore.query import Page as Rows
from logstore.stats import Figures
from registry.change import from_us
from registry.spelling import as_recorded

ROWS = 50
"""Rows of a page."""
DRAWN = 40
"""Parts of one page that are drawn; the rest is counted."""
CHART_SECONDS = 2.0
"""Longest time the histogram and the count may take: the rows are shown without them."""
PICKED = ("site", "band", "group", "category", "rule", "reason")
"""Filters whose names are picked from a list."""


def show(ask: Ask) -> Answer:
    """One page of rows."""
    if word := ask.query.get("q", "").strip():
        return Go(_meant(ask, word))
    search = read_search(ask.query, ask.me, ask.now, ask.house.zone)
    why = reason_to_look(ask, search.wanted)
    limit = {} if (keys := _keys(ask)) is None else keys
    with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
        page = archive.search(search.wanted, ROWS, **limit) if search.readable else Rows((), None, None)
        hidden = search.readable and not page.rows and not limit and _parts_alone(archive, search.wanted)
        parts = parts_of(archive, search.wanted, page.rows) if ask.me.names is not Names.NEVER else {}
        picks = {
            kind: [one.name for one in facets(archive.catalog, kind, limit=200, site=ask.me.site)]  # type: ignore[arg-type]
            for kind in PICKED
        }
    if search.readable:
        write_look(ask, search.wanted, len(page.rows) + sum(map(len, parts.values())), why)
        saved.opened(ask, search.query, _newest(page))
    count, bars, chart = _numbers(ask, search) if search.readable else (None, (), "")
    lines = [line_of(row, ask) for row in page.rows]
    sentence = search.wanted.sentence(ask.now, ask.house.zone) if search.readable else "nothing: it cannot be read"
    under = {str(number): [line_of(row, ask) for row in rows] for number, rows in parts.items()}
    told = [line["row"] for line in lines]
    data: dict[str, Any] = {
        "sentence": sentence,
        "timezone": str(ask.house.zone),
        "count": None if count is None else str(count),
        "rows": told,
        "parts": {number: [part["row"] for part in some] for number, some in under.items()},
        "older": None if page.next is None else search.link(before=page.next),
        "newer": None if page.previous is None else search.link(after=page.previous),
        "histogram": [{"from": bar.start, "requests": bar.rows, "blocked": bar.blocked} for bar in bars if bar.rows],
        "problems": search.problems,
    }
    view = {
        "search": search,
        "lines": lines,
        "under": under,
        "drawn": DRAWN,
        "values": values,
        "chart": chart,
        "picks": {kind: names for kind, names in picks.items() if ask.me.site is None or kind != "site"},
        "ranges": RANGES,
        "range": RANGE,
        "named": ask.me.names is not Names.NEVER,
        "empty": "" if lines else _empty(ask, hidden=hidden),
        "hidden": hidden,
        "frozen": bool(limit),
        "views": saved.views(ask),
        "fields": {name: search.query.get(name, "") for name in (*PERSONAL, *PICKED, "host", "domain", "list", "tier")},
        "extra": [name for name in search.query if name not in {"since", "blocked", "parts"}],
    }
    columns = [name for name in COLUMNS if not told or name in told[0]]
    return Shown(
        data=data, view=view, table=Table(columns=columns, rows=([row.get(name) for name in columns] for row in told))
    )


def values(row: Mapping[str, Any], site: str | None) -> list[tuple[str, str]]:
    """What a row can be left out by: names of fields as the address says them, and values."""
    named = [(name, row.get(name)) for name in ("host", "domain", "user", "band", "category", "rule", "action")]
    machine = ("device", row.get("device")) if row.get("device") else ("address", row.get("client_address"))
    where = () if site is not None else (("site", row.get("site")),)
    found = [*named, machine, *(("group", one) for one in row.get("groups") or ()), *where]
    return [(name, str(value)) for name, value in found if value]


def _newest(page: Rows) -> datetime | None:
    return from_us(max(row.record.time_us for row in page.rows)) if page.rows else None


def _keys(ask: Ask) -> dict[str, int] | None:
    """The place a page begins at, from its address."""
    for name in ("before", "after"):
        if text := ask.query.get(name):
            if not text.isdecimal() or int(text) >= 1 << 63:
                raise Refused("No such page of rows", f"{name} is the number of a row.", 400)
            return {name: int(text)}
    return None


def _numbers(ask: Ask, search: Search) -> tuple[Count | None, tuple[Bar, ...], Any]:
    """How many rows, and how they went over time; without what would take too long."""
    wanted, step = search.wanted, step_for(search.wanted, ask.now)
    count: Count | None = None
    bars: tuple[Bar, ...] = ()
    try:
        with Archive(ask.house.where, seconds=CHART_SECONDS) as archive:
            count = archive.count(wanted)
            spans = Figures(archive, wanted, exact=False).series(step).spans
        found = tuple(Bar(span.start, span.rows, span.blocked) for span in spans)
        bars = charts.steps(found, wanted.since, wanted.until or ask.now, step)
    except SearchTooWide:
        return count, (), ""
    words = f"{search.wanted.sentence(ask.now, ask.house.zone)}, over time"
    return count, bars, charts.histogram(bars, step, ask.house.zone, _zoom(search, ask), words)


def _zoom(search: Search, ask: Ask) -> Any:
    zone = ask.house.zone

    def address(since: datetime, until: datetime) -> str:
        told = {name: moment.astimezone(zone).isoformat() for name, moment in (("since", since), ("until", until))}
        return search.link(**told)

    return address


def _meant(ask: Ask, word: str) -> str:
    """The address of what somebody typed into the search box."""
    known: dict[str, frozenset[str]] = {}
    kinds = (
        ("category", "rule", "site") if ask.me.names is Names.NEVER else ("user", "device", "category", "rule", "site")
    )
    with Archive(ask.house.where, seconds=ask.house.seconds) as archive:
        for kind in kinds:
            if ask.me.site is not None and kind in {"user", "device"}:
                # Names of the whole trust's people and machines would tell who there is elsewhere.
                known[kind] = _here(ask, archive, kind, word)
                continue
            found = facets(archive.catalog, kind, word, limit=20)  # type: ignore[arg-type]
            known[kind] = frozenset(one.name.lower() for one in found)
    kept = {name: value for name, value in ask.query.items() if name not in {"q", "before", "after"}}
    return link("/log", **{**kept, **guess(word, known)})


def _here(ask: Ask, archive: Archive, kind: str, word: str) -> frozenset[str]:
    """The word, where a row of the viewer's own site has it as its person or machine."""
    try:
        wanted = LogFilter(site=ask.me.site, **{kind: as_recorded(kind, word)})
        return frozenset({word.lower()}) if archive.search(wanted, 1).rows else frozenset()
    except (ValueError, SearchTooWide):
        return frozenset()


def _parts_alone(archive: Archive, wanted: LogFilter) -> bool:
    """Whether only what is no page fits: parts, programs, `curl`. Somebody who sees nothing must hear of it."""
    try:
        return wanted.page and bool(archive.search(replace(wanted, page=False), 1).rows)
    except SearchTooWide:
        return False


def _empty(ask: Ask, *, hidden: bool) -> str:
    """Why there is nothing: the truth, one of them."""
    if hidden:
        return "Nobody opened such a page in this time, but programs, or parts of pages, asked for something."
    return ask.house.doors.recording() or "There are no such requests in this time."


PAGES = (
    Page(
        name="log", path="/log", title="Log", show=show, template="log.html", nav="Log", order=2,
        params=(
            Param(name="since", words="from when: 15m, 10:20, today, 2026-11-20, or ISO 8601; `all` for everything"),
            Param(name="until", words="until when, in the same words"),
            Param(name="q", words="a host, person, machine, category or rule: leads to the search it means"),
            Param(name="blocked", words="`yes`: blocked ones; `no`: the others"),
            Param(name="parts", words="`yes`: parts of pages too, not only pages people opened"),
            Param(name="without", words="`user:pupil-0417,category:games`: rows that have none of these values"),
            Param(name="before", words="rows older than this one's number"),
            Param(name="after", words="rows newer than this one's number"),
            *(Param(name=name, words=f"{name} of the rows") for name in (*PERSONAL, *PICKED, "host", "domain", "list")),
        ),
    ),
)  # fmt: skip
