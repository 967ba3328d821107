"""From what a page shows to bytes: HTML by templates that escape everything, JSON, CSV.

A page, who asks and what is shown in; text out. The rule: nothing is marked safe but what `console.charts` drew.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import importlib.resources
import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from console import charts
from console.page import Ask, Page, Table
from console.roles import TITLES, Viewer
from logstore.export import cell

MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
"""Kinds of our own files."""


@functools.cache
def assets() -> Mapping[str, tuple[bytes, str, str]]:
    """Our own files: content, media type and a mark that changes with the content."""
    found = {}
    for file in sorted((importlib.resources.files("console") / "static").iterdir(), key=lambda one: one.name):
        ending = file.name[file.name.rfind(".") :]
        if ending in MEDIA:
            data = file.read_bytes()
            found[file.name] = (data, MEDIA[ending], hashlib.sha256(data).hexdigest()[:12])
    return found


def asset(name: str) -> str:
    """The address of one of our own files."""
    return f"/static/{name}?v={assets()[name][2]}"


def link(path: str, **query: object) -> str:
    """An address with a query; what is None or empty is left out."""
    told = {name.rstrip("_"): value for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(told)}" if told else path


def at_clock(moment: datetime, zone: tzinfo, now: datetime | None = None) -> str:
    """A time for people, in the school's zone; without its date when that is today."""
    local = moment.astimezone(zone)
    if now is not None and local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M:%S}"
    return f"{local:%a %-d %b %Y %H:%M:%S}"


def number(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


@functools.cache
def environment() -> Environment:
    """The templates."""
    made = Environment(
        loader=PackageLoader("console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.globals.update(asset=asset, link=link, titles=TITLES, share=charts.share)
    made.filters.update(number=number)
    return made


def html(template: str, ask: Ask, navigation: tuple[Page, ...], title: str, shown: Mapping[str, Any]) -> str:
    """A whole page."""
    zone, now = ask.house.zone, ask.now
    words = {
        "ask": ask,
        "me": ask.viewer,
        "title": title,
        "navigation": navigation,
        "clock": lambda moment: "" if moment is None else at_clock(moment, zone, now),
        "full_clock": lambda moment: "" if moment is None else at_clock(moment, zone),
        "zone": str(zone),
    }
    return environment().get_template(template).render({**words, **shown})


def navigation_for(pages: tuple[Page, ...], viewer: Viewer | None) -> tuple[Page, ...]:
    """The pages in the navigation of whoever looks."""
    return tuple(page for page in pages if page.nav and viewer is not None and viewer.may(page.name))


def as_json(data: Mapping[str, Any]) -> str:
    """The JSON twin, in ASCII."""
    return json.dumps(data, default=_plain) + "\n"


def as_csv(table: Table) -> str:
    """The CSV twin (RFC 4180), safe to open in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.columns)
    writer.writerows([cell(value) for value in row] for row in table.rows)
    return out.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


type Clock = Callable[[], datetime]
