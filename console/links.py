"""Links that work once: to make the first account, and to choose a password.

An account or none in; a secret out, whose hash is kept until it is used or too old. The rule: a link is taken in the
transaction that does what it is for, so that two browsers cannot both use it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select

from console import secrets
from console.accounts import count
from registry.change import to_us
from registry.schema import console_link as links

FIRST = timedelta(hours=1)
"""How long the link of the first run works."""
INVITED = timedelta(days=2)
"""How long a link to choose a password works."""


def make(connection: Connection, account: int | None, at: datetime) -> str:
    """A link's secret; links made before for the same purpose work no more."""
    same = links.c.account_id.is_(None) if account is None else links.c.account_id == account
    connection.execute(delete(links).where(same))
    secret = secrets.new()
    until = at + (FIRST if account is None else INVITED)
    row = {"hash": secrets.hash_of(secret), "account_id": account, "made_us": to_us(at), "until_us": to_us(until)}
    connection.execute(insert(links).values(row))
    return secret


def first_run(connection: Connection, at: datetime) -> str | None:
    """The secret of a link that makes the first account; None when there is one already."""
    return None if count(connection) else make(connection, None, at)


def look_up(connection: Connection, secret: str, at: datetime) -> tuple[int | None] | None:
    """For whom a link is: the account, or None within for the first one; None when it does not work."""
    row = connection.execute(select(links).where(links.c.hash == secrets.hash_of(secret))).one_or_none()
    if row is None or to_us(at) >= row.until_us or (row.account_id is None and count(connection)):
        return None
    return (row.account_id,)


def take(connection: Connection, secret: str, at: datetime) -> tuple[int | None] | None:
    """As `look_up`, and the link works no more."""
    found = look_up(connection, secret, at)
    gone = connection.execute(delete(links).where(links.c.hash == secrets.hash_of(secret))).rowcount
    return found if gone else None
