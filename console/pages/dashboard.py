"""Is it working? That first; then today's numbers beside last week's. Every number leads to its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

from console import charts
from console.charts import Bar
from console.doors import Finding, Health
from console.drawing import link
from console.page import Answer, Ask, Page, Shown, Table
from console.roles import Names
from logstore.filter import LogFilter
from logstore.query import Archive, SearchTooWide
from logstore.stats import By, Figures, Totals
from registry.requests import requests

SECONDS = 4.0
"""Longest time the numbers may take: the page is shown without those that take longer."""
TOP = 6
"""Names of a ranking."""
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
    today = LogFilter(since=begin, until=ask.now, site=ask.me.site)
    week = timedelta(days=7)
    health = ask.house.doors.health()
    numbers, rankings, bars = _numbers(ask, today, replace(today, since=begin - week, until=ask.now - week))
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


def _numbers(
    ask: Ask, today: LogFilter, before: LogFilter
) -> tuple[dict[str, Any] | None, list[dict[str, Any]], tuple[Bar, ...]]:
    rankings: list[dict[str, Any]] = []
    try:
        with Archive(ask.house.where, seconds=SECONDS) as archive:
            figures = Figures(archive, today, exact=False)
            now, then = figures.totals(), Figures(archive, before, exact=False).totals()
            unread = [Figures(archive, replace(day, action="bypass"), exact=False).totals() for day in (today, before)]
            round_filter = Figures(archive, replace(today, reason="circumvention"), exact=False).totals()
            spans = figures.series(timedelta(hours=1)).spans
            for by, heading, blocked in RANKINGS:
                if by == "site" and ask.me.site is not None:
                    continue
                wanted = replace(today, blocked=True) if blocked else today
                places = Figures(archive, wanted, exact=False).top(by, TOP).places
                rankings.append(_ranking(by, heading, blocked, places))
    except SearchTooWide:
        return None, [], ()
    numbers = {
        "requests": now.rows,
        "blocked": now.blocked,
        "blocked_share": round(now.blocked_share, 4),
        "people": now.users,
        "circumvention": round_filter.rows,
        "traffic": traffic(now, unread[0]),
        "last_week": {
            "requests": then.rows,
            "blocked": then.blocked,
            "blocked_share": round(then.blocked_share, 4),
            "traffic": traffic(then, unread[1]),
        },
        "counted": str(now.basis.source),
    }
    return numbers, rankings, tuple(Bar(span.start, span.rows, span.blocked) for span in spans)


def traffic(everything: Totals, unread: Totals) -> dict[str, dict[str, float]]:
    """Parts of all requests and of all bytes, 0 to 1, that were inspected, bypassed and refused (blocked)."""
    requests = max(1, everything.rows)
    size = everything.bytes_up + everything.bytes_down
    passed = unread.bytes_up + unread.bytes_down
    refused, bypassed = everything.blocked / requests, unread.rows / requests
    return {
        "requests": {
            "inspected": round((1 - refused - bypassed) if everything.rows else 0.0, 4),
            "bypassed": round(bypassed, 4),
            "refused": round(refused, 4),
        },
        "bytes": {
            "inspected": round((size - passed) / max(1, size), 4),
            "bypassed": round(passed / max(1, size), 4),
        },
    }


def _ranking(by: By, heading: str, blocked: bool, places: Any) -> dict[str, Any]:
    most = max((place.rows for place in places), default=0)
    return {
        "by": by,
        "heading": heading,
        "most": most,
        "places": [
            {
                "name": place.name,
                "requests": place.rows,
                "link": link("/log", **{by: place.name, "blocked": "yes" if blocked else "", "parts": "yes"}),
            }
            for place in places
            if place.name
        ],
    }


PAGES = (
    Page(
        name="dashboard", path="/dashboard", title="Dashboard", show=show, template="dashboard.html", nav="Dashboard",
        order=1,
    ),
)  # fmt: skip
