"""Whether two names of the audit trail are one person: two accounts of the console may be the same one's.

Names in; yes or no out. The rule: when unsure they are the same. Two are one where a name, or the account at the proxy
that is written beside it, is also the other's.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from identity.directory import account_name
from registry.schema import console_account as accounts


def same_person(connection: Connection, one: str, other: str) -> bool:
    """Whether `console:anna` and `console:anna-ict` are one person, as far as the register knows."""
    return not _names(connection, one).isdisjoint(_names(connection, other))


def _names(connection: Connection, who: str) -> set[str]:
    """Every account name behind a name of the trail."""
    name = account_name(who.rpartition(":")[2])
    person = connection.execute(select(accounts.c.person).where(accounts.c.name == name)).scalar_one_or_none()
    return {name, account_name(person)} if person else {name}
