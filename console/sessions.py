"""Sessions: from a cookie to a `Viewer`, as long as it lives; and why somebody looks at whom.

A cookie and a moment in; who is looking out, or nobody. The rules: the database holds the hash of the cookie; a session
ends when it was not used for `IDLE`, and in any case after `LONGEST`; sign-in always begins a new one (fixation).
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from console import secrets
from console.accounts import Account, get
from console.roles import Viewer
from registry.change import from_us, to_us
from registry.schema import console_session as sessions

IDLE = timedelta(minutes=30)
"""A session not used for so long is over."""
LONGEST = timedelta(hours=10)
"""No session lives longer: a school day."""
TOUCH = timedelta(minutes=1)
"""How often it is written down that a session is used."""
REASON = timedelta(minutes=30)
"""How long a reason for looking at somebody's rows holds."""

REASONS = 50
"""Most reasons a session has at once; the oldest goes first."""


def begin(connection: Connection, account: Account, address: str, at: datetime) -> str:
    """Begin a session in the account's first role; the cookie."""
    cookie = secrets.new()
    connection.execute(delete(sessions).where(sessions.c.made_us < to_us(at - LONGEST)))
    values = {"hash": secrets.hash_of(cookie), "account_id": account.id, "grant_id": account.grants[0].id}
    times = {"made_us": to_us(at), "seen_us": to_us(at)}
    connection.execute(insert(sessions).values(**values, **times, address=address, reasons="{}"))
    return cookie


def find(connection: Connection, cookie: str, at: datetime) -> tuple[Viewer, bool] | None:
    """Who this cookie stands for, and whether its use should be noted (`touch`); None for nobody."""
    row = _row(connection, secrets.hash_of(cookie))
    if row is None or not _alive(row, at):
        return None
    account = get(connection, row["account_id"])
    grant = next((one for one in account.grants if one.id == row["grant_id"]), None)
    if account.disabled or grant is None:
        return None
    viewer = Viewer(
        account.name, account.title, grant, account.id, row["hash"], account.person or account.name, account.grants
    )
    return viewer, to_us(at) - row["seen_us"] > TOUCH // timedelta(microseconds=1)


def touch(connection: Connection, session: str, at: datetime) -> None:
    """Note that a session is used."""
    connection.execute(update(sessions).where(sessions.c.hash == session).values(seen_us=to_us(at)))


def act_as(connection: Connection, viewer: Viewer, grant: int) -> bool:
    """Go on in another of the account's roles; False when it has none of that number."""
    if grant not in {one.id for one in viewer.grants}:
        return False
    connection.execute(update(sessions).where(sessions.c.hash == viewer.session).values(grant_id=grant, reasons="{}"))
    return True


def end(connection: Connection, session: str) -> None:
    """End one session."""
    connection.execute(delete(sessions).where(sessions.c.hash == session))


def forget(connection: Connection, limit: datetime, *, dry_run: bool = False) -> int:
    """Remove sessions begun before `limit`, which say at whom somebody looked; how many they are."""
    due = sessions.c.made_us < to_us(limit)
    found = len(connection.execute(select(sessions.c.hash).where(due)).all())
    if found and not dry_run:
        connection.execute(delete(sessions).where(due))
    return found


def give_reason(connection: Connection, session: str, subject: str, why: str, at: datetime) -> None:
    """Keep why this session looks at somebody, for `REASON`."""
    row = _row(connection, session)
    if row is None:
        return
    reasons: dict[str, Any] = json.loads(row["reasons"])
    reasons = {who: told for who, told in reasons.items() if told[1] > to_us(at)}
    reasons.pop(subject, None)
    reasons[subject] = [why, to_us(at + REASON)]
    reasons = dict(list(reasons.items())[-REASONS:])
    connection.execute(update(sessions).where(sessions.c.hash == session).values(reasons=json.dumps(reasons)))


def reason_for(connection: Connection, session: str, subject: str, at: datetime) -> str:
    """Why this session looks at somebody; empty when it did not say, or too long ago."""
    row = _row(connection, session)
    told = None if row is None else json.loads(row["reasons"]).get(subject)
    return told[0] if told is not None and told[1] > to_us(at) else ""


def of_account(connection: Connection, account: int, at: datetime) -> list[dict[str, Any]]:
    """The living sessions of an account: where from and since when; newest first."""
    query = select(sessions).where(sessions.c.account_id == account).order_by(sessions.c.made_us.desc())
    return [
        {"address": row["address"], "since": from_us(row["made_us"]), "used": from_us(row["seen_us"])}
        for row in connection.execute(query).mappings()
        if _alive(row, at)
    ]


def was_here(connection: Connection, account: int, address: str, at: datetime) -> bool:
    """Whether the account began a session at this address within a school day."""
    lately = sessions.c.made_us >= to_us(at - LONGEST)
    query = select(sessions.c.hash).where(sessions.c.account_id == account, sessions.c.address == address, lately)
    return connection.execute(query.limit(1)).first() is not None


def _row(connection: Connection, session: str) -> RowMapping | None:
    return connection.execute(select(sessions).where(sessions.c.hash == session)).mappings().one_or_none()


def _alive(row: RowMapping, at: datetime) -> bool:
    made, seen = from_us(row["made_us"]), from_us(row["seen_us"])
    return made is not None and seen is not None and at < made + LONGEST and at < seen + IDLE
