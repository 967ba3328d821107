"""Who may use the internet: changes of accounts, each in the caller's transaction, each with an audit line.

A name, what is wanted and `By` go in; the account as it is now comes out. What cannot be done raises `RegistryError`
with every reason. There are no default accounts, and nobody who left is ever removed: the name stays taken, so that a
name in the record never comes to mean somebody else (B-16, B-21).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from identity.directory import Person, account_name
from registry.change import (
    By,
    RegistryError,
    RegistryProblem,
    band_problems,
    begin,
    from_us,
    note,
    text_problems,
    to_us,
    word_problems,
)
from registry.passwords import PasswordHash
from registry.schema import person as people_table
from registry.schema import person_group

ACCOUNT = re.compile(r"[^\W_][\w.'@+-]{0,63}")
"""How account names are written, once folded: no blank, no colon (Basic cannot send one), no formula."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is decided about an account, apart from its password and whether it may be used."""

    title: str = ""
    """Name for people."""
    band: str | None = None
    """Age band; None when it is not known, and then the strictest counts."""
    groups: frozenset[str] = frozenset()
    """Groups."""
    site: str | None = None
    """Home site."""
    shared: bool = False
    """True for a class login."""


@dataclass(frozen=True, slots=True)
class Account:
    """One line of the register (B-15)."""

    person: Person
    """As workers see it."""
    title: str
    """Name for people."""
    granted_by: str
    """Who gave access."""
    granted_at: datetime
    """When."""
    changed_at: datetime
    """Last change."""
    left_at: datetime | None = None
    """When they left; None for everybody who is here."""

    @property
    def details(self) -> Details:
        """What may be changed with `set_details`."""
        person = self.person
        return Details(self.title, person.band, person.groups, person.site, person.shared)

    def status(self, at: datetime) -> str:
        """`left`, `disabled`, `suspended`, `no-consent` or `active`: the first that holds."""
        until = self.person.suspended_until
        if self.left_at is not None:
            return "left"
        if self.person.disabled:
            return "disabled"
        if until is not None and at < until:
            return "suspended"
        return "active" if self.person.consent else "no-consent"


def accounts(connection: Connection, *, left: bool = True) -> list[Account]:
    """Everybody, by name; without leavers when `left` is False."""
    query = select(people_table).order_by(people_table.c.name)
    if not left:
        query = query.where(people_table.c.left_us.is_(None))
    groups: dict[int, set[str]] = {}
    for number, group in connection.execute(select(person_group.c.person_id, person_group.c.name)):
        groups.setdefault(number, set()).add(group)
    return [_account(row, groups.get(row["id"], set())) for row in connection.execute(query).mappings()]


def find(connection: Connection, name: str) -> Account | None:
    """The account of that name in any spelling; None when there never was one."""
    query = select(people_table).where(people_table.c.name == account_name(name))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    query_groups = select(person_group.c.name).where(person_group.c.person_id == row["id"])
    return _account(row, connection.execute(query_groups).scalars())


def get(connection: Connection, name: str) -> Account:
    """The account of that name. Raises `RegistryError` with the nearest name when there is none."""
    account = find(connection, name)
    if account is None:
        names = connection.execute(select(people_table.c.name)).scalars().all()
        close = difflib.get_close_matches(account_name(name), names, n=1)
        raise RegistryError(
            RegistryProblem(name, "there is no such account", f"did you mean {close[0]!r}?" if close else "")
        )
    return account


def add(
    connection: Connection, name: str, details: Details, by: By, *, password: PasswordHash | None = None
) -> Account:
    """Give access to somebody new. Without a password the account cannot sign in until it gets one."""
    begin(connection, by)
    name = account_name(name)
    problems = [*name_problems(name), *details_problems(name, details)]
    taken = find(connection, name)
    if taken is not None and taken.left_at is not None:
        left = f"{taken.left_at:%d %B %Y}"
        problems.append(
            RegistryProblem(
                name, f"belongs to somebody who left on {left}", "enable it for the same person, or take another"
            )
        )
    elif taken is not None:
        problems.append(
            RegistryProblem(name, "there is such an account already", "every person has a name of their own")
        )
    if problems:
        raise RegistryError(*problems)
    row = {
        "name": name,
        "password_hash": password,
        "disabled": False,
        "consent": True,
        "granted_by": by.who,
        "granted_us": to_us(by.at),
        "changed_us": to_us(by.at),
        **_columns(details),
    }
    number = connection.execute(insert(people_table).values(row).returning(people_table.c.id)).scalar_one()
    _write_groups(connection, number, details.groups)
    note(connection, by, "person.add", name, None, {**facts(details), "password": password is not None})
    return get(connection, name)


def set_details(connection: Connection, name: str, details: Details, by: By) -> Account:
    """Change title, band, groups, site and whether the login is shared, all at once."""
    begin(connection, by)
    return _change_details(connection, get(connection, name), details, by)


def set_band(connection: Connection, name: str, band: str | None, by: By) -> Account:
    """Change the age band."""
    begin(connection, by)
    account = get(connection, name)
    return _change_details(connection, account, replace(account.details, band=band), by)


def set_groups(connection: Connection, name: str, groups: Iterable[str], by: By) -> Account:
    """Change the groups."""
    begin(connection, by)
    account = get(connection, name)
    return _change_details(connection, account, replace(account.details, groups=frozenset(groups)), by)


def _change_details(connection: Connection, account: Account, details: Details, by: By) -> Account:
    name = account.person.name
    problems = details_problems(name, details)
    if problems:
        raise RegistryError(*problems)
    if details == account.details:
        return account
    number = _update(connection, account, by, _columns(details))
    connection.execute(delete(person_group).where(person_group.c.person_id == number))
    _write_groups(connection, number, details.groups)
    was, now = facts(account.details), facts(details)
    changed = [key for key in now if was[key] != now[key]]
    before, after = {key: was[key] for key in changed}, {key: now[key] for key in changed}
    note(connection, by, "person.change", name, before, after)
    return get(connection, name)


def set_password(connection: Connection, name: str, password: PasswordHash, by: By) -> Account:
    """Change the password. Connections that signed in with the old one are asked again."""
    begin(connection, by)
    account = _present(connection, name)
    _update(connection, account, by, {"password_hash": password})
    note(connection, by, "person.password", account.person.name, None, {"password": "changed"})
    return get(connection, name)


def disable(connection: Connection, name: str, by: By) -> Account:
    """Withdraw access until somebody gives it back (A-11)."""
    return _set_state(connection, name, by, "person.disable", {"disabled": True})


def suspend(connection: Connection, name: str, until: datetime, by: By) -> Account:
    """Withdraw access until a time, when it comes back by itself (B-65)."""
    if until <= by.at:
        raise RegistryError(RegistryProblem(name, f"{until:%Y-%m-%d %H:%M} is not in the future"))
    return _set_state(connection, name, by, "person.suspend", {"suspended_until_us": to_us(until)})


def set_consent(connection: Connection, name: str, given: bool, by: By) -> Account:
    """Note that a parent's consent is in, or that it is missing or withdrawn (B-54)."""
    return _set_state(connection, name, by, "person.consent", {"consent": given})


def remove(connection: Connection, name: str, by: By) -> Account:
    """Note that somebody left: never accepted again; the name and the line in the register stay (B-21)."""
    return _set_state(connection, name, by, "person.leave", {"left_us": to_us(by.at), "password_hash": None})


def enable(connection: Connection, name: str, by: By) -> Account:
    """Give access back to whoever was disabled, suspended or had left. Consent is a matter of its own.

    Somebody who had left has no password any more and needs a new one.
    """
    values = {"disabled": False, "suspended_until_us": None, "left_us": None}
    return _set_state(connection, name, by, "person.enable", values, leavers=True)


def name_problems(name: str) -> list[RegistryProblem]:
    """Problems of an account name that is already folded."""
    if ACCOUNT.fullmatch(name):
        return []
    instead = "letters and digits, then also . _ - ' @ +, at most 64, no blanks"
    return [RegistryProblem(name, "is no account name", instead)]


def details_problems(where: str, details: Details) -> list[RegistryProblem]:
    """Every problem of these details."""
    return [
        *text_problems(where, "title", details.title),
        *band_problems(where, details.band),
        *word_problems(where, "group", details.groups),
        *word_problems(where, "site", () if details.site is None else (details.site,)),
    ]


def facts(details: Details) -> dict[str, object]:
    """The details as the audit trail and JSON write them."""
    return {
        "title": details.title,
        "band": details.band,
        "groups": sorted(details.groups),
        "site": details.site,
        "shared": details.shared,
    }


def _set_state(
    connection: Connection, name: str, by: By, what: str, values: Mapping[str, object], *, leavers: bool = False
) -> Account:
    begin(connection, by)
    account = get(connection, name) if leavers else _present(connection, name)
    was = connection.execute(select(people_table).where(people_table.c.name == account.person.name)).mappings().one()
    changed = {key: value for key, value in values.items() if was[key] != value}
    if not changed:
        return account
    _update(connection, account, by, changed)
    public = [key for key in changed if key != "password_hash"]
    before, after = {key: _shown(key, was[key]) for key in public}, {key: _shown(key, values[key]) for key in public}
    note(connection, by, what, account.person.name, before, after)
    return get(connection, name)


def _shown(key: str, value: object) -> object:
    return str(from_us(value)) if key.endswith("_us") and isinstance(value, int) else value


def _present(connection: Connection, name: str) -> Account:
    account = get(connection, name)
    if account.left_at is not None:
        raise RegistryError(
            RegistryProblem(account.person.name, f"left on {account.left_at:%d %B %Y}", "enable it first")
        )
    return account


def _update(connection: Connection, account: Account, by: By, values: Mapping[str, object]) -> int:
    of_name = people_table.c.name == account.person.name
    connection.execute(update(people_table).where(of_name).values({**values, "changed_us": to_us(by.at)}))
    return int(connection.execute(select(people_table.c.id).where(of_name)).scalar_one())


def _write_groups(connection: Connection, number: int, groups: Iterable[str]) -> None:
    rows = [{"person_id": number, "name": group} for group in sorted(groups)]
    if rows:
        connection.execute(insert(person_group), rows)


def _columns(details: Details) -> dict[str, object]:
    return {"title": details.title, "band": details.band, "site": details.site, "shared": details.shared}


def _account(row: RowMapping, groups: Iterable[str]) -> Account:
    person = Person(
        row["name"],
        row["password_hash"],
        row["band"],
        frozenset(groups),
        bool(row["shared"]),
        bool(row["disabled"]),
        bool(row["consent"]),
        from_us(row["suspended_until_us"]),
        row["site"],
    )
    granted, changed = from_us(row["granted_us"]), from_us(row["changed_us"])
    if granted is None or changed is None:
        raise RuntimeError(f"account {row['name']!r} has no times")
    return Account(person, row["title"], row["granted_by"], granted, changed, from_us(row["left_us"]))
