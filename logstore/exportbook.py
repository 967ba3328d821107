"""The book of exports: files with rows in them that we wrote, where they are, and when they must go.

In comes a catalog connection within its transaction; out go the exports still about, and a cleaner for the daily
retention. The rules: whoever writes rows into a file for somebody notes it here before the first row is in it, and its
hash before it has its name; a file goes when its oldest row is as old as rows may be, unless a hold it belongs to lasts
or it is an answer that has to be there for a while (`ANSWERED`); what a writer that died left goes at once; only the
file we wrote is removed (its hash says so), and what cannot be seen or was changed is told instead.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, RowMapping, delete, select, update

from logstore.aside import is_being_written, leftover_of, remove_leftover
from logstore.audit import record_change
from logstore.db import open_catalog, reading, sync_folder
from logstore.dimensions import restored, stored
from logstore.place import Where
from logstore.prunereport import Cleaned, Cleaner, Stayed
from logstore.schema import export_file

PLACE = "exports"
"""How retention's report calls them."""
ANSWERS = ("subject", "case")
"""Exports that answer somebody who has a right to them, or is to judge by them."""
ANSWERED = timedelta(days=90)
"""How long an answer may take, and what was handed out has to be there to be shown."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CHUNK = 1 << 20


type Span = tuple[datetime, datetime]
"""Times of the oldest and the newest row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One file with rows in it."""

    path: str
    """Where it was written: an absolute path."""
    what: str
    """What it is of: `subject`, `hold`, `search`, `case`."""
    subject: str
    """Whom or what it is about: an account, a case."""
    who: str
    """Who had it written."""
    why: str
    """The reason given."""
    made_at: datetime
    """When; aware."""
    newest_at: datetime | None
    """Time of the newest row in it; None when that is not known, and then `made_at` counts."""
    oldest_at: datetime | None = None
    """Time of the oldest row in it; None when that is not known, and then the newest counts."""
    rows: int
    """Rows in it."""
    sha256: str
    """Hash of the file; empty as long as it is being written."""
    gateway: str | None = None
    """Identity of the gateway that wrote it; None where only one can have."""
    id: int = 0
    """Its number in the book; given by `note_export`."""

    def due(self, limit: datetime, now: datetime) -> bool:
        """Whether a row in it may be kept no longer: one from before `limit`.

        What answers somebody may hold a few such rows until `ANSWERED` after it was made, but not only such rows.
        """
        newest = self.newest_at or self.made_at
        if newest < limit or self.what not in ANSWERS:
            return (self.oldest_at or newest) < limit
        return (self.oldest_at or newest) < limit and self.made_at + ANSWERED <= now


def note_export(connection: Connection, export: Export) -> int:
    """Write an export into the book; its number."""
    values = {
        "path": export.path,
        "what": export.what,
        "subject": export.subject,
        "who": export.who,
        "why": export.why,
        "sha256": export.sha256,
        "gateway": export.gateway,
    }
    made = connection.execute(
        export_file.insert()
        .values(
            **{name: stored(value) for name, value in values.items()},
            made_us=(export.made_at - _EPOCH) // _MICROSECOND,
            newest_us=_us(export.newest_at),
            oldest_us=_us(export.oldest_at),
            rows=export.rows,
        )
        .returning(export_file.c.id)
    )
    return int(made.scalar_one())


def finish_export(connection: Connection, number: int, *, span: Span | None, rows: int, sha256: str) -> bool:
    """Say of a file that was noted what is in it now; False when somebody took it out of the book."""
    oldest, newest = (None, None) if span is None else span
    known = update(export_file).where(export_file.c.id == number)
    done = connection.execute(known.values(oldest_us=_us(oldest), newest_us=_us(newest), rows=rows, sha256=sha256))
    return bool(done.rowcount)


def strike(connection: Connection, numbers: Collection[int]) -> None:
    """Take exports out of the book whose files are not there."""
    connection.execute(delete(export_file).where(export_file.c.id.in_(numbers)))


def exports(connection: Connection) -> tuple[Export, ...]:
    """Every export in the book, oldest first."""
    return tuple(_export(row) for row in connection.execute(select(export_file).order_by(export_file.c.id)).mappings())


def settle_export(connection: Connection, number: int, *, who: str, why: str, at: datetime) -> bool:
    """Take an export out of the book, because somebody saw to its file; False when it is not in it."""
    gone = connection.execute(delete(export_file).where(export_file.c.id == number)).rowcount
    if gone:
        record_change(connection, who=who, what="settled an export", subject=f"export {number}", why=why, at=at)
    return bool(gone)


def export_cleaner(
    store: Where,
    data: Path,
    held: Callable[[], Collection[str]] = tuple,
    gateway: str | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Cleaner:
    """Removes exports that are due. `data` is the data folder; `held` tells the cases whose exports stay.

    `gateway`: identity of the one that asks; files that another one wrote are its own to remove.
    """

    def clean_exports(limit: datetime, dry_run: bool) -> Cleaned:
        with reading(store) as catalog:
            book = exports(catalog)
        cases, now = frozenset(held()), clock()
        done = [
            _elsewhere(export, limit, now)
            if None not in (gateway, export.gateway) and export.gateway != gateway
            else _clean_one(export, data, (limit, now), cases, dry_run=dry_run)
            for export in book
        ]
        over = [export.id for export, one in zip(book, done, strict=True) if one.over]
        if over and not dry_run:
            engine = open_catalog(store)
            with engine.begin() as catalog:
                strike(catalog, over)
            engine.dispose()
        return Cleaned(PLACE, sum(one.removed for one in done), tuple(one.stayed for one in done if one.stayed))

    return clean_exports


@dataclass(frozen=True, slots=True)
class _Seen:
    """What became of one export."""

    removed: int = 0
    """Files of it that went."""
    stayed: Stayed | None = None
    """Why it is still there."""
    over: bool = False
    """Whether its line in the book is over."""


def _elsewhere(export: Export, limit: datetime, now: datetime) -> _Seen:
    due = bool(export.sha256) and export.due(limit, now)
    return _Seen(stayed=Stayed(f"export {export.id}", f"is on another gateway; ask {export.who}") if due else None)


def _clean_one(
    export: Export, data: Path, by: tuple[datetime, datetime], held: Collection[str], *, dry_run: bool
) -> _Seen:
    """See to one export, by the limit and the time; whatever is wrong with it keeps no other from going."""
    name, path = f"export {export.id}", Path(export.path)
    try:
        writing = is_being_written(path)
        left = leftover_of(path) is not None if dry_run else remove_leftover(path)
        if not export.sha256:
            return _Seen(int(left), over=not writing)
        if not export.due(*by):
            return _Seen(int(left))
        if export.what in ("hold", "case") and export.subject in held:
            return _Seen(int(left), Stayed(name, "belongs to a hold that lasts"))
        found = _state(export, data)
        if found == "changed":
            why = "is not the file that was written: look at it, then schoolgate db exports --settle"
            return _Seen(int(left), Stayed(name, why, wrong=True))
        if found == "unseen":
            why = f"is not where it was written, or cannot be seen from here; ask {export.who}"
            return _Seen(int(left), Stayed(name, why), over=True)
        if found == "there" and not dry_run:
            path.unlink()
            sync_folder(path.parent)
        return _Seen(left + (found == "there"), over=True)
    except OSError as error:
        why = f"cannot be removed or looked at ({error.strerror}): do it yourself, then schoolgate db exports --settle"
        return _Seen(stayed=Stayed(name, why, wrong=True))


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises `OSError`."""
    told = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            told.update(chunk)
    return told.hexdigest()


def _state(export: Export, data: Path) -> str:
    """`there`, `changed`, `gone`, or `unseen`: not there, but outside the folder that is ours to see."""
    path = Path(export.path)
    if not os.path.lexists(path):
        return "gone" if path.is_relative_to(data) else "unseen"
    if path.is_symlink() or not path.is_file():
        return "changed"
    return "there" if hash_file(path) == export.sha256 else "changed"


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _moment(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + us * _MICROSECOND


def _export(row: RowMapping) -> Export:
    return Export(
        id=row["id"],
        **{name: restored(row[name]) for name in ("path", "what", "subject", "who", "why", "sha256", "gateway")},
        made_at=_EPOCH + row["made_us"] * _MICROSECOND,
        newest_at=_moment(row["newest_us"]),
        oldest_at=_moment(row["oldest_us"]),
        rows=row["rows"],
    )
