"""A console over a real data folder: real migrations, a real engine, a client of its own for each person.

In: a folder. Out: a `Console` whose people sign in through its pages and nothing else.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from httpx2 import Response
from sqlalchemy import Engine
from starlette.testclient import TestClient

from console.accounts import add
from console.app import make_app
from console.guards import Rate
from console.page import House
from console.roles import Grant, Role
from console.signin import SignIn
from identity.basic import Cost, PasswordCheck, hash_password
from logstore.audit import Entry, entries
from logstore.db import open_catalog, reading
from logstore.place import ClickHouse, Where
from logstore.record import Ending, LogRecord
from logstore.store import open_store
from proxy.consoledoors import GatewayDoors
from proxy.settings import Settings
from registry.change import By
from registry.passwords import PasswordHash
from tests.logstore.rows import ended, ids_from, request

AT = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
"""A Tuesday in term."""
LONDON = ZoneInfo("Europe/London")
CHEAP = Cost(memory=64, passes=1)
"""So that a test costs no second."""
PASSWORD = "otter kite lamp seven"
HASH = PasswordHash(hash_password(PASSWORD, CHEAP))
ORIGIN = "https://console.test"
OFFICE = By("cli:office", AT, "for the test")


@dataclass
class Console:
    """One console; `client` is somebody's browser."""

    data: Path
    now: datetime = AT
    rows: str | None = None
    """Where the rows are when they are not in the folder."""
    engine: Engine = field(init=False)
    house: House = field(init=False)
    app: Any = field(init=False)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        store = self.data / "store"
        self.engine = open_catalog(store)
        self.house = House(
            where=self.where, catalog=self.engine, doors=GatewayDoors(Settings(data=self.data)),
            signin=SignIn(self.engine, PasswordCheck(remember=0.0, cost=CHEAP)), zone=LONDON,
            clock=lambda: self.now, hosts=frozenset({"console.test"}),
        )  # fmt: skip
        self.app = make_app(self.house, rate=Rate(burst=1e9))

    @property
    def where(self) -> Where:
        """Where the record is."""
        store = self.data / "store"
        return store if self.rows is None else ClickHouse(self.rows, store)

    def client(self) -> TestClient:
        """A browser nobody signed in with."""
        return TestClient(self.app, ORIGIN, follow_redirects=False, raise_server_exceptions=False)

    def person(self, name: str, *grants: Grant, proxy: str | None = None) -> None:
        """Make an account that signs in with `PASSWORD`."""
        with self.engine.begin() as connection:
            add(connection, name, name, grants, OFFICE, person=proxy, password=HASH)

    def signed_in(self, role: Role, site: str | None = None, **more: Any) -> TestClient:
        """A browser of somebody of that role, signed in through the page."""
        name = f"{role.value}-{next(self.numbers)}"
        groups = ("year-4",) if role is Role.TEACHER else ()
        self.person(name, Grant(0, role, site, groups), **more)
        browser = self.client()
        answer = sign_in(browser, name)
        assert answer.status_code == 303, answer.text
        return browser

    def store(self, *rows: dict[str, Any], ago: timedelta = timedelta(minutes=5)) -> list[int]:
        """Put rows into the record, a second apart, the last `ago` before now; their ids."""
        first = self.now - ago - timedelta(seconds=len(rows) - 1)
        ids = ids_from(int(first.timestamp() * 1_000_000), 1_000_000)
        made: list[tuple[LogRecord, Ending]] = []
        for row in rows:
            end = row.pop("ending", {})
            made.append((request(ids.next(), **{"page": True, **row}), ended(**end)))
        with open_store(self.where) as store:
            store.append(made)
        return [record.id for record, _ in made]

    def trail(self, kind: str | None = None) -> list[Entry]:
        """The audit trail, newest first."""
        with reading(self.data / "store") as connection:
            return list(entries(connection, kind=kind, limit=1000))


def token_of(page: Response) -> str:
    """The token of a page's form."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


def send(browser: TestClient, page: str, where: str | None = None, **form: str) -> Response:
    """Fill in a page's form and send it."""
    token = token_of(browser.get(page))
    return browser.post(where or page.partition("?")[0], data={"token": token, **form}, headers={"Origin": ORIGIN})


def sign_in(browser: TestClient, name: str, password: str = PASSWORD, **more: str) -> Response:
    """Sign in as a person does."""
    return send(browser, "/sign-in", name=name, password=password, **more)
