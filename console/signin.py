"""Signing in: name, password and code in; a cookie out, or one refusal that tells nothing.

The rules: the same answer, after the same work, whether the account is not there, disabled, without a password, or the
password or the code is wrong; wrong tries make the next one wait longer, by account and by address, and are kept in the
database, so that a restart forgives nobody; every try is in the audit trail, without what was typed as a password.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, select, update

from console import accounts, sessions, totp
from console.accounts import Account
from identity.attempts import Limit
from identity.basic import Credentials, PasswordCheck
from identity.directory import Person, account_name
from identity.shares import shares
from logstore.audit import record_change
from registry.change import from_us, to_us
from registry.schema import console_failure as failures

HERE = Limit(free=5, longest=timedelta(minutes=15))
"""One account from one address: somebody guesses, or forgot."""
ACCOUNT = Limit(free=30, longest=timedelta(minutes=5))
"""One account from anywhere: many machines guess. Mild, so that nobody is locked out by others."""
ADDRESS = Limit(free=40, longest=timedelta(minutes=1))
"""One address with any names: somebody tries the register."""
NETWORK = Limit(free=16 * ADDRESS.free, longest=ADDRESS.longest)
"""One IPv6 network with any names, for a guesser with many addresses; a whole school may share it."""
KIND = "sign-in"
"""Kind of the trail's lines."""


@dataclass(frozen=True, slots=True)
class Try:
    """What was typed, and where."""

    name: str
    """Account name as typed."""
    password: str
    """Password as typed."""
    code: str
    """One-time code as typed; empty without one."""
    address: str
    """Where it came from."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    cookie: str = ""
    """The session's cookie; empty when it was refused."""
    wait: timedelta = timedelta(0)
    """How long to wait before the next try."""


class SignIn:
    """Signs people in. Safe to use from several threads."""

    def __init__(self, engine: Engine, check: PasswordCheck | None = None) -> None:
        self._engine = engine
        self._one_by_one = threading.Lock()
        # Nothing is remembered: a console signs few people in, and a wrong answer must always cost the same.
        self._check = check or PasswordCheck(remember=0.0)

    def attempt(self, tried: Try, at: datetime) -> Answer:
        """Try to sign in. Slow by design."""
        name = account_name(tried.name)[:64]
        # Counted as wrong before it is looked at, else many at once would all be let through to the password.
        with self._one_by_one, self._engine.begin() as connection:
            account = accounts.find(connection, name)
            here = account is not None and sessions.was_here(connection, account.id, tried.address, at)
            wait = waiting(connection, name, tried.address, at, here=here)
            if wait == timedelta(0):
                count_wrong(connection, name, tried.address, at)
        if wait > timedelta(0):
            return Answer(wait=wait)
        known = account if account is not None and not account.disabled else None
        person = None if known is None else Person(name, known.password_hash)
        right = self._check.verify(Credentials(name, tried.password), person)
        with self._engine.begin() as connection:
            cookie = self._let_in(connection, known, tried, at) if known is not None and right else ""
            if not cookie:
                # What was typed as a name may be a password: only names that are accounts are written down.
                who = name if account is not None else "somebody"
                tell(connection, f"console:{who}", "sign-in refused", tried.address, at)
        return Answer(cookie)

    def _let_in(self, connection: Connection, account: Account, tried: Try, at: datetime) -> str:
        account = accounts.get(connection, account.id)
        if account.disabled or not account.grants:
            return ""
        if account.totp_secret is not None:
            step = totp.check(account.totp_secret, tried.code, at, account.totp_step)
            if step is None or not accounts.use_code(connection, account.id, step):
                return ""
        forgive(connection, account.name, tried.address)
        cookie = sessions.begin(connection, account, tried.address, at)
        tell(connection, f"console:{account.name}", "signed in", tried.address, at)
        return cookie


def waiting(connection: Connection, name: str, address: str, at: datetime, *, here: bool = False) -> timedelta:
    """How long this account, from this address, waits before its next try.

    `here`: the account signed in at this address lately, so what others guess elsewhere does not hold it up.
    """
    longest = timedelta(0)
    for key, limit in _limits(name, address):
        if here and limit in (ACCOUNT, NETWORK):
            continue
        row = connection.execute(select(failures).where(failures.c.key == key)).one_or_none()
        last = None if row is None else from_us(row.last_us)
        if row is not None and last is not None and at - last < limit.forget:
            longest = max(longest, last + limit.wait(row.wrong) - at)
    return longest


def count_wrong(connection: Connection, name: str, address: str, at: datetime) -> None:
    """Count a wrong try, and forget those of long ago."""
    connection.execute(delete(failures).where(failures.c.last_us < to_us(at - timedelta(hours=1))))
    for key, _ in _limits(name, address):
        here = failures.c.key == key
        row = connection.execute(select(failures).where(here)).one_or_none()
        values = {"wrong": 1 if row is None else row.wrong + 1, "last_us": to_us(at)}
        statement = failures.insert().values(key=key, **values) if row is None else failures.update().where(here)
        connection.execute(statement if row is None else statement.values(**values))


def forgive(connection: Connection, name: str, address: str) -> None:
    """Forget wrong tries of whoever got in; of the address and its network, the one that was none."""
    limits = _limits(name, address)
    own = [key for key, limit in limits if limit in (HERE, ACCOUNT)]
    connection.execute(delete(failures).where(failures.c.key.in_(own)))
    shared = failures.c.key.in_([key for key, _ in limits if key not in own])
    connection.execute(update(failures).where(shared, failures.c.wrong > 0).values(wrong=failures.c.wrong - 1))


def _limits(name: str, address: str) -> tuple[tuple[str, Limit], ...]:
    return (
        (_key("here", name, address), HERE),
        (_key("account", name), ACCOUNT),
        *((_key("address", one), limit) for one, limit in zip(shares(address), (ADDRESS, NETWORK), strict=False)),
    )


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def tell(connection: Connection, who: str, what: str, address: str, at: datetime) -> None:
    """Write a line about signing in to the trail."""
    record_change(connection, who=who, what=what, subject="console", after={"address": address}, at=at, kind=KIND)
