"""Whether the record is what was written: the trail, the chains, the sealed files, the names, the gaps.

In comes the store's folder, out goes a report that names every day, batch and row that was changed, is missing or was
added. It only reads, while rows come in. The rules: the audit trail is believed only after it was checked itself; a day
the trail or the catalog knows must be there, or the trail must say that retention removed it.

What it cannot see: whoever may write to the disk can write a whole new record, trail and all. Only a head that was kept
elsewhere (`db head`) shows that; what came after the last one kept is as good as the machine it lies on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from logstore import audit, evidence, filecheck, gapcheck, holdproof, sumcheck
from logstore.chaincheck import Problem
from logstore.db import days_folder, open_catalog, reading
from logstore.gapcheck import Known
from logstore.nightly import Turns
from logstore.place import ClickHouse, Database, Where
from logstore.schema import day_file
from logstore.verified import Verified
from logstore.vouching import Learned, Vouching, learned

MOST = 1_000
"""Problems named at most; more of them say nothing more."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def verify(
    where: Where, *, kept: tuple[int, str] | None = None, deep: bool = False, day: str | None = None,
    seconds: float = float("inf"), at: datetime | None = None, now: datetime | None = None, months: int = 1,
    sums: bool = False, wrong: Sequence[str] = (),
) -> Verified:  # fmt: skip
    """Check the record; in a database no day is sealed, and each is read row by row, `deep` or not.

    `kept`: a head kept elsewhere. `deep`: read the rows of sealed days too. `day`: only that UTC day's files. After
    `seconds` no further day is begun; those looked at longest ago come first, and those found `wrong` when they were
    last looked at leave room for one of the others (`logstore.nightly`). With `at` (aware) it is noted when a file was
    found whole. With `sums` roll-ups are held against their rows, which takes about as long again.
    """
    if isinstance(where, Database):
        from logstore.postgres import check

        return check.verify(where, kept=kept, day=day, seconds=seconds, at=at, now=now, months=months, sums=sums,
                            wrong=wrong)  # fmt: skip
    if isinstance(where, ClickHouse):
        from logstore.clickhouse.check import verify as verify_there

        return verify_there(where, kept=kept, day=day, seconds=seconds, at=at, now=now, months=months, wrong=wrong)
    folder, turns = where, Turns(seconds, wrong)
    report = Verified()
    with reading(folder) as catalog:
        catalog.exec_driver_sql("BEGIN")  # trail and catalog as they are at one moment, whoever seals meanwhile
        broken, report.lines = audit.verify(catalog, kept), audit.count(catalog)
        number, mark = audit.head(catalog)
        report.head = f"{number}:{mark}"
        if broken is not None:
            what = "was changed, taken out, or is not the one whose head was kept"
            report.problems.append(Problem("audit trail", f"line {broken} {what}"))
        told, known = evidence.told(catalog), _known(catalog)
        present = [one for one in known if one.state in ("open", "sealed") and day in (None, one.file[:10])]
        days, trail = ({str(file)[:10] for file in files} for files in ((one.file for one in present), told.files()))
        # What a part that goes, or has gone, vouched for is not known any more: the day's others do not judge for it.
        going = {file[:10] for file in (*told.removed, *(one.file for one in known if one.state == "dropping"))}
        parts = _Parts(present, learned(catalog, days - going, gone=trail, every=day is None))
        catalog.exec_driver_sql("COMMIT")
        report.problems += gapcheck.gaps(folder, catalog, known, told, day=day, months=months, now=now or at)
        if day is None:
            report.problems += filecheck.misleading(catalog)
            report.problems += holdproof.problems(folder)
            report.problems += parts.names.strange
        for files in sorted(parts.in_turn(), key=lambda files: turns.place(one.file for one in files)):
            if not turns.begins(one.file for one in files):
                report.left += (one.file for one in files)
                continue
            for one in files:
                vouching = parts.of(one)
                found = _file(folder, catalog, one, told, vouching, deep=deep)
                found += parts.problems(vouching)
                report.rows += one.rows
                report.looked_at(one.file, found)
                if at is not None and not found:
                    _note(folder, one.file, at)
        if sums:
            report.problems += sumcheck.problems(folder, sorted({file[:10] for file in report.files}))
    del report.problems[MOST:]
    return report


def last_verified(folder: Path) -> datetime | None:
    """When a file was last found whole; UTC."""
    with reading(folder) as catalog:
        times = [one.verified_us for one in _known(catalog) if one.verified_us is not None]
    return _EPOCH + timedelta(microseconds=max(times)) if times else None


def _known(catalog: Connection) -> list[Known]:
    columns = (day_file.c[name] for name in Known.__slots__)
    return [Known(*row) for row in catalog.execute(select(*columns).order_by(day_file.c.file))]


class _Parts:
    """The files that are to be looked at: those of a day together, because only together they vouch for its names."""

    def __init__(self, present: Sequence[Known], names: Learned) -> None:
        self.names = names
        self._days: dict[str, list[Known]] = {}
        self._vouching: dict[str, Vouching] = {}
        for one in present:
            self._days.setdefault(one.file[:10], []).append(one)
        self._left = {day: len(files) for day, files in self._days.items()}

    def in_turn(self) -> Iterator[list[Known]]:
        """The files of each day, those of days that were looked at longest ago first."""
        yield from sorted(self._days.values(), key=lambda files: (min(map(_looked_at, files)), files[0].file))

    def of(self, one: Known) -> Vouching:
        """What is to be told what a file vouches for."""
        day = one.file[:10]
        if day not in self._vouching:
            self._vouching[day] = self.names.on(day)
        return self._vouching[day]

    def problems(self, vouching: Vouching) -> Iterator[Problem]:
        """A file of this was looked at: what is wrong with the names, when it was the day's last."""
        self._left[vouching.day] -= 1
        if not self._left[vouching.day]:
            del self._vouching[vouching.day]
            yield from vouching.problems()


def _looked_at(one: Known) -> int:
    return one.verified_us or 0


def _file(
    folder: Path, catalog: Connection, one: Known, told: evidence.Told, vouching: Vouching, *, deep: bool
) -> list[Problem]:
    path = days_folder(folder) / one.file
    if not path.is_file():
        vouching.sound = False
        return []  # told among the gaps
    marks: list[tuple[int, str, str]] = [
        (number, mark, f"line {line} of the audit trail") for number, mark, line in told.ends.get(one.file, ())
    ]
    if one.batches is not None and one.mark is not None:
        marks.append((one.batches, one.mark, "the catalog"))
    sealed = one.sha256 if one.state == "sealed" else None
    found: list[Problem] = []
    facts = told.sealed.get(one.file)
    if sealed is not None and facts is None:
        found.append(Problem(one.file, "the catalog says it is sealed, but the audit trail does not"))
    elif facts is not None:
        if facts["sha256"] != one.sha256 or one.state != "sealed":
            found.append(Problem(one.file, f"the catalog says {one.state}, {one.sha256}; the audit trail says it was "
                                           f"sealed with {facts['sha256']}"))  # fmt: skip
            sealed = facts["sha256"]
        found += [Problem(one.file, f"when it was sealed: {said}") for said in facts.get("problems", ())]
    bounds = {"batches": one.batches, "min_id": one.min_id, "max_id": one.max_id}
    deep = deep or sealed is None
    for problem in filecheck.problems(
        path, catalog, known=marks, sealed=sealed, deep=deep, bounds=bounds, vouching=vouching
    ):
        found.append(problem)
        if len(found) >= MOST:
            vouching.sound = False
            break
    if path.is_file():
        return found
    vouching.sound = False
    return []  # removed by retention while it was read


def _note(folder: Path, file: str, at: datetime) -> None:
    engine = open_catalog(folder)
    with engine.begin() as catalog:
        when = (at - _EPOCH) // timedelta(microseconds=1)
        catalog.execute(day_file.update().where(day_file.c.file == file).values(verified_us=when))
