"""What somebody looks for in the record, said once: as SQL and as an English sentence.

In comes a `LogFilter`; out go the sentence a person reads and the `Selection` the query layer runs. Both are made from
the same fields, so that what the page says is what was searched. Names are looked up in the catalog first: a name the
record does not know selects nothing, and the days it was seen on bound the search.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, tzinfo
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, select

from logstore.dialects import exact, holds, listed, none_of, one_of, unindexed
from logstore.dimensions import reversed_labels
from logstore.schema import (
    attached_log,
    dim_address,
    dim_client,
    dim_device,
    dim_host,
    dim_user,
    dim_verdict,
    time_us,
)
from logstore.urltext import UrlText, contains, look_up

DENIED = (
    "user", "device", "client_address", "site", "band", "group", "host", "domain", "category", "list", "rule", "tier",
    "action", "reason",
)  # fmt: skip
"""Fields of which values can be left out."""
LONGEST = 8_000
"""Characters of the longest text that can be looked for; SQLite's LIKE takes 50,000 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which rows are wanted; a field that is None (or False) wants all."""

    since: datetime | None = None
    """From this time on; aware."""
    until: datetime | None = None
    """Up to, but not including, this time; aware."""
    user: str | None = None
    """Account name."""
    device: str | None = None
    """Device name."""
    client_address: str | None = None
    """Client IP address."""
    site: str | None = None
    """Site name."""
    band: str | None = None
    """Age band."""
    group: str | None = None
    """A group the client belonged to."""
    host: str | None = None
    """This host only."""
    domain: str | None = None
    """This domain and everything below it."""
    category: str | None = None
    """A category that fitted, whether it decided or not."""
    list: str | None = None
    """List behind the verdict."""
    rule: str | None = None
    """Deciding rule."""
    tier: str | None = None
    """Tier of the deciding rule."""
    action: str | None = None
    """Verdict action."""
    reason: str | None = None
    """Verdict reason."""
    blocked: bool | None = None
    """True: the user was blocked; False: was not."""
    page: bool = False
    """True: pages people opened, without their parts."""
    terms: str | None = None
    """Part of a search term."""
    title: str | None = None
    """Part of a page's title."""
    text: str | None = None
    """Part of the URL, without its scheme and port."""
    id: int | None = None
    """This record only."""
    without: tuple[tuple[str, str], ...] = ()
    """Fields (`DENIED`) and values: rows that have one of them are not wanted. Rows that have no value are."""

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise ValueError(f"{name} has no time zone: {value.isoformat()}; give an aware datetime")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, str) and len(value) > LONGEST:
                raise ValueError(f"{item.name} has {len(value):,} characters; at most {LONGEST:,} can be looked for")
        for name, value in self.without:
            if name not in DENIED:
                raise ValueError(f"rows cannot be left out by {name[:40]!r}; they can by {', '.join(DENIED)}")
            if len(value) > LONGEST:
                raise ValueError(f"{name} has {len(value):,} characters; at most {LONGEST:,} can be left out")

    @property
    def names_a_person(self) -> bool:
        """Whether looking at these rows is looking at a named person's rows."""
        return self.user is not None

    def sentence(self, now: datetime | None = None, timezone: tzinfo = UTC) -> str:
        """What is wanted, in English: "blocked requests of pupil-0417 at oakwood since 10:05".

        Times are said in `timezone`, and without their date when that is the day of `now`.
        """
        verdict = {True: "blocked ", False: "allowed ", None: ""}[self.blocked]
        words = [verdict + ("pages" if self.page else "requests")]
        for name, phrase in _PHRASES:
            if (value := getattr(self, name)) is not None:
                words.append(phrase.format(value))
        for name, word in (("since", "since"), ("until", "until")):
            if (moment := getattr(self, name)) is not None:
                words.append(f"{word} {_moment(moment, now, timezone)}")
        phrases = dict(_PHRASES)
        return ", not ".join([" ".join(words), *(phrases[name].format(value) for name, value in self.without)])

    def select(self, catalog: Connection) -> Selection | None:
        """The SQL of this filter; None when the record knows a name in it not at all."""
        selection = Selection(wanted=self)
        if not (_points(self, selection, catalog) and _sets(self, selection, catalog)):
            return None
        if self.text is not None:
            selection.url = look_up(self.text, catalog)
        for name, value in self.without:
            _deny(only(name, value), selection, catalog)
        return selection


def only(name: str, value: str) -> LogFilter:
    """The filter of one field."""
    told: dict[str, Any] = {name: value}
    return LogFilter(**told)


_PHRASES = (
    ("id", "with record id {}"),
    ("user", "of {}"),
    ("band", "by band {}"),
    ("group", "by group {}"),
    ("device", "from {}"),
    ("client_address", "from address {}"),
    ("site", "at {}"),
    ("host", "to {}"),
    ("domain", "to {} and below"),
    ("category", "in category {}"),
    ("list", "on list {}"),
    ("action", "with action {}"),
    ("reason", "with reason {}"),
    ("rule", "by rule {}"),
    ("tier", "by tier {}"),
    ("terms", "searching for “{}”"),
    ("title", "titled “{}”"),
    ("text", "with “{}” in the URL"),
)
"""How each field is said, in the order it is said."""


@dataclass(slots=True)
class Selection:
    """A filter, its names looked up."""

    wanted: LogFilter
    """The filter."""
    points: dict[str, int] = field(default_factory=dict)
    """Columns of `log` that have one value; each has an index in time order."""
    sets: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Columns of `log` that have one of several values."""
    denied: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Columns of `log` that have none of several values."""
    url: UrlText | None = None
    """The text looked for in URLs."""
    first_day: str = ""
    """No row is on an earlier UTC day."""
    last_day: str = "9999-12-31"
    """No row is on a later UTC day."""

    def bounds(self) -> tuple[int | None, int | None]:
        """Since and until, microseconds since the Unix epoch."""
        return _microseconds(self.wanted.since), _microseconds(self.wanted.until)

    def conditions(self, columns: dict[str, ColumnElement[Any]], index: str | None) -> list[ColumnElement[bool]]:
        """What a row of the attached `log` must meet; `index` is the index in use, if it is one of a set's column."""
        wanted, made = self.wanted, [columns[name] == value for name, value in self.points.items()]
        for name, ids in self.sets.items():
            # A set whose index is not in use is made an expression, so that SQLite keeps to the order of the ids.
            made.append(one_of(columns[name] if index == f"log_{name}" else unindexed(columns[name]), ids))
        made += [none_of(unindexed(columns[name]), ids) for name, ids in self.denied.items()]
        if wanted.id is not None:
            made.append(columns["id"] == wanted.id)
        if wanted.blocked is not None:
            made.append(holds(columns["blocked"], wanted.blocked))
        # NOT NULL is said because SQLite does not conclude it from LIKE, and the index holds only such rows.
        if wanted.terms is not None:
            needle = json.dumps(wanted.terms, ensure_ascii=False)[1:-1]
            made += [columns["terms"].is_not(None), contains(columns["terms"], needle)]
        if wanted.title is not None:
            made += [columns["title"].is_not(None), contains(columns["title"], wanted.title)]
        if self.url is not None:
            made.append(self.url.condition(columns))
        since, until = self.bounds()
        if since is not None:
            made.append(time_us(attached_log) >= since)
        if until is not None:
            made.append(time_us(attached_log) < until)
        return made


def _points(wanted: LogFilter, selection: Selection, catalog: Connection) -> bool:
    for table, name, value in (
        (dim_user, "user_id", wanted.user),
        (dim_device, "device_id", wanted.device),
        (dim_address, "address_id", wanted.client_address),
    ):
        if value is None:
            continue
        found = catalog.execute(
            select(table.c.id, table.c.first_day, table.c.last_day).where(table.c.key == exact(value))
        ).first()
        if found is None:
            return False
        selection.points[name] = found.id
        _narrow(selection, found.first_day, found.last_day)
    return True


def _sets(wanted: LogFilter, selection: Selection, catalog: Connection) -> bool:
    for table, name, conditions in (
        (dim_host, "host_id", _host_conditions(wanted)),
        (dim_verdict, "verdict_id", _verdict_conditions(wanted)),
        (dim_client, "client_id", _client_conditions(wanted)),
    ):
        if not conditions:
            continue
        found = catalog.execute(select(table.c.id, table.c.first_day, table.c.last_day).where(*conditions)).all()
        if not found:
            return False
        if len(found) == 1 and name == "host_id":
            selection.points[name] = found[0].id
        else:
            selection.sets[name] = tuple(sorted(row.id for row in found))
        _narrow(selection, min(row.first_day for row in found), max(row.last_day for row in found))
    return True


def _deny(one: LogFilter, selection: Selection, catalog: Connection) -> None:
    """Leave out what this filter of one field wants; a name the record does not know leaves out nothing."""
    other = Selection(wanted=one)
    if _points(one, other, catalog) and _sets(one, other, catalog):
        for name, ids in (*((name, (value,)) for name, value in other.points.items()), *other.sets.items()):
            selection.denied[name] = (*selection.denied.get(name, ()), *ids)


def _host_conditions(wanted: LogFilter) -> list[ColumnElement[bool]]:
    made: list[ColumnElement[bool]] = []
    if wanted.host is not None:
        made.append(dim_host.c.rev == exact(reversed_labels(_host(wanted.host))))
    if wanted.domain is not None:
        rev = reversed_labels(_host(wanted.domain))
        # "/" is the character after ".": the range holds the domain and everything below it, and nothing else.
        made += [dim_host.c.rev >= exact(rev), dim_host.c.rev < exact(rev[:-1] + "/")]
    return made


def _verdict_conditions(wanted: LogFilter) -> list[ColumnElement[bool]]:
    made = _equal(dim_verdict, wanted, ("action", "reason", "tier", "rule", "list"))
    if wanted.category is not None:
        made.append(listed(dim_verdict.c.categories, wanted.category))
    if wanted.page:
        made.append(holds(dim_verdict.c.page))
    return made


def _client_conditions(wanted: LogFilter) -> list[ColumnElement[bool]]:
    made = _equal(dim_client, wanted, ("site", "band"))
    if wanted.group is not None:
        made.append(listed(dim_client.c.groups, wanted.group))
    return made


def _equal(table: Table, wanted: LogFilter, names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    values = ((name, getattr(wanted, name)) for name in names)
    return [table.c[name] == exact(value) for name, value in values if value is not None]


def _narrow(selection: Selection, first_day: str, last_day: str) -> None:
    selection.first_day = max(selection.first_day, first_day)
    selection.last_day = min(selection.last_day, last_day)


def _host(name: str) -> str:
    return name.strip().lower().rstrip(".").removeprefix("*.").removeprefix(".")


def _microseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds


def _moment(moment: datetime, now: datetime | None, timezone: tzinfo) -> str:
    local = moment.astimezone(timezone)
    clock = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    if now is not None and local.date() == now.astimezone(timezone).date():
        return clock
    return f"{local.day} {local:%B %Y} {clock}"


FIELDS = tuple(item.name for item in fields(LogFilter))
"""Names of the filter's fields."""
