"""What a page of the console costs with 10 million rows on the embedded store, and how many rows a second follow live.

Builds five school days, four of them of `--rows`, and the day that is not over, on which it is 14:23, or goes on from a
data folder made before (`--folder`). Its roll-ups are as the shipper leaves them: the hour that is not over was summed
eight minutes ago. The register has 1,500 people. Every page is asked as a browser asks it, through guards, session,
roles, the audit trail's line and the template, in this process; the answer is checked against what was asked. CPU time
of the whole process stands beside wall time.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from starlette.testclient import TestClient

from benchmarks import schooldays
from benchmarks.query import NEWEST
from benchmarks.store import Pair, _check
from benchmarks.targets import Target, machine
from console.accounts import add, find
from console.app import COOKIE, make_app
from console.guards import Rate
from console.kept import Kept
from console.page import Ask, House, Live
from console.pages import pages as known
from console.pages.loglive import show as follow
from console.roles import PUBLIC, Grant, Role, Viewer
from console.sessions import begin
from console.signin import SignIn
from logstore.db import open_catalog, reading
from logstore.ids import RecordIds
from logstore.marks import mark_hours
from logstore.rolling import Roller
from logstore.schema import day_file
from logstore.store import Store
from proxy import firstrun, inforce
from proxy.consoledoors import GatewayDoors
from proxy.settings import Settings
from registry import people
from registry.change import By
from registry.people import Details

PAGE = Target("a page of the console, CPU, worst", 200, "ms")
WALL = Target("the same, wall, median of the worst page", 200, "ms")
LIVE = Target("rows followed live", 500, "/s", at_least=True)
LATER = 8
"""Days after the first that it is: a week after the first full one, to compare with."""
NOW = datetime(2026, 11, 24, 14, 23, tzinfo=UTC)
"""The clock of the console: in the busiest time of the newest day, after its newest row."""
ROLLED = NOW - timedelta(minutes=8)
"""When the newest hour was summed."""
PEOPLE = 1_500
"""People in the register."""
TIMES = 7
"""How often each page is asked."""


def build(data: Path, rows: int) -> None:
    """A data folder whose record has four days of `rows` each."""
    settings = Settings(data=data)
    firstrun.prepare(settings)
    inforce.accept(settings)
    store, began = data / "store", time.perf_counter()
    schooldays.write_first_day(store, rows // 5)
    for later in range(1, 5):
        schooldays.copy_day(store, later, 5)
    print(f"built in {time.perf_counter() - began:.0f} s", file=sys.stderr)


def go_on(data: Path) -> None:
    """The day that is not over, on top of a data folder of `build`; once."""
    store = data / "store"
    today = f"{schooldays.FIRST + timedelta(days=LATER)}"
    if (store / "days" / f"{today}.db").exists():
        return
    with reading(store) as catalog:
        first = catalog.execute(select(day_file.c.rows).where(day_file.c.day == f"{schooldays.FIRST}")).scalar_one()
    spent = int((NOW - NOW.replace(hour=8, minute=0)) / timedelta(microseconds=schooldays.SCHOOL_US) * first)
    schooldays.copy_day(store, LATER, 5, spent - 5)
    schooldays.name_until(store, LATER)
    for _ in Roller(store, lambda: ROLLED).catch_up():
        pass
    engine = open_catalog(store)
    with engine.begin() as connection:
        mark_hours(connection, [(today, int(NOW.timestamp()) // 3600)])  # rows that have come since
        for number in range(PEOPLE):
            about = Details(f"Person {number}", "ks3", frozenset({f"year-{number % 7 + 7}"}), "oakwood")
            people.add(connection, f"pupil-{number:04}", about, By("benchmark", NOW, ""), password=None)
    engine.dispose()


def open_house(data: Path) -> House:
    """A console over that folder, with a clock that stands."""
    catalog = open_catalog(data / "store")
    return House(
        where=data / "store", catalog=catalog, doors=GatewayDoors(Settings(data=data)), signin=SignIn(catalog),
        zone=ZoneInfo("Europe/London"), clock=lambda: NOW, hosts=frozenset({"console.test"}),
        kept=Kept(aside=True),
    )  # fmt: skip


def browser(house: House) -> TestClient:
    """A browser of ICT services, signed in."""
    with house.writing() as connection:
        by = By("benchmark", NOW, "")
        account = find(connection, "bench") or add(connection, "bench", "Bench", (Grant(0, Role.ICT),), by)
        cookie = begin(connection, account, "127.0.0.1", NOW)
    app = make_app(house, rate=Rate(burst=1e9))
    return TestClient(app, "https://console.test", cookies={COOKIE: cookie}, follow_redirects=False)


def addresses(client: TestClient) -> dict[str, str]:
    """The pages asked, by what they are."""
    first = client.get("/log.json").json()
    row, deep = first["rows"][0], first
    _say_why(client, row["user"], "pupil-0007")
    for _ in range(20):
        deep = client.get(deep["older"].replace("/log", "/log.json", 1)).json()
    return {
        "log, today": "/log",
        "log, the last hour": "/log?since=1h&parts=yes",
        "log, page 22 of today": deep["older"],
        "log, blocked today": "/log?blocked=yes&parts=yes",
        "log, one host, all there is": f"/log?host={row['host']}&since=all",
        "log, one category, seven days": "/log?category=games&since=7d&parts=yes",
        "log, nothing found": "/log?host=nowhere.example&since=all",
        "log, a zoom into five hours": "/log?since=2026-11-20T09:00&until=2026-11-20T14:00&parts=yes",
        "log, one person, all there is": f"/log?user={row['user']}&since=all",
        "one row": f"/log/{row['id']}",
        "dashboard": "/dashboard",
        "why?": "/why?url=https://www.bbc.co.uk/bitesize&band=ks2",
        "people, from the middle": "/people?after=pupil-0700",
        "one person": "/person/pupil-0007",
        **{
            page.title.lower(): page.path
            for page in known()
            if page.template and "{" not in page.path and page.name not in {"log", "dashboard", "why", *PUBLIC}
        },
    }


def _say_why(client: TestClient, *names: str) -> None:
    """Give a reason for looks at these people."""
    for name in names:
        token = re.search(r'name="token" value="([0-9a-f]+)"', client.get(f"/reason?user={name}&next=/log").text)
        _check(token is not None, "a form without its token")
        form = {"token": token[1] if token else "", "user": name, "next": "/log", "why": "a measurement"}
        told = client.post("/reason", data=form, headers={"Origin": "https://console.test"})
        _check(told.status_code == 303, f"the reason was not taken: {told.status_code}")


def pages(client: TestClient) -> tuple[float, float]:
    """Each page; the worst CPU and the worst median of wall time, milliseconds."""
    print(f"{'page':<34}{'wall first':>12}{'median':>9}{'worst':>9}   {'CPU median':>10}{'worst':>9}  ms")
    worst_cpu = worst_wall = 0.0
    for words, address in addresses(client).items():
        walls, cpus = [], []
        for _ in range(TIMES):
            wall, cpu = time.perf_counter(), time.process_time()
            answer = client.get(address)
            walls.append((time.perf_counter() - wall) * 1000)
            cpus.append((time.process_time() - cpu) * 1000)
            _check(answer.status_code == 200 and "</html>" in answer.text, f"{address}: {answer.status_code}")
        later = sorted(cpus[1:])
        print(
            f"{words:<34}{walls[0]:>12.0f}{statistics.median(walls):>9.0f}{max(walls):>9.0f}"
            f"   {statistics.median(cpus):>10.0f}{later[-1]:>9.0f}"
        )
        worst_cpu, worst_wall = max(worst_cpu, later[-1]), max(worst_wall, statistics.median(walls))
    blocked = client.get("/log.json?blocked=yes&parts=yes").json()
    _check(all(row["blocked"] for row in blocked["rows"]), "a row that was not blocked")
    _check(client.get("/dashboard.json").json()["today"]["requests"] > 0, "a dashboard without numbers")
    return worst_cpu, worst_wall


def live(house: House, rows: int = 5_000) -> float:
    """Rows a second that one follower is given, everything it takes counted; those of the store not."""
    viewer = Viewer("bench", "Bench", Grant(1, Role.ICT), 1)
    at = NOW
    told = follow(
        Ask(house=replace(house, clock=lambda: at), viewer=viewer, now=at, address="", query={"parts": "yes"})
    )
    if not isinstance(told, Live):
        raise TypeError("the live log follows")
    given, used = 0, 0.0
    for batch in _arriving(at, rows):
        with Store(house.where if isinstance(house.where, Path) else Path()) as store:
            store.append(batch)
        began = time.process_time()
        given += sum(len(value["rows"]) for _, value in told.poll(at + timedelta(minutes=1)))
        used += time.process_time() - began
    _check(given == rows, f"{given} of {rows} rows were given")
    return given / used


def _arriving(at: datetime, rows: int) -> Iterator[list[Pair]]:
    now = 0
    ids = RecordIds(2, lambda: now)
    pairs = [pair for batch in schooldays.requests(NEWEST.date(), rows) for pair in batch]
    for start in range(0, rows, 500):
        batch = []
        for number, (record, ending) in enumerate(pairs[start : start + 500]):
            now = int(at.timestamp() * 1_000_000) + (start + number) * 1_000
            batch.append((replace(record, id=ids.next(), time_us=now), ending))
        yield batch


def main() -> int:
    """0 when every target was met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_500_000, help="rows a day; four days")
    parser.add_argument("--folder", type=Path, help="a data folder made before; it is made there when it is not")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        data = (args.folder or Path(made)).resolve()
        if not (data / "store").exists():
            build(data, args.rows)
        go_on(data)
        print(machine())
        house = open_house(data)
        cpu, wall = pages(browser(house))
        followed = live(house) if args.folder is None else None
        house.catalog.dispose()
        rows = f"more than {4 * args.rows:,} rows" if args.folder is None else "the rows of that folder"
        print(f"\n{rows}; the target is meant for 10,000,000")
        met = [PAGE.tell(cpu), WALL.tell(wall)]
        if followed is not None:
            met.append(LIVE.tell(followed))
        print(machine())
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
