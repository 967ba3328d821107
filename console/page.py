"""What a page is: a name in the table of roles, an address, a function that shows, one that acts.

In comes an `Ask` (who, what, when, and the house); out goes what to answer: `Shown`, `Go`, `Lines` or `Live`. The rule:
a page is told who looks and never finds out by itself; everything it shows is in `Shown.data`, which is also its JSON.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Connection, Engine

from console.doors import Doors
from console.kept import Kept
from console.oneatatime import Turns
from console.pending import Pending
from console.roles import Viewer
from console.signin import SignIn
from logstore.db import reading
from logstore.place import Where
from registry.change import By

FORM_BYTES = 64 * 1024
"""Most bytes of a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What every page stands on."""

    where: Where
    """The record, and in its catalog what people decided."""
    catalog: Engine
    """Writing engine on the catalog."""
    doors: Doors
    """What only a gateway can do."""
    signin: SignIn
    """Lets people in."""
    zone: tzinfo
    """Zone of the times on screen."""
    clock: Callable[[], datetime]
    """The time; aware."""
    hosts: frozenset[str]
    """Host names the console answers to; anything else is somebody else's name for us (DNS rebinding)."""
    seconds: float = 10.0
    """Longest time one search may take."""
    pending: Pending = field(default_factory=Pending)
    """Files that were looked at and wait for a yes."""
    turns: Turns = field(default_factory=Turns)
    """Who is having a costly page made."""
    kept: Kept = field(default_factory=Kept)
    """Answers that hold until what they were told from changes."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only connection on the catalog."""
        with reading(self.where) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction on the catalog."""
        with self.catalog.begin() as connection:
            yield connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of a browser."""

    house: House
    """What the page stands on."""
    viewer: Viewer | None
    """Who asks; None for nobody known, on public pages."""
    now: datetime
    """When; aware."""
    address: str
    """Where from."""
    path: Mapping[str, str] = field(default_factory=dict)
    """Parts of the path."""
    query: Mapping[str, str] = field(default_factory=dict)
    """What stands behind the question mark; of several values the last."""
    form: Mapping[str, str] = field(default_factory=dict)
    """What was filled in; empty for a look."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that were sent with the form."""
    here: str = ""
    """Path and query, as asked."""
    form_token: str = ""
    """What every form of this browser carries."""
    problems: tuple[str, ...] = ()
    """Why what was asked for before was not done."""

    @property
    def me(self) -> Viewer:
        """Who asks, where somebody must be known."""
        if self.viewer is None:
            raise LookupError("nobody is signed in, and the page is not public")
        return self.viewer

    def by(self, why: str = "") -> By:
        """Who decides, for the audit trail."""
        return By(self.me.who, self.now, why.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows for a spreadsheet."""

    columns: Sequence[str]
    """Names of the columns."""
    rows: Iterable[Sequence[object]]
    """Values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page to show."""

    data: Mapping[str, Any]
    """What it says: the JSON twin, and what the template draws."""
    view: Mapping[str, Any] = field(default_factory=dict)
    """What only the template needs: links, drawings."""
    table: Table | None = None
    """The CSV twin; None for a page that is no table."""
    status: int = 200
    """HTTP status."""


@dataclass(frozen=True, slots=True)
class Go:
    """Go to another page of the console."""

    to: str
    """Its path and query."""
    session: str | None = None
    """A session's cookie to keep from now on; empty ends it; None leaves it."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A file, sent while it is made."""

    name: str
    """Name of the file."""
    media: str
    """Its media type."""
    lines: Iterable[str]
    """Its text."""


@dataclass(frozen=True, slots=True)
class Live:
    """Events as they happen (server-sent events)."""

    poll: Callable[[datetime], Sequence[tuple[str, Mapping[str, Any]]]]
    """Names and values of the events since the last call; called about once a second."""
    still: Callable[[datetime], bool] = lambda _: True
    """Whether it may go on, asked every few seconds."""


class Refused(Exception):
    """It is not shown or done; says why, in words for whoever asked."""

    def __init__(self, heading: str, words: str, status: int = 403, to: str = "") -> None:
        super().__init__(words)
        self.heading = heading
        self.words = words
        self.status = status
        self.to = to
        """Page where whoever asked can put it right; empty: there is none."""


type Answer = Shown | Go | Lines | Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """Something a page can be asked for."""

    name: str
    """Its name behind the question mark."""
    words: str
    """What it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. Modules of `console.pages` have them in `PAGES`."""

    name: str
    """Its line in `console.roles.MAY`."""
    path: str
    """Its address, with Starlette's `{name}` and `{name:int}`."""
    title: str
    """Its title."""
    show: Callable[[Ask], Answer]
    """What it shows."""
    act: Callable[[Ask], Answer] | None = None
    """What its form does. A `RegistryError` shows the page again with the problems (`Ask.problems`), status 422."""
    template: str = ""
    """Its template; empty: it has no HTML of its own."""
    nav: str = ""
    """Its word in the navigation; empty: it is not there."""
    order: int = 0
    """Its place in the navigation."""
    params: Sequence[Param] = ()
    """What may stand behind the question mark, for OpenAPI."""
    twins: bool = True
    """Whether it has `.json` and, when it shows a table, `.csv`."""
    form_bytes: int = FORM_BYTES
    """Most bytes of its form, files included."""


def local(target: str, otherwise: str = "/") -> str:
    """A path of this console, for going back to; never another website's."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if plain and target.isprintable() and "\\" not in target else otherwise
