"""What storing and finding a row costs: `python -m benchmarks.store [rows]`.

Prints rows a second and processor time a row through `Store.append`, with all indexes, beside the raw ceiling in the
same run: the very same values through `sqlite3.executemany` into a file of the same schema. Then bytes a row, and the
questions ICT services ask, first and deep page, warm and with the files put out of the page cache. Answers are checked.
Rows are shaped like a school day: real URLs when the corpus is beside the clone, invented ones otherwise; the people,
devices and verdicts are invented.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from logstore.db import create_day, days_folder, files_of
from logstore.filter import LogFilter
from logstore.folding import COLUMNS
from logstore.ids import RecordIds
from logstore.query import Archive
from logstore.record import Ending, EndingKind, LogRecord
from logstore.retention import prune
from logstore.stats import top, totals
from logstore.store import Store

REPOSITORY = Path(__file__).resolve().parent.parent
BATCH = 5_000
BARE = (
    f"INSERT INTO log ({', '.join(f'"{name}"' for name in COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT DO NOTHING"
)
"""A row a statement, as anybody would write it."""
DAYS = 2
START_US = 1_795_248_000_000_000
"""Saturday 21 November 2026, 08:00 UTC."""
type Pair = tuple[LogRecord, Ending]


def urls() -> list[tuple[str, str, str | None, str]]:
    """Scheme, host, path, query and kind of each request of the corpus, in its own order."""
    data = Path(os.environ.get("SCHOOLGATE_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    file = data / "urls" / "requests-dev.tsv.gz"
    found: list[Any] = []
    if not file.exists():
        print("no corpus beside the clone: invented URLs", file=sys.stderr)
        rng = random.Random(7)
        for n in range(100_000):
            host = f"www.site{int(rng.paretovariate(0.6)) % 20_000}.example"
            found.append(("https", host, f"/assets/{n % 977}/{rng.getrandbits(250):x}", None, "image"))
        return found
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            _, kind, _, url = line.rstrip("\n").split("\t")
            try:
                parts = urlsplit(url)
                if parts.hostname:
                    found.append((parts.scheme, parts.hostname, parts.path or "/", parts.query or None, kind))
            except ValueError:
                continue
    return found


def school_days(rows: int) -> Iterator[list[Pair]]:
    """`rows` requests over `DAYS` days, in batches as the shipper hands them over."""
    rng, corpus = random.Random(42), urls()
    users = [f"pupil-{n:04}" for n in range(1300)] + [f"teacher-{n:03}" for n in range(100)]
    homes = {user: rng.randrange(len(corpus)) for user in users}
    now = START_US
    ids = RecordIds(1, lambda: now)
    step = 27_000_000_000 // max(1, rows // DAYS)
    for done in range(0, rows, BATCH):
        batch: list[Pair] = []
        for n in range(done, min(rows, done + BATCH)):
            day, place = divmod(n, max(1, rows // DAYS))
            now = START_US + day * 86_400_000_000 + place * step
            batch.append(_pair(ids.next(), now, rng, corpus, users, homes))
        yield batch


def _pair(
    record_id: int, now: int, rng: random.Random, corpus: Sequence[Any], users: Sequence[str], homes: dict[str, int]
) -> Pair:
    number = int(rng.random() ** 1.5 * len(users))
    user = users[number]
    homes[user] = (homes[user] + 1) % len(corpus)
    scheme, host, path, query, kind = corpus[homes[user]]
    page, blocked = kind == "document" and rng.random() < 0.3, rng.random() < 0.02
    category = ("games", "social-media", "education", "advertising", "video")[rng.randrange(5)]
    known = rng.random() < 0.35 or blocked
    record = LogRecord(
        id=record_id, time_us=now - rng.randrange(900), worker=f"gateway-{record_id % 2}", revision="1f3a9c77",
        site="oakwood", user=user, user_source="basic", verified=True, band="ks3", groups=(f"year-{7 + number % 5}",),
        device=f"room{number // 30}-{number % 30:02}",
        client_address=f"10.4.{number // 250}.{1 + number % 250}", scheme=scheme, host=host,
        port=443 if scheme == "https" else 80, path=path, query=query, domain=".".join(host.split(".")[-2:]), page=page,
        action="block" if blocked else "allow", blocked=blocked, reason="rule" if known else "default",
        tier="site" if known else None, rule=f"ks3-{category}" if known else None, category=category if known else None,
        categories=(category,) if known else (), list=f"starter/{category}" if known else None,
        entry=host if known else None, terms=("castles in wales",) if rng.random() < 0.02 else (),
    )  # fmt: skip
    ending = Ending(
        kind=EndingKind.BLOCKED if blocked else EndingKind.RESPONSE, status=403 if blocked else 200,
        content_type="text/html" if page else "image/webp", title=f"A page of {host}"[:60] if page else None,
        bytes_up=rng.randrange(3) * 200, bytes_down=int(rng.paretovariate(1.1) * 900),
        duration_us=rng.randrange(900_000),
    )  # fmt: skip
    return record, ending


def ingest(folder: Path, rows: int) -> tuple[float, list[list[Pair]]]:
    """Through the store; prints the cost, and gives rows a second and some of the rows."""
    kept: list[list[Pair]] = []
    wall = used = 0.0
    new = 0
    with Store(folder) as store:
        for batch in school_days(rows):
            begin, begin_used = time.perf_counter(), time.process_time()
            new += store.append(batch)
            wall, used = wall + time.perf_counter() - begin, used + time.process_time() - begin_used
            if sum(map(len, kept)) < 200_000:
                kept.append(batch)
    _check(new == rows, f"{new} rows stored, not {rows}")
    print(f"Store.append, batches of {BATCH}    {rows / wall:>9,.0f} rows/s   {used / rows * 1e6:5.1f} µs CPU a row")
    return rows / wall, kept


def ceiling(folder: Path, rows: int, reached: float) -> float:
    """The same values by bare `executemany`, FULL, one transaction a batch: what SQLite can do at best.

    Prints what was `reached` of it, and gives its processor seconds a row.
    """
    folder.mkdir()
    wall = used = 0.0
    stored = 0
    for day in sorted(days_folder(folder.parent / "store").glob("*.db")):
        path = folder / day.name
        create_day(path)
        source, target = sqlite3.connect(day), sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
            target.execute(f"PRAGMA {pragma}")
        cursor = source.execute("SELECT * FROM log ORDER BY id")
        while values := cursor.fetchmany(BATCH):
            begin, begin_used = time.perf_counter(), time.process_time()
            target.execute("BEGIN")
            target.executemany(BARE, values)
            target.execute("COMMIT")
            wall, used = wall + time.perf_counter() - begin, used + time.process_time() - begin_used
            stored += len(values)
        source.close()
        target.close()
    _check(stored == rows, f"{stored} rows copied, not {rows}")
    print(f"executemany, same schema, FULL     {rows / wall:>9,.0f} rows/s   {used / rows * 1e6:5.1f} µs CPU a row")
    print(f"reached of it                      {reached / (rows / wall):>9.2f}")
    return used / rows


def sizes(folder: Path, rows: int) -> None:
    """Bytes a row, of the day files and of the catalog."""
    days = sum(path.stat().st_size for path in days_folder(folder).glob("*.db"))
    catalog = (folder / "catalog.db").stat().st_size
    print(f"bytes a row                        {days / rows:>9.1f} in day files, {catalog / rows:.1f} in the catalog")


def questions(folder: Path, rows: int, sample: Sequence[Sequence[Pair]]) -> None:
    """Each question warm and cold, first and deep page; answers checked against the sample's rows."""
    pair = sample[0][17]
    user, host = pair[0].user, pair[0].host
    last = datetime.fromtimestamp((START_US + (DAYS - 1) * 86_400_000_000) / 1e6, UTC)
    asked: list[tuple[str, LogFilter]] = [
        ("everything", LogFilter()),
        ("one user", LogFilter(user=user)),
        ("one user, an hour of the last day", LogFilter(user=user, since=last, until=last + timedelta(hours=1))),
        ("one user, blocked", LogFilter(user=user, blocked=True)),
        ("one device", LogFilter(device=pair[0].device)),
        ("one host", LogFilter(host=host)),
        ("a domain and all below it", LogFilter(domain=pair[0].domain)),
        ("blocked", LogFilter(blocked=True)),
        ("category games", LogFilter(category="games")),
        ("search term, rare", LogFilter(terms="no such words")),
        ("URL text, one user", LogFilter(user=user, text="assets")),
        ("nobody", LogFilter(user="nobody-0000")),
    ]
    print(f"\n{'question, 100 rows a page':<36}{'warm':>9}{'cold':>9}{'deep':>9}{'rows':>6}   ms")
    for name, wanted in asked:
        with Archive(folder) as archive:
            page = archive.search(wanted, 100)
            deep = _deep(archive, wanted)
            warm, _ = _timed(lambda wanted=wanted: _search(folder, wanted, None))
            far, _ = _timed(lambda wanted=wanted, deep=deep: _search(folder, wanted, deep))
        _put_out(folder)
        cold, _ = _timed(lambda wanted=wanted: _search(folder, wanted, None), tries=1)
        _check(all(_fits(row.record, row.ending, wanted) for row in page.rows), f"{name}: a row that does not fit")
        print(f"{name:<36}{warm:>9.1f}{cold:>9.1f}{far:>9.1f}{len(page.rows):>6}")
    begin = time.perf_counter()
    with Archive(folder, seconds=600) as archive:
        _check(archive.search(LogFilter(text="no-such-text-anywhere"), 100).rows == (), "found what is not there")
        per_million = (time.perf_counter() - begin) / rows * 1e6
        print(f"\nURL text that is nowhere: {per_million:.2f} s a million rows")
        begin = time.perf_counter()
        sums = totals(archive, LogFilter())
        top(archive, LogFilter(), "user")
        print(f"totals and top users:     {(time.perf_counter() - begin) / rows * 1e6:.2f} s a million rows")
        _check(sums.rows == rows, f"{sums.rows} rows counted, not {rows}")
        first = {record.id: record for batch in sample for record, _ in batch}
        for record_id in random.Random(1).sample(sorted(first), 50):
            row = archive.show(record_id)
            _check(row is not None and row.record == first[record_id], f"{record_id} came back changed")


def retention(folder: Path) -> None:
    """Removing one day."""
    begin = time.perf_counter()
    report = prune(folder, datetime(2027, 5, 22, 12, tzinfo=UTC), ZoneInfo("Europe/London"))
    _check(len(report.days) == 1, f"{len(report.days)} days went, not 1")
    took = time.perf_counter() - begin
    print(f"one day of {report.rows:,} rows removed, proved and its names forgotten in {took:.2f} s")


def _deep(archive: Archive, wanted: LogFilter) -> int | None:
    place = None
    for _ in range(20):
        page = archive.search(wanted, 100, before=place)
        if page.next is None:
            return place
        place = page.next
    return place


def _search(folder: Path, wanted: LogFilter, before: int | None) -> None:
    with Archive(folder) as archive:
        archive.search(wanted, 100, before=before)


def _fits(record: LogRecord, ending: Ending, wanted: LogFilter) -> bool:
    return (
        wanted.user in (None, record.user)
        and wanted.device in (None, record.device)
        and wanted.host in (None, record.host)
        and wanted.blocked in (None, record.blocked)
        and (wanted.domain is None or record.host == wanted.domain or record.host.endswith(f".{wanted.domain}"))
        and (wanted.category is None or wanted.category in record.categories)
        and (wanted.text is None or wanted.text.lower() in record.url.lower())
    )


def _timed(work: Callable[[], None], tries: int = 5) -> tuple[float, int]:
    best = float("inf")
    for _ in range(tries):
        begin = time.perf_counter()
        work()
        best = min(best, (time.perf_counter() - begin) * 1000)
    return best, tries


def _put_out(folder: Path) -> None:
    """Ask the kernel to forget the files' pages."""
    for path in folder.rglob("*.db"):
        for part in files_of(path):
            if part.exists():
                handle = os.open(part, os.O_RDONLY)
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(handle)


def _check(true: bool, otherwise: str) -> None:
    if not true:
        raise SystemExit(f"wrong answer: {otherwise}")


def main() -> None:
    """Run everything in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="?", default=600_000, help="rows to store (default: %(default)s)")
    rows: int = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="schoolgate-store-") as place:
        folder = Path(place) / "store"
        print(f"{rows:,} rows over {DAYS} days; SQLite {sqlite3.sqlite_version}; {os.cpu_count()} cores")
        reached, sample = ingest(folder, rows)
        ceiling(Path(place) / "ceiling", rows, reached)
        sizes(folder, rows)
        questions(folder, rows, sample)
        retention(folder)


if __name__ == "__main__":
    main()
