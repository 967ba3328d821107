"""From the address of the log page to a `LogFilter`, narrowed to what whoever looks may see.

The query of a page and a viewer in; the filter, what it says, and what could not be read out. The rule: a viewer of one
site is given that site, whatever the address says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from urllib.parse import unquote

from console.drawing import link
from console.page import Refused
from console.roles import Names, Viewer
from logstore.filter import LogFilter
from logstore.when import parse_when
from registry.spelling import as_recorded

RANGES = (
    ("15m", "Last 15 minutes"),
    ("1h", "Last hour"),
    ("today", "Today"),
    ("yesterday", "Since yesterday"),
    ("7d", "Last 7 days"),
    ("all", "All there is"),
)
"""Ranges to pick from."""
RANGE = "today"
"""The range when none is given."""
FIELDS = (
    "user", "device", "address", "site", "band", "group", "host", "domain", "category", "list", "rule", "tier",
    "action", "reason", "terms", "title", "text",
)  # fmt: skip
"""What can be asked for by name, as the address says it."""
PERSONAL = ("user", "device", "address", "terms", "title", "text")
"""Fields that say who, or what somebody wrote: not for whoever sees no names."""
KEPT = (*FIELDS, "since", "until", "blocked", "parts", "without")
"""Everything of the address that is part of the search."""


_FIELD = {"address": "client_address"}
"""Names of fields that the address says otherwise."""
_SAID = {name: said for said, name in _FIELD.items()}
"""The other way round."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for."""

    wanted: LogFilter
    """The filter."""
    query: Mapping[str, str]
    """Its address, without what says nothing."""
    problems: tuple[str, ...] = ()
    """What could not be read."""
    readable: bool = True
    """False when the filter itself could not be read: then no row is shown, because it would not be what was asked."""

    def link(self, path: str = "/log", **changes: object) -> str:
        """The address of this search with some things changed."""
        return link(path, **{**self.query, **changes})

    def without(self, name: str, value: object) -> str:
        """The address of this search without rows that have this value."""
        kept = self.query if self.query.get(name) != value else {**self.query, name: ""}
        return link("/log", **{**kept, "without": spelt([*self.left_out, (name, str(value))])})

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """What is left out: names of fields as the address says them, and values."""
        return read_without(self.query.get("without", ""))

    def again_with(self, number: int) -> str:
        """The address of this search with what stands in this place of `left_out` wanted again."""
        rest = [one for place, one in enumerate(self.left_out) if place != number]
        return link("/log", **{**self.query, "without": spelt(rest)})


def read_search(query: Mapping[str, str], viewer: Viewer, now: datetime, zone: tzinfo) -> Search:
    """The search an address asks for."""
    told = {name: query[name].strip() for name in KEPT if query.get(name, "").strip()}
    problems: list[str] = []
    if viewer.names is Names.NEVER:
        hidden = [name for name in (*PERSONAL, "group") if told.pop(name, None) is not None]
        problems += [f"{name}: your role sees no names, so it cannot be searched for" for name in hidden]
    without = read_without(told.pop("without", ""))
    if viewer.names is Names.NEVER:
        without = [(name, value) for name, value in without if name not in {*PERSONAL, "group"}]
    if without:
        told["without"] = spelt(without)
    since, until = _range(told, now, zone, problems)
    readable = True
    words = {("client_address" if name == "address" else name): told.get(name) for name in FIELDS}
    try:
        wanted = LogFilter(
            **{name: as_recorded(name, value) for name, value in words.items()},
            since=since,
            until=until,
            blocked={"yes": True, "no": False}.get(told.get("blocked", "")),
            page=told.get("parts") != "yes",
            without=tuple((_FIELD.get(name, name), as_recorded(_FIELD.get(name, name), one)) for name, one in without),
        )
    except ValueError as error:
        problems.append(str(error))
        wanted, readable = LogFilter(since=since, until=until, page=True), False
    if viewer.site is not None:
        if told.get("site", viewer.site) != viewer.site:
            problems.append(f"site: you are here for {viewer.site}, and see its rows")
        wanted = replace(wanted, site=viewer.site)
        told.pop("site", None)
    return Search(wanted, told, tuple(problems), readable)


def read_without(text: str) -> list[tuple[str, str]]:
    """`user:pupil-0417,category:games` as names and values; a comma within a value is written %2C.

    A field that the address says otherwise than the record may be named either way; given is the address's name, which
    is the one that `PERSONAL` knows.
    """
    found = [one.partition(":") for one in text.split(",") if ":" in one]
    told = ((name.strip(), unquote(value).strip()) for name, _, value in found if value.strip())
    return list(dict.fromkeys((_SAID.get(name, name), value) for name, value in told))


def spelt(without: Iterable[tuple[str, str]]) -> str:
    """The other way round."""
    told = [f"{name}:{value.replace('%', '%25').replace(',', '%2C')}" for name, value in dict.fromkeys(without)]
    return ",".join(told)


def refuse_unreadable(search: Search) -> None:
    """Raise `Refused` for a search that could not be read: rows that nobody asked for never leave."""
    if not search.readable:
        raise Refused("That search cannot be read", "; ".join(search.problems), 400)


def _range(
    told: dict[str, str], now: datetime, zone: tzinfo, problems: list[str]
) -> tuple[datetime | None, datetime | None]:
    found: dict[str, datetime | None] = {"since": None, "until": None}
    for name in found:
        text = told.get(name, RANGE if name == "since" and "until" not in told else "")
        if text in {"", "all"}:
            continue
        try:
            found[name] = parse_when(text, now, zone, end=name == "until")
        except ValueError as error:
            problems.append(str(error))
            told.pop(name)
    return found["since"], found["until"]


def guess(text: str, known: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """What somebody means who types one word into the search box: a name the record knows, a host, or a text.

    `known` are the names there are, by field, in the order they are believed.
    """
    word = text.strip()
    for field, names in known.items():
        if word.lower() in names:
            return {field: word.lower()}
    if word.replace(".", "").isdigit() and word.count(".") == 3:
        return {"address": word}
    if "." in word and "/" not in word and " " not in word:
        return {"domain": word.lower()}
    return {"text": word.removeprefix("https://").removeprefix("http://")} if word else {}


def step_for(wanted: LogFilter, now: datetime) -> timedelta:
    """How wide one bar of the histogram is."""
    if wanted.since is None:
        return timedelta(days=1)
    span = (wanted.until or now) - wanted.since
    for longest, step in ((2, timedelta(minutes=1)), (8, timedelta(minutes=10)), (24 * 4, timedelta(hours=1))):
        if span <= timedelta(hours=longest):
            return step
    return timedelta(days=1)
