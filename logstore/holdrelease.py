"""A hold ends: one person signs, another signs within a fortnight, and its rows go.

In come where the record is, a case and who decides; out goes the hold as it is then. The rule: nobody can do it alone,
and the line in the audit trail is written before a row goes.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update

from logstore.db import compact, reading
from logstore.holds import (
    RELEASED,
    Hold,
    HoldRefused,
    change,
    find,
    find_active,
    holds_path,
    in_turn,
    note_hold,
    reading_holds,
    writing_holds,
)
from logstore.holdschema import held_row, hold
from logstore.holdtrail import RELEASED as RELEASED_LINE
from logstore.holdtrail import told
from logstore.place import Database, Where, catalog_of

WITHIN = timedelta(days=14)
"""How long a first signature holds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sign(where: Where, case: str, *, who: str, why: str, at: datetime) -> Hold:
    """Sign a release as the first; nothing goes. Raises `HoldRefused`."""
    found = find_active(where, case)
    _somebody(who)
    if not why.strip():
        raise HoldRefused("say why the rows are needed no longer")
    if found.signed_by is not None and found.signed_at is not None and at < found.signed_at + WITHIN:
        raise HoldRefused(f"{found.signed_by} signed on {found.signed_at:%d %B %Y}; somebody else approves it now")
    note_hold(
        where, who=who, what="signed the release of a hold", case=case, after={"rows": found.rows}, why=why, at=at
    )
    change(where, found.id, signed_by=who, signed_us=_us(at), signed_why=why)
    return find(where, case)


def approve(where: Where, case: str, *, who: str, why: str, at: datetime) -> Hold:
    """Sign as the second: the copied rows go; those inside retention stay in the store. Raises `HoldRefused`."""
    with in_turn(where):
        found = find_active(where, case)
        _may_approve(found, case, who, at)
        with reading(where) as catalog:
            said = told(catalog, case).get(case)
        if said is None or said.released is None:  # else whoever approved it was killed before it was done
            after = {"rows": found.rows, "signed": [found.signed_by, who]}
            note_hold(where, who=who, what=RELEASED_LINE, case=case, after=after, why=why, at=at)
        let_go(where, found, who=who, at=at)
    tidy_holds(where)
    return find(where, case)


def _may_approve(found: Hold, case: str, who: str, at: datetime) -> None:
    """Raises `HoldRefused`."""
    _somebody(who)
    if found.signed_by is None or found.signed_at is None:
        raise HoldRefused(f"nobody has signed the release of {case!r}; first: schoolgate hold release {case}")
    if same_person(found.signed_by, who):
        raise HoldRefused(f"{who} signed first; a release needs two different people")
    if at >= found.signed_at + WITHIN:
        raise HoldRefused(
            f"the signature of {found.signed_by} is older than {WITHIN.days} days; it has to be given again"
        )
    if at < found.signed_at:
        raise HoldRefused(
            f"the first signature is of {found.signed_at:%Y-%m-%d %H:%M} UTC, later than now: set the clock"
        )


def let_go(where: Where, found: Hold, *, who: str, at: datetime) -> None:
    """Remove the copied rows of a hold whose release is in the audit trail; `tidy_holds` leaves nothing of them."""
    with writing_holds(where) as engine, engine.begin() as connection:
        connection.execute(delete(held_row).where(held_row.c.hold_id == found.id))
        connection.execute(
            update(hold)
            .where(hold.c.id == found.id)
            .values(
                state=RELEASED,
                reason="",
                filter="{}",
                error=None,
                signed_why="",
                released_by=who,
                released_us=_us(at),
                released_rows=found.rows,
            )
        )


def tidy_holds(where: Where) -> bool:
    """Leave nothing of released rows in the file or beside it; False when somebody was reading. Retention asks, too."""
    _remove_released(where)
    beside = catalog_of(where)
    if isinstance(beside, Database):
        from logstore.postgres.holds import sweep

        sweep(beside)
        return True
    path = holds_path(beside)
    return not path.is_file() or compact(path)


def _remove_released(where: Where) -> None:
    """Rows of released holds: none are copied any more, but earlier releases let a copy that ran go on."""
    released = select(hold.c.id).where(hold.c.state == RELEASED)
    strays = held_row.c.hold_id.in_(released)
    with reading_holds(where) as connection:
        if connection is None or connection.execute(select(held_row.c.hold_id).where(strays).limit(1)).first() is None:
            return
    with writing_holds(where) as engine, engine.begin() as connection:
        connection.execute(delete(held_row).where(strays))


def same_person(one: str, other: str) -> bool:
    """Whether two names of the audit trail are one account, however it was typed: `SCHOOL\\anna` is `Anna@school`."""
    return _account(one) == _account(other)


def _account(name: str) -> str:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return plain.rpartition(":")[2].rpartition("\\")[2].partition("@")[0].strip()


def _somebody(who: str) -> None:
    """Refuse a signature that is no person's. Raises `HoldRefused`."""
    if _account(who) in {"", "root"}:
        raise HoldRefused(f"{who} is nobody in particular; sign in as yourself (sudo keeps who asked), then sign")


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
