"""A restore, practised: the newest copy is put back aside, and looked at as if lessons depended on it.

In come a copy and an empty place; out goes a report. The rule: nothing of the store in use is touched, and the place is
empty again afterwards, because what is in it names people. A copy that was never restored is a hope.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from logstore.backup import Made, made_of, restore
from logstore.db import StoreError
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.verify import verify


@dataclass(frozen=True, slots=True)
class Drill:
    """One restore that was practised."""

    copy: str
    """Which copy."""
    made: str
    """When it was made; ISO 8601, empty when it does not say."""
    rows: int
    """Rows that were put back and found whole."""
    seconds: float
    """How long it took until they could be searched."""
    problems: tuple[str, ...]
    """What went wrong; nothing when a restore would have worked."""

    @property
    def ok(self) -> bool:
        """Whether a restore would have worked."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For the audit trail and `--json`."""
        return {"ok": self.ok, **asdict(self), "problems": list(self.problems)}


def drill(copy: Path, aside: Path) -> Drill:
    """Restore `copy` into `aside`, which must not be there, check it, and clear it away again."""
    begin, made = time.monotonic(), made_of(copy)
    told = "" if made is None else made.at.isoformat()
    if aside.exists():
        return Drill(str(copy), told, 0, 0.0, (f"{aside} is there already; name a place that is not",))
    rows, problems = 0, []
    try:
        rows = restore(copy, aside).rows
        problems += [str(problem) for problem in verify(aside, kept=_kept(made), deep=True).problems]
        if made is not None and made.rows != rows:
            problems.append(f"{rows} rows came back, {made.rows} were copied")
        problems += _searched(aside, rows)
    except (StoreError, OSError) as error:
        problems.append(str(error))
    seconds = time.monotonic() - begin
    shutil.rmtree(aside, ignore_errors=True)
    return Drill(str(copy), told, rows, seconds, tuple(problems))


def _kept(made: Made | None) -> tuple[int, str] | None:
    number, _, mark = ("" if made is None else made.head).partition(":")
    return (int(number), mark) if number.isdigit() and int(number) else None


def _searched(folder: Path, rows: int) -> Iterator[str]:
    """What people would do first: look at the newest rows, then for those of one person."""
    with Archive(folder, seconds=600) as archive:
        page = archive.search(LogFilter(), 50).rows
        if bool(page) != bool(rows):
            yield f"the log page shows {len(page)} rows of {rows}"
        for row in page[:1]:
            if archive.show(row.id) != row:
                yield f"record {row.id} is not found by its id"
            if row.record.user and row.id not in [
                one.id for one in archive.search(LogFilter(user=row.record.user), 50).rows
            ]:
                yield f"record {row.id} is not found by its user"
