"""The copies of the store that were made: which is the newest, and which are too old.

In comes the audit trail, which knows every copy that `db backup` began; out go places, and a cleaner for the daily
retention. The rule: a copy names people, so it goes `KEPT` after it was made, and one that never got whole after
`UNFINISHED`; only what the copy consists of is removed, and only where it says itself what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from logstore.audit import Entry, entries
from logstore.backup import made_of, remove_copy
from logstore.db import reading
from logstore.place import Where
from logstore.prunereport import Cleaned, Cleaner, Stayed

BEGAN = "began to copy the store"
"""How the audit trail calls a copy that is about to be made."""
COPIED = "copied the store"
"""How the audit trail calls a copy being made."""
KEPT = timedelta(days=35)
"""How long a copy is kept: rows that retention removed are in copies for so long and no longer."""
UNFINISHED = timedelta(days=2)
"""How long after its beginning a copy that is not whole is still being made, if at all."""
PLACE = "backups"
"""How retention's report calls them."""


def copies(catalog: Connection, *, whole: bool = True) -> Iterator[Path]:
    """Copies that are still where they were made, newest first; also those that never got whole unless `whole`."""
    seen: set[str] = set()
    for line in lines_of(catalog, BEGAN, COPIED):
        if line.subject in seen:
            continue
        seen.add(line.subject)
        made = made_of(Path(line.subject))
        if made is not None and (made.whole or not whole):
            yield Path(line.subject)


def lines_of(catalog: Connection, *what: str) -> Iterator[Entry]:
    """Lines of the audit trail on exports of this kind, newest first."""
    before: int | None = None
    while lines := entries(catalog, kind="export", before=before):
        yield from (line for line in lines if line.what in what)
        before = lines[-1].id


def copy_cleaner(store: Where, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Cleaner:
    """A cleaner for `logstore.retention.prune`: removes copies of the record in `store` that are too old;
    of those that lie where this machine sees them."""

    def backups(limit: datetime, dry_run: bool) -> Cleaned:
        del limit  # copies have a time of their own
        with reading(store) as catalog:
            found = list(copies(catalog, whole=False))
        removed, stayed = 0, []
        for copy in found:
            made = made_of(copy)
            if made is None or made.at + (KEPT if made.whole else UNFINISHED) > clock():
                continue
            try:
                if not dry_run:
                    remove_copy(copy)
                removed += 1
            except OSError as error:
                stayed.append(Stayed(str(copy), f"the copy could not be removed: {error.strerror}", wrong=True))
        return Cleaned(PLACE, removed, tuple(stayed))

    return backups
