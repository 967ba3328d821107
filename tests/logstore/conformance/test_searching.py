"""Every engine finds the same rows, in the same order, page by page, and counts them alike.

What is to be found is worked out here from the rows themselves, not by another engine.

Shows: `logstore.clickhouse.source`, `logstore.dialects`, `logstore.postgres.source`, `logstore.query`,
`logstore.source`, `logstore.stats`.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from logstore import stats
from logstore.db import reading
from logstore.filter import LogFilter
from logstore.folding import day_of
from logstore.ids import id_time_us
from logstore.place import Database, Where
from logstore.query import Archive, SearchTooWide, Tail
from logstore.rows import Row
from logstore.store import open_store
from logstore.unread import Pair
from tests.logstore.conformance.conftest import ENGINES
from tests.logstore.rows import AT, ended, ids_from, request
from tests.rig import clickhouse
from tests.rig.postgres import Postgres

DAY_US = 86_400_000_000
MIDNIGHT = AT - AT % DAY_US
DAYS = 45
ROWS = 1_200
HOSTS = ("www.example.org", "example.org", "notexample.org", "a.b.example.org", "Xn--nxasmq6b.example", "10.1.2.3")


def school() -> list[Pair]:
    """Six weeks, with a clock that jumps, late names, and texts that look like patterns."""
    rng = random.Random(11)
    ids = ids_from(MIDNIGHT, DAYS * DAY_US // ROWS)
    rows: list[Pair] = []
    for number in range(ROWS):
        record_id = ids.next()
        blocked, skew = rng.random() < 0.1, rng.choice((0, 0, 0, 5_000_000, -3 * 3_600_000_000, 90 * 60_000_000))
        host = HOSTS[rng.randrange(len(HOSTS))].lower()
        record = request(
            record_id,
            time_us=id_time_us(record_id) + skew,
            user=None if number % 9 == 0 else f"pupil-{rng.randrange(12):04}" if number < 1120 else "newcomer",
            device=rng.choice(("lab2-14", "lab2-15", None)),
            client_address=f"10.4.2.{rng.randrange(5)}",
            host=host,
            domain=None if host[0].isdigit() else ".".join(host.split(".")[-2:]),
            path=rng.choice((None, "/", f"/Page_{number}", "/50%off", "/ä/É")),
            query=rng.choice((None, "", "q=1&r=Castle", "x_y")),
            site=rng.choice(("oakwood", "elm")),
            band=rng.choice(("ks2", "ks3", None)),
            groups=rng.choice(((), ("year-4",), ("year-4", "chess"))),
            blocked=blocked,
            action="block" if blocked else "allow",
            reason="rule" if blocked else "default",
            rule=rng.choice((None, "ks2-games")),
            tier="site",
            category=rng.choice((None, "games", "video")),
            categories=rng.choice(((), ("games",), ("games", "video"), ('ga"mes',))),
            list=rng.choice((None, "starter/games")),
            terms=rng.choice(((), (), ("Castles in Wales", "100%"))),
            page=number % 5 == 0,
        )
        rows.append((record, ended(title=rng.choice((None, "Castles_of Wales", "ÉCOLE", "école")))))
    return rows


ALL = school()


@pytest.fixture(scope="module", params=ENGINES)
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Where]:
    """The six weeks, stored out of order."""
    server: Postgres | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    made: Where = tmp_path_factory.mktemp("store") if server is None else server.database("ready")
    if request.param == "clickhouse":
        made = clickhouse.fresh(tmp_path_factory.mktemp("catalog"))
    shuffled = random.Random(3).sample(ALL, len(ALL))
    with open_store(made) as store:
        for begin in range(0, ROWS, 300):
            store.append(shuffled[begin : begin + 300])
    yield made
    if server is not None and isinstance(made, Database):
        server.drop(made)


def ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def has(part: str, text: str | None) -> bool:
    return text is not None and ascii_lower(part) in ascii_lower(text)


def url(row: Row) -> str:
    query = "" if row.record.query is None else f"?{row.record.query}"
    return f"{row.record.host}{row.record.path or '/'}{query}"


def moment(day: float) -> datetime:
    return datetime.fromtimestamp(MIDNIGHT / 1e6, UTC) + timedelta(days=day)


ASKED: list[tuple[LogFilter, Callable[[Row], bool]]] = [
    (LogFilter(), lambda _: True),
    (LogFilter(user="pupil-0003"), lambda row: row.record.user == "pupil-0003"),
    (LogFilter(user="newcomer"), lambda row: row.record.user == "newcomer"),
    (LogFilter(user="Pupil-0003"), lambda _: False),
    (LogFilter(without=(("user", "pupil-0003"),)), lambda row: row.record.user != "pupil-0003"),
    (
        LogFilter(site="elm", without=(("device", "lab2-14"), ("domain", "example.org"), ("category", "games"))),
        lambda row: (
            row.record.site == "elm"
            and row.record.device != "lab2-14"
            and row.record.host != "example.org"
            and not row.record.host.endswith(".example.org")
            and "games" not in (*row.record.categories, row.category)
        ),
    ),
    (
        LogFilter(page=True, without=(("user", "nobody"), ("band", "ks2"), ("user", "pupil-0001"))),
        lambda row: row.page and row.record.band != "ks2" and row.record.user != "pupil-0001",
    ),
    (LogFilter(user="nobody"), lambda _: False),
    (LogFilter(device="lab2-14"), lambda row: row.record.device == "lab2-14"),
    (LogFilter(client_address="10.4.2.1"), lambda row: row.record.client_address == "10.4.2.1"),
    (LogFilter(site="elm", band="ks3"), lambda row: (row.record.site, row.record.band) == ("elm", "ks3")),
    (LogFilter(group="chess"), lambda row: "chess" in row.record.groups),
    (LogFilter(group="year"), lambda _: False),
    (LogFilter(host="WWW.example.org."), lambda row: row.record.host == "www.example.org"),
    (LogFilter(domain="example.org"), lambda row: f".{row.record.host}".endswith(".example.org")),
    (LogFilter(domain="org"), lambda row: row.record.host.endswith(".org")),
    (LogFilter(category="video"), lambda row: "video" in row.record.categories or row.record.category == "video"),
    (LogFilter(category='ga"mes'), lambda row: 'ga"mes' in row.record.categories),
    (LogFilter(blocked=True), lambda row: row.blocked),
    (LogFilter(blocked=False, user="pupil-0001"), lambda row: not row.blocked and row.record.user == "pupil-0001"),
    (LogFilter(blocked=True, user="pupil-0001"), lambda row: row.blocked and row.record.user == "pupil-0001"),
    (LogFilter(action="block", reason="rule"), lambda row: row.blocked),
    (LogFilter(rule="ks2-games", tier="site"), lambda row: row.record.rule == "ks2-games"),
    (LogFilter(list="starter/games"), lambda row: row.record.list == "starter/games"),
    (LogFilter(page=True), lambda row: row.page),
    (LogFilter(terms="castles"), lambda row: bool(row.record.terms)),
    (LogFilter(terms="100%"), lambda row: bool(row.record.terms)),
    (LogFilter(terms="1_0"), lambda _: False),
    (LogFilter(title="S_OF"), lambda row: has("s_of", row.ending.title)),
    (LogFilter(title="école"), lambda row: has("école", row.ending.title)),
    (LogFilter(text="page_1"), lambda row: has("page_1", url(row))),
    (LogFilter(text="50%OFF"), lambda row: has("50%off", url(row))),
    (LogFilter(text="https://Example.org/?q=1"), lambda row: has("example.org/?q=1", url(row))),
    (LogFilter(text="?x_y"), lambda row: has("?x_y", url(row))),
    (LogFilter(text="É"), lambda row: has("É", url(row))),
    (
        LogFilter(since=moment(3.4), until=moment(4.1)),
        lambda row: moment(3.4) <= row.at < moment(4.1),
    ),
    (
        LogFilter(since=moment(30), user="pupil-0005"),
        lambda row: row.at >= moment(30) and row.record.user == "pupil-0005",
    ),
    (LogFilter(until=moment(-3)), lambda row: row.at < moment(-3)),
]
WANTED = [pytest.param(*one, id=one[0].sentence()) for one in ASKED]
EVERY = sorted((Row(*pair) for pair in ALL), key=lambda row: row.id, reverse=True)


@pytest.mark.parametrize(("wanted", "fits"), WANTED)
def test_the_rows_a_filter_describes(where: Where, wanted: LogFilter, fits: Callable[[Row], bool]) -> None:
    expected = [row for row in EVERY if fits(row)]
    with Archive(where, seconds=100) as archive:
        assert list(archive.walk(wanted)) == expected
        assert list(archive.walk(wanted, rising=True, limit=17)) == expected[::-1]
        assert archive.count(wanted).rows == len(expected)
        assert archive.search(wanted, 1).rows == tuple(expected[:1])


@pytest.mark.parametrize("limit", [37, 1200, 2500])
@pytest.mark.parametrize(
    "wanted", [LogFilter(), LogFilter(user="pupil-0003"), LogFilter(blocked=True)], ids=LogFilter.sentence
)
def test_pages_to_the_oldest_row_and_back(where: Where, wanted: LogFilter, limit: int) -> None:
    with Archive(where, seconds=100) as archive:
        every = list(archive.walk(wanted))[:400]
        page = archive.search(wanted, limit)
        seen = list(page.rows)
        while page.next is not None and len(seen) < len(every):
            newer, page = page, archive.search(wanted, limit, before=page.next)
            assert page.previous is not None
            assert archive.search(wanted, limit, after=page.previous).rows == newer.rows
            seen += page.rows
    assert seen[: len(every)] == every


def test_one_row_by_its_id(where: Where) -> None:
    with Archive(where) as archive:
        assert archive.show(EVERY[700].id) == EVERY[700]
        assert archive.show(EVERY[700].id + 1) is None
        assert archive.show(0) is None


def test_counts_are_exact_up_to_a_cap(where: Where) -> None:
    with Archive(where) as archive:
        assert str(archive.count(LogFilter(), 1199)) == "1,199+"
        assert str(archive.count(LogFilter(), 1200)) == "1,200"


def test_totals_rankings_and_series(where: Where) -> None:
    wanted = LogFilter(since=moment(2), until=moment(40), site="oakwood")
    rows = [row for row in EVERY if moment(2) <= row.at < moment(40) and row.record.site == "oakwood"]
    with Archive(where, seconds=100) as archive:
        sums = stats.totals(archive, wanted)
        assert (sums.rows, sums.blocked) == (len(rows), sum(row.blocked for row in rows))
        assert sums.users == len({row.record.user for row in rows} - {None})
        assert sums.bytes_down == sum(row.ending.bytes_down for row in rows)
        told = {"user": "user", "device": "device", "host": "host", "domain": "domain", "band": "band", "rule": "rule"}
        for by, name in told.items():
            counted = Counter(getattr(row.record, name) for row in rows)
            places = stats.top(archive, wanted, by, 100)  # type: ignore[arg-type]
            assert {place.name: place.rows for place in places} == counted
            assert [place.rows for place in places] == sorted(counted.values(), reverse=True)
        spans = stats.series(archive, wanted, timedelta(days=1))
        assert {span.start: span.rows for span in spans} == Counter(
            row.at.replace(hour=0, minute=0, second=0, microsecond=0) for row in rows
        )


def test_a_statement_that_takes_too_long_is_stopped(where: Where) -> None:
    """Stopped in the middle of its work, not only before it."""
    with Archive(where, seconds=0.05) as archive:
        part = archive.parts(LogFilter().select(archive.catalog) or pytest.fail("no selection"))[0]
        slow = {
            "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT count(*) FROM n",
            "postgresql": "SELECT pg_sleep(30)",
            "clickhousedb": "SELECT sleepEachRow(0.2) FROM numbers(100) SETTINGS max_block_size = 1",
        }[archive.rows.dialect.name]
        with pytest.raises(SearchTooWide):
            archive.read(part, None, lambda: archive.rows.exec_driver_sql(slow).all())


def test_a_reader_cannot_write(where: Where) -> None:
    with reading(where) as catalog, pytest.raises(sa.exc.DBAPIError, match=r"readonly|read-only"):
        catalog.exec_driver_sql("DELETE FROM log_cursor")


def test_followed_rows_come_once_in_whatever_order_they_are_stored(
    where: Where, request_more: Callable[[], list[Pair]]
) -> None:
    rows = request_more()
    now = datetime.fromtimestamp(rows[0][0].time_us / 1e6, UTC)
    tail = Tail(where, LogFilter(user="follower"), now)
    seen: list[int] = []
    with open_store(where) as store:
        for pair in (rows[1], rows[0], rows[2]):
            store.append([pair])
            seen += [row.id for row in tail.poll(now + timedelta(seconds=5))]
            seen += [row.id for row in tail.poll(now + timedelta(seconds=6))]
    assert seen == [rows[1][0].id, rows[0][0].id, rows[2][0].id]


@pytest.fixture
def request_more() -> Callable[[], list[Pair]]:
    """Rows after all others, of somebody else; the module's other tests look at the six weeks only."""
    ids = ids_from(MIDNIGHT + 60 * DAY_US, 1_000_000)
    return lambda: [(request(ids.next(), user="follower"), ended()) for _ in range(3)]


def test_every_row_is_where_its_id_says(where: Where) -> None:
    with reading(where) as catalog:
        days = {day for (day,) in catalog.exec_driver_sql("SELECT day FROM day_file WHERE rows > 0")}
    assert days >= {day_of(row.id) for row in EVERY}
    assert dataclasses.is_dataclass(EVERY[0])
