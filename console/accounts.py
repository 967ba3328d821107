"""Who may sign in to the console: accounts and their roles, each change with an audit line in the caller's transaction.

A name, what is wanted and `By` go in; the account as it is now comes out. What cannot be done raises `RegistryError`.
There is no default account, and none is ever removed: a name in the trail never comes to mean somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from console.roles import Grant, Role
from identity.directory import account_name
from registry.change import By, RegistryError, RegistryProblem, from_us, note, text_problems, to_us, word_problems
from registry.passwords import PasswordHash
from registry.people import name_problems
from registry.schema import console_account as accounts_table
from registry.schema import console_grant as grants_table
from registry.schema import console_session as sessions_table


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the console."""

    id: int
    """Its number."""
    name: str
    """What is typed at sign-in."""
    title: str
    """Name for people."""
    person: str | None
    """Their own account at the proxy."""
    disabled: bool
    """Whether it may not be used."""
    grants: tuple[Grant, ...]
    """Its roles, the first given first."""
    made_by: str
    """Who made it."""
    made_at: datetime
    """When."""
    password_hash: str | None = field(default=None, repr=False)
    """Hash; None until a password was chosen."""
    totp_secret: str | None = field(default=None, repr=False)
    """Secret of the authenticator app; None without one."""
    totp_step: int = 0
    """Step of the last code used."""

    @property
    def state(self) -> str:
        """`disabled`, `invited` or `active`."""
        return "disabled" if self.disabled else "active" if self.password_hash else "invited"


def count(connection: Connection) -> int:
    """How many accounts there are."""
    return int(connection.execute(select(func.count()).select_from(accounts_table)).scalar_one())


def accounts(connection: Connection) -> list[Account]:
    """Everybody, by name."""
    return [_account(connection, row) for row in connection.execute(_all().order_by(accounts_table.c.name)).mappings()]


def find(connection: Connection, name: str) -> Account | None:
    """The account of that name in any spelling; None when there is none."""
    row = connection.execute(_all().where(accounts_table.c.name == account_name(name))).mappings().one_or_none()
    return None if row is None else _account(connection, row)


def get(connection: Connection, number: int) -> Account:
    """The account of that number. Raises `RegistryError`."""
    row = connection.execute(_all().where(accounts_table.c.id == number)).mappings().one_or_none()
    if row is None:
        raise RegistryError(RegistryProblem(f"account {number}", "there is none"))
    return _account(connection, row)


def add(
    connection: Connection,
    name: str,
    title: str,
    grants: Collection[Grant],
    by: By,
    *,
    person: str | None = None,
    password: PasswordHash | None = None,
) -> Account:
    """Make an account. Without a password it is used once somebody chose one through a link."""
    name = account_name(name)
    problems = [*name_problems(name), *text_problems(name, "title", title), *_grant_problems(name, grants)]
    if not problems and find(connection, name) is not None:
        problems.append(RegistryProblem(name, "there is such an account already", "take another name"))
    if problems:
        raise RegistryError(*problems)
    values: dict[str, Any] = {
        "name": name,
        "title": title.strip() or name,
        "person": account_name(person) if person else None,
        "password_hash": password,
        "totp_step": 0,
        "disabled": False,
        "made_by": by.who,
        "made_us": to_us(by.at),
        "changed_us": to_us(by.at),
    }
    number = int(connection.execute(insert(accounts_table).values(values).returning(accounts_table.c.id)).scalar_one())
    _write_grants(connection, number, grants)
    made = get(connection, number)
    note(connection, by, "console.account.add", name, None, facts(made))
    return made


def set_grants(connection: Connection, number: int, grants: Collection[Grant], by: By) -> Account:
    """Give an account other roles; its sessions end. The last who may give roles keeps theirs."""
    before = get(connection, number)
    if problems := _grant_problems(before.name, grants):
        raise RegistryError(*problems)
    connection.execute(delete(grants_table).where(grants_table.c.account_id == number))
    _write_grants(connection, number, grants)
    end_sessions(connection, number)
    after = get(connection, number)
    _somebody_left(connection, before.name)
    note(connection, by, "console.account.roles", before.name, facts(before), facts(after))
    return after


def set_disabled(connection: Connection, number: int, disabled: bool, by: By) -> Account:
    """Take an account out of use, or give it back; its sessions end."""
    before = get(connection, number)
    _change(connection, number, by, disabled=disabled)
    end_sessions(connection, number)
    _somebody_left(connection, before.name)
    what = "console.account.disable" if disabled else "console.account.enable"
    note(connection, by, what, before.name, {"state": before.state}, {"state": get(connection, number).state})
    return get(connection, number)


def set_password(connection: Connection, number: int, password: PasswordHash, by: By) -> None:
    """Choose a new password; every session ends."""
    _change(connection, number, by, password_hash=password)
    end_sessions(connection, number)
    note(connection, by, "console.account.password", get(connection, number).name, None, {"password": "changed"})


def set_second_factor(connection: Connection, number: int, secret: str | None, by: By, step: int = 0) -> None:
    """Take an authenticator app into use, or out of it. `step` is that of the code that proved it."""
    _change(connection, number, by, totp_secret=secret, totp_step=step)
    told = {"second_factor": "on" if secret else "off"}
    note(connection, by, "console.account.second-factor", get(connection, number).name, None, told)


def use_code(connection: Connection, number: int, step: int) -> bool:
    """Note that a code was used; False when somebody used it, or a later one, meanwhile."""
    fresh = update(accounts_table).where(accounts_table.c.id == number, accounts_table.c.totp_step < step)
    return connection.execute(fresh.values(totp_step=step)).rowcount == 1


def end_sessions(connection: Connection, number: int, *, but: str = "") -> int:
    """End every session of an account but one; how many."""
    here = sessions_table.c
    gone = delete(sessions_table).where(here.account_id == number, here.hash != but)
    return connection.execute(gone).rowcount


def facts(account: Account) -> dict[str, Any]:
    """An account as the audit trail and JSON write it."""
    return {
        "id": account.id,
        "name": account.name,
        "title": account.title,
        "person": account.person,
        "state": account.state,
        "second_factor": account.totp_secret is not None,
        "roles": [{"role": one.role.value, "site": one.site, "groups": list(one.groups)} for one in account.grants],
        "made_by": account.made_by,
        "made_at": account.made_at.isoformat(timespec="seconds"),
    }


def _all() -> Any:
    return select(accounts_table)


def _change(connection: Connection, number: int, by: By, **values: object) -> None:
    change = update(accounts_table).where(accounts_table.c.id == number)
    connection.execute(change.values({**values, "changed_us": to_us(by.at)}))


def _write_grants(connection: Connection, number: int, grants: Collection[Grant]) -> None:
    rows = [
        {"account_id": number, "role": one.role.value, "site": one.site, "groups": json.dumps(sorted(one.groups))}
        for one in grants
    ]
    if rows:
        connection.execute(insert(grants_table), rows)


def _grant_problems(where: str, grants: Collection[Grant]) -> list[RegistryProblem]:
    problems = [] if grants else [RegistryProblem(where, "has no role", "give one")]
    for one in grants:
        if one.role is Role.READER:
            problems.append(RegistryProblem(where, "a person cannot be a program that reads", "make a token for it"))
        problems += word_problems(where, "site", () if one.site is None else (one.site,))
        problems += word_problems(where, "group", one.groups)
        if one.role is Role.TEACHER and not one.groups:
            problems.append(RegistryProblem(where, "a teacher has classes", "name at least one group"))
    return problems


def _somebody_left(connection: Connection, name: str) -> None:
    """Raise `RegistryError` when nobody could give roles in the trust any more: that would lock everybody out."""
    query = (
        select(func.count())
        .select_from(grants_table.join(accounts_table, grants_table.c.account_id == accounts_table.c.id))
        .where(
            accounts_table.c.disabled.is_(False), grants_table.c.role == Role.ICT.value, grants_table.c.site.is_(None)
        )
    )
    if not connection.execute(query).scalar_one():
        what = "is the last account of ICT services in the trust"
        raise RegistryError(RegistryProblem(name, what, "give somebody else that role first"))


def _account(connection: Connection, row: RowMapping) -> Account:
    query = select(grants_table).where(grants_table.c.account_id == row["id"]).order_by(grants_table.c.id)
    grants = tuple(
        Grant(one["id"], Role(one["role"]), one["site"], tuple(json.loads(one["groups"])))
        for one in connection.execute(query).mappings()
    )
    made = from_us(row["made_us"])
    if made is None:
        raise RuntimeError(f"account {row['name']!r} has no time")
    return Account(
        row["id"], row["name"], row["title"], row["person"], bool(row["disabled"]), grants, row["made_by"], made,
        row["password_hash"], row["totp_secret"], row["totp_step"],
    )  # fmt: skip
