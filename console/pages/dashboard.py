"""Is it working? That first; then today's numbers beside last week's. Every number leads to its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

from console import charts
from console.charts import Bar
from console.doors import Finding, Health
from console.drawing import link
from console.page import Answer, Ask, Page, Shown, Table
from console.roles import Names
from logstore.filter import LogFilter
from logstore.place import Where
from logstore.query import Archive, SearchTooWide
from logstore.stats import By, Figures
from registry.requests import requests

SECONDS = 4.0
"""Longest time the numbers may take: the page is shown without those that take longer."""
TOP = 6
"""Names of a ranking."""
EVERY = 1000
"""More than there are actions and reasons."""
DECLINED = "device"
"""Reason of a row whose device would not have our certificate: let through, but nothing was asked and nothing read."""
WEEK = timedelta(days=7)
RANKINGS: tuple[tuple[By, str, bool], ...] = (
    ("category", "Categories, blocked", True),
    ("rule", "Rules that blocked", True),
    ("domain", "Websites, blocked", True),
    ("domain", "Websites, all", False),
    ("site", "Sites", False),
)
"""What is ranked: by what, its heading, and whether only blocked requests count."""
ORDER = {"bad": 0, "note": 1, "good": 2}
FIRST = (
    "statutory lists",
    "record",
    "gateway",
    "lists",
    "list updates",
    "retention",
    "certificate authority",
    "policy",
)
"""What people look for first, of what is equally urgent."""


def show(ask: Ask) -> Answer:
    """The page."""
    zone = ask.house.zone
    local = ask.now.astimezone(zone)
    begin = datetime.combine(local.date(), time(), zone)
    health = ask.house.doors.health()
    numbers, rankings, bars = _numbers(ask, begin)
    chart = charts.histogram(
        charts.steps(bars, begin, ask.now, timedelta(hours=1)), timedelta(hours=1), zone,
_hours(ask),
        "Requests of today, by hour",
    )  # fmt: skip
    with ask.house.reading() as connection:
        waiting = [one for one in requests(connection) if ask.me.site in {None, one.site}]
    findings = [_seen(one, ask) for one in _findings(health)]
    data = {
        "health": findings,
        "working": all(one["level"] != "bad" for one in findings),
        "today": numbers,
        "rankings": rankings,
        "reviews_waiting": len(waiting),
        "histogram": [{"from": bar.start, "requests": bar.rows, "blocked": bar.blocked} for bar in bars],
    }
    rows = ([one["what"], one["level"], one["found"]] for one in findings)
    return Shown(data=data, view={"chart": chart, "log": ask.me.may("log")},
                 table=Table(columns=("what", "level", "found"), rows=rows))  # fmt: skip


def _hours(ask: Ask) -> Callable[[datetime, datetime], str]:
    """Where a bar leads: to its hour in the log; nowhere for whoever has no log."""

    def address(since: datetime, until: datetime) -> str:
        if not ask.me.may("log"):
            return ""
        return link("/log", since=since.isoformat(), until=until.isoformat(), parts="yes")

    return address


def _findings(health: Health) -> list[Finding]:
    """What was looked at, what needs attention first."""
    found = list(health.findings)
    status = health.status
    if status:
        lists = status.get("lists", {})
        if isinstance(lists, dict) and lists.get("problems"):
            found.append(Finding("list updates", "note", "; ".join(map(str, lists["problems"]))))
    place = {what: number for number, what in enumerate(FIRST)}
    return sorted(found, key=lambda one: (ORDER.get(one.level, 1), place.get(one.what, len(FIRST))))


def _seen(one: Finding, ask: Ask) -> dict[str, Any]:
    """A finding as this role sees it: who only wants to know whether it works is shown no paths."""
    short = ask.me.names is Names.NEVER
    told = {"what": one.what, "level": one.level}
    return {**told, "found": "" if short else one.found, "advice": "" if short else one.advice}


type Numbers = tuple[dict[str, Any] | None, list[dict[str, Any]], tuple[Bar, ...]]


def _numbers(ask: Ask, begin: datetime) -> Numbers:
    """The numbers of today; made anew when what they are told from has changed, for everybody of a site together."""
    today = LogFilter(since=begin, until=ask.now, site=ask.me.site)
    where = ask.house.where
    try:
        with Archive(where, seconds=SECONDS) as archive:
            told, computed = (figures := Figures(archive, today, exact=False)).told, figures.computed
        at = computed or ask.now.replace(second=0, microsecond=0)
        before = replace(today, since=begin - WEEK, until=max(begin, at) - WEEK)
        made = partial(_made, where, today, before, at)
        return ask.house.kept.get(("dashboard", ask.me.site, begin), (told, at), made)
    except SearchTooWide:
        return None, [], ()


def _made(where: Where, today: LogFilter, before: LogFilter, at: datetime) -> Numbers:
    rankings: list[dict[str, Any]] = []
    with Archive(where, seconds=SECONDS) as archive:
        figures = Figures(archive, today, exact=False)
        now, then = (_shares(one) for one in (figures, Figures(archive, before, exact=False)))
        reasons = {place.name: place.rows for place in figures.top("reason", EVERY).places}
        spans = figures.series(timedelta(hours=1)).spans
        for by, heading, blocked in RANKINGS:
            if by == "site" and today.site is not None:
                continue
            places = figures.top(by, TOP, first="blocked" if blocked else "rows").places
            rankings.append(_ranking(by, heading, blocked, places))
        people, source = figures.people(), str(figures.top("action", EVERY).basis.source)
    numbers = {
        **now,
        "people": people,
        "circumvention": reasons.get("circumvention", 0),
        "last_week": then,
        "counted": source,
        "as_of": at,
    }
    return numbers, rankings, tuple(Bar(span.start, span.rows, span.blocked) for span in spans)


def _shares(figures: Figures) -> dict[str, Any]:
    """All requests, the blocked ones, and how they went."""
    actions = figures.top("action", EVERY).places
    rows, blocked = sum(one.rows for one in actions), sum(one.blocked for one in actions)
    declined = sum(one.rows for one in figures.top("reason", EVERY).places if one.name == DECLINED)
    unread = [one for one in actions if one.name == "bypass"]
    size, passed = sum(one.bytes for one in actions), sum(one.bytes for one in unread)
    return {
        "requests": rows,
        "blocked": blocked,
        "blocked_share": round(blocked / max(1, rows), 4),
        "traffic": traffic((rows, blocked + declined, size), (sum(one.rows for one in unread), passed)),
    }


def traffic(everything: tuple[int, int, int], unread: tuple[int, int]) -> dict[str, dict[str, float]]:
    """Parts of all requests and of all bytes, 0 to 1: inspected, bypassed, refused (by us or by the device).

    In: requests, those refused, bytes; requests that were passed unread, and their bytes.
    """
    (rows, stopped, size), (through, passed) = everything, unread
    requests = max(1, rows)
    refused, bypassed = stopped / requests, through / requests
    return {
        "requests": {
            "inspected": round((1 - refused - bypassed) if rows else 0.0, 4),
            "bypassed": round(bypassed, 4),
            "refused": round(refused, 4),
        },
        "bytes": {
            "inspected": round((size - passed) / max(1, size), 4),
            "bypassed": round(passed / max(1, size), 4),
        },
    }


def _ranking(by: By, heading: str, blocked: bool, places: Any) -> dict[str, Any]:
    most = max((place.blocked if blocked else place.rows for place in places), default=0)
    return {
        "by": by,
        "heading": heading,
        "most": most,
        "places": [
            {
                "name": place.name,
                "requests": place.blocked if blocked else place.rows,
                "link": link("/log", **{by: place.name, "blocked": "yes" if blocked else "", "parts": "yes"}),
            }
            for place in places
            if place.name and (place.blocked or not blocked)
        ],
    }


PAGES = (
    Page(
        name="dashboard", path="/dashboard", title="Dashboard", show=show, template="dashboard.html", nav="Dashboard",
        order=1,
    ),
)  # fmt: skip
