"""When a saved search was last of use, and that old ones go.

An account and a moment in; its searches out, the moment kept, and searches of no use since a date gone. A search
may name somebody, in what is looked for or in what it is called; what counts as use stands in `console.saved`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from sqlalchemy import Connection, delete, func, select, update

from registry.change import to_us
from registry.schema import console_view as views_table

ROUGHLY = timedelta(hours=12)
"""How exactly the moment is kept: not every look is written down."""


def unnoted(connection: Connection, account: int, moment: datetime) -> list[tuple[int, dict[str, str]]]:
    """An account's searches of which it is not noted that they were of use at about this moment, and what they ask."""
    here = views_table.c
    old = select(here.id, here.query).where(here.account_id == account, here.used_us < to_us(moment - ROUGHLY))
    return [(row.id, dict(parse_qsl(row.query))) for row in connection.execute(old)]


def note(connection: Connection, searches: list[int], moment: datetime) -> None:
    """Keep when these searches were of use; a later moment, noted by another look at the same time, stays."""
    here, used = views_table.c, to_us(moment)
    connection.execute(update(views_table).where(here.id.in_(searches), here.used_us < used).values(used_us=used))


def forget(connection: Connection, limit: datetime, *, dry_run: bool = False) -> int:
    """Remove searches of no use since `limit`; how many they are.

    A console of the version before notes no use: a search that was saved there (0) counts from when that was.
    """
    here = views_table.c
    due = func.coalesce(func.nullif(here.used_us, 0), here.made_us) < to_us(limit)
    found = len(connection.execute(select(here.id).where(due)).all())
    if found and not dry_run:
        connection.execute(delete(views_table).where(due))
    return found
