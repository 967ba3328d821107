"""What ICT services ask of a record of 20 million rows: pages, numbers, text in URLs, and what keeping sums up costs.

Builds four school days (a large school writes `--rows 5000000` a day), and small days up to 183 files (`--files`); or
asks a store made before (`--folder`). Every question is asked warm and with the files put out of the page cache; its
rows are checked against what was asked, numbers from roll-ups against the same numbers from the rows. CPU time stands
beside wall time, because a page cache and two cores are shared with whatever else runs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import schooldays
from benchmarks.store import _check, _fits, _put_out
from benchmarks.targets import Target, machine
from logstore.db import reading
from logstore.facets import facets
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.rolling import Roller
from logstore.stats import Figures
from logstore.textjob import TextJob
from logstore.timeline import around

DAY = timedelta(days=1)
NEWEST = datetime(2026, 11, 20, tzinfo=UTC)
"""The newest full day when there are four."""
PAGE = 100
INDEXED = Target("indexed question, cold, worst", 100, "ms")
TEXT = Target("URL text that is nowhere, a day of 5 million rows", 3, "s")
CALLED_OFF = Target("a text job called off", 0.2, "s")


def build(folder: Path, rows: int, files: int) -> None:
    """Four full days, the first of them through the store and all five times over, and small days after them."""
    begin = time.perf_counter()
    schooldays.write_first_day(folder, rows // 5)
    for later in range(1, 5):
        schooldays.copy_day(folder, later, 5)
    for later in range(5, files):
        schooldays.copy_day(folder, later, 1, 2_000)
    schooldays.name_until(folder, files)
    print(f"built in {time.perf_counter() - begin:.0f} s", file=sys.stderr)


def pages(folder: Path) -> float:
    """Each question warm and cold, first and deep page; the worst cold time, milliseconds."""
    with Archive(folder) as archive:
        row = next(iter(archive.search(LogFilter(until=NEWEST + DAY, since=NEWEST), 1).rows))
        user, host, domain, device = row.record.user, row.record.host, row.record.domain, row.record.device
    last = {"since": NEWEST, "until": NEWEST + DAY}
    week = {"since": NEWEST - 3 * DAY, "until": NEWEST + DAY}
    asked: list[tuple[str, LogFilter]] = [
        ("one user, the newest day", LogFilter(user=user, **last)),
        ("one user, an hour", LogFilter(user=user, since=NEWEST + 10 * DAY / 24, until=NEWEST + 11 * DAY / 24)),
        ("one user, four days", LogFilter(user=user, **week)),
        ("one user, blocked, four days", LogFilter(user=user, blocked=True, **week)),
        ("one device, four days", LogFilter(device=device, **week)),
        ("one host, four days", LogFilter(host=host, **week)),
        ("a domain and all below it, four days", LogFilter(domain=domain, **week)),
        ("blocked, four days", LogFilter(blocked=True, **week)),
        ("category games, four days", LogFilter(category="games", **week)),
        ("a rule, four days", LogFilter(rule="ks3-video", **week)),
        ("search term, four days", LogFilter(terms="castles", **week)),
        ("search term that is nowhere, four days", LogFilter(terms="no such words", **week)),
        ("title, four days", LogFilter(title="a page of", **week)),
        ("everything, no bound", LogFilter()),
        ("one user, no bound", LogFilter(user=user)),
        ("nobody", LogFilter(user="nobody-0000")),
    ]
    print(f"\n{f'question, {PAGE} rows a page':<44}{'warm':>8}{'cold':>8}{'(CPU)':>8}{'deep':>8}{'rows':>6}   ms")
    worst = 0.0
    for name, wanted in asked:
        with Archive(folder) as archive:
            page, deep = archive.search(wanted, PAGE), None
            for _ in range(20):
                following = archive.search(wanted, PAGE, before=deep)
                if following.next is None:
                    break
                deep = following.next
        fits = all(_fits(row.record, row.ending, wanted) for row in page.rows)
        _check(fits, f"{name}: a row that does not fit")

        def ask(before: int | None, wanted: LogFilter = wanted) -> None:
            with Archive(folder) as archive:
                archive.search(wanted, PAGE, before=before)

        warm, _ = _best(lambda ask=ask: ask(None))
        cold, used = _cold(folder, lambda ask=ask: ask(None))
        far, _ = _best(lambda ask=ask, deep=deep: ask(deep))
        worst = max(worst, cold)
        print(f"{name:<44}{warm:>8.1f}{cold:>8.1f}{used:>8.1f}{far:>8.1f}{len(page.rows):>6}")
    return worst


def others(folder: Path) -> None:
    """A timeline, and names to pick from."""
    with Archive(folder) as archive:
        user = archive.search(LogFilter(until=NEWEST + DAY, since=NEWEST), 1).rows[0].record.user
    moment = NEWEST - 2 * DAY + 11 * DAY / 24

    def timeline() -> None:
        with Archive(folder) as archive:
            told = around(archive, [LogFilter(user=user)], moment, before=50, after=50)
            _check(
                len(told.rows) == 100 and told.rows[49].at >= moment > told.rows[50].at, "a timeline beside its moment"
            )

    def hosts() -> None:
        with reading(folder) as catalog:
            _check(len(facets(catalog, "host", "www.")) == 50, "too few hosts")

    def categories() -> None:
        with reading(folder) as catalog:
            _check("games" in {one.name for one in facets(catalog, "category")}, "no category games")

    for name, work in (
        ("a timeline, 50 rows either side", timeline),
        ("hosts that begin with www.", hosts),
        ("categories", categories),
    ):
        print(f"{name:<44}{_best(work)[0]:>8.1f}{_cold(folder, work)[0]:>8.1f}")


def numbers(folder: Path) -> None:
    """Totals, rankings and series of the four days from roll-ups; the same of one day from the rows, and compared."""
    print(f"\n{'numbers':<44}{'warm':>8}{'cold':>8}{'(CPU)':>8}{'from rows':>12}   ms")
    week = LogFilter(since=NEWEST - 3 * DAY, until=NEWEST + DAY)
    day = LogFilter(since=NEWEST, until=NEWEST + DAY)
    asks: list[tuple[str, Callable[[Figures], object]]] = [
        ("totals", lambda figures: figures.totals()),
        ("top users", lambda figures: figures.top("user").places),
        ("top hosts", lambda figures: figures.top("host").places),
        ("top categories", lambda figures: figures.top("category").places),
        ("requests an hour", lambda figures: figures.series(timedelta(hours=1)).spans),
    ]
    for name, ask in asks:

        def told(ask: Callable[[Figures], object] = ask, wanted: LogFilter = week) -> object:
            with Archive(folder, seconds=600) as archive:
                return ask(Figures(archive, wanted))

        warm, _ = _best(told, 3)
        cold, used = _cold(folder, told)
        begin = time.perf_counter()
        with Archive(folder, seconds=600) as archive:
            by_rows = ask(Figures(archive, day, rollups=False))
        took = (time.perf_counter() - begin) * 1000
        _check(told(wanted=day) == by_rows, f"{name}: roll-ups and rows differ")
        print(f"{f'{name}, 4 days (rows: 1 day)':<44}{warm:>8.1f}{cold:>8.1f}{used:>8.1f}{took:>12,.0f}")


def text(folder: Path) -> tuple[float, float]:
    """A text that is nowhere, over a full day, warm and cold; and how soon a job ends: seconds of CPU, seconds."""
    wanted = LogFilter(text="no-such-text-anywhere", since=NEWEST, until=NEWEST + DAY)

    def whole() -> None:
        *_, last = TextJob(folder, wanted).run()
        _check(last.progress.found == 0, "found what is not there")

    whole()
    warm, used = _best(whole, 3)
    cold, cold_used = _cold(folder, whole)
    print(f"\nURL text that is nowhere, a full day: {warm / 1000:.2f} s warm ({used / 1000:.2f} s CPU),")
    print(f"{cold / 1000:.2f} s cold ({cold_used / 1000:.2f} s CPU)")
    begin = time.perf_counter()
    first = next(found for found in TextJob(folder, LogFilter(text="/a", since=NEWEST)).run() if found.rows)
    print(f"first rows of a text that is common: {(time.perf_counter() - begin) * 1000:.0f} ms, {len(first.rows)} rows")
    ends = []
    for _ in range(5):
        job = TextJob(folder, wanted)
        thread = threading.Thread(target=lambda job=job: list(job.run()))
        thread.start()
        time.sleep(0.4)
        begin = time.perf_counter()
        job.cancel()
        thread.join()
        ends.append(time.perf_counter() - begin)
    return used / 1000, statistics.median(ends)


def rolling(folder: Path) -> None:
    """One hour summed anew."""
    hour = int((NEWEST + 11 * DAY / 24).timestamp()) // 3600
    roller = Roller(folder)
    used = time.process_time()
    rolled = roller.roll(NEWEST.date().isoformat(), hour)
    used = time.process_time() - used
    _check(rolled is not None and rolled.rows > 0, "an hour without rows")
    if rolled is not None:
        each = used / rolled.rows * 1e6
        print(
            f"\nan hour of {rolled.rows:,} rows summed in {rolled.seconds:.1f} s, {used:.1f} s CPU, {each:.1f} µs a row"
        )
    full = (folder / "days" / f"{NEWEST.date()}.db").stat().st_size
    small = (folder / "rollups" / f"{NEWEST.date()}.db").stat().st_size
    print(f"roll-ups of a full day: {small / 1e6:.0f} MB beside {full / 1e6:.0f} MB of rows ({small / full:.1%})")


def _best(work: Callable[[], object], tries: int = 5) -> tuple[float, float]:
    """The fastest of some tries: milliseconds, and milliseconds of CPU."""
    took = []
    for _ in range(tries):
        begin, used = time.perf_counter(), time.process_time()
        work()
        took.append(((time.perf_counter() - begin) * 1000, (time.process_time() - used) * 1000))
    return min(took)


def _cold(folder: Path, work: Callable[[], object]) -> tuple[float, float]:
    """The median of three tries, the files put out of the page cache before each."""
    took = []
    for _ in range(3):
        _put_out(folder)
        took.append(_best(work, 1))
    return sorted(took)[1]


def main() -> int:
    """Build or open, ask, compare with the targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="a store made before by --keep")
    parser.add_argument("--keep", type=Path, help="build here and leave it")
    parser.add_argument("--rows", type=int, default=500_000, help="rows of a full day; large schools: 5000000")
    parser.add_argument("--files", type=int, default=183, help="day files in all")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="schoolgate-query-") as place:
        folder = args.folder or args.keep or Path(place) / "store"
        if args.folder is None:
            build(folder, args.rows, args.files)
        print(machine())
        for _ in Roller(folder).catch_up():
            pass
        worst = pages(folder)
        others(folder)
        numbers(folder)
        seconds, called_off = text(folder)
        rolling(folder)
        print()
        met = [INDEXED.tell(worst), TEXT.tell(seconds * 5_000_000 / args.rows), CALLED_OFF.tell(called_off)]
        print(machine())
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
