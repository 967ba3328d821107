"""Tokens of programs that read the console's pages as JSON: made once, shown once, kept as hashes.

A name, a site and an end in; the token out. The rules: a token is nobody's role but `reader` (no names, no changes),
and works while whoever made it is in use with a role that makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from console import accounts, secrets
from console.roles import Grant, Role, Viewer
from registry.change import By, RegistryError, RegistryProblem, from_us, note, text_problems, to_us, word_problems
from registry.schema import console_token as tokens_table

BEGINS = "sgt_"
"""How a token begins, so that one that leaked can be told."""
LONGEST = timedelta(days=366)
"""No token lives longer."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, without its secret."""

    id: int
    """Its number."""
    name: str
    """What it is for."""
    site: str | None
    """The site it reads; None for the trust."""
    made_by: str
    """Who made it."""
    until: datetime | None
    """When it ends."""
    ended: bool
    """Whether somebody ended it."""


def make(connection: Connection, name: str, site: str | None, until: datetime, by: By) -> str:
    """Make a token; the one moment it is known."""
    problems = [
        *text_problems(name, "name", name),
        *word_problems(name, "site", () if site is None else (site,)),
    ]
    if not name.strip():
        problems.append(RegistryProblem("token", "has no name", "say what it is for"))
    if not by.at < until <= by.at + LONGEST:
        problems.append(RegistryProblem(name, "has no good end", "within a year from now"))
    if problems:
        raise RegistryError(*problems)
    secret = BEGINS + secrets.new()
    row = {"hash": secrets.hash_of(secret), "name": name.strip(), "site": site, "made_by": by.who}
    connection.execute(insert(tokens_table).values(**row, made_us=to_us(by.at), until_us=to_us(until)))
    note(connection, by, "console.token.add", name, None, {"site": site, "until": until.isoformat(timespec="seconds")})
    return secret


def end(connection: Connection, number: int, by: By, *, site: str | None = None) -> None:
    """End a token. `site`: only one of this site. Raises `RegistryError`."""
    found = next((one for one in tokens(connection) if one.id == number and not one.ended), None)
    if found is None or (site is not None and found.site != site):
        raise RegistryError(RegistryProblem(f"token {number}", "there is none in use"))
    connection.execute(update(tokens_table).where(tokens_table.c.id == number).values(ended_us=to_us(by.at)))
    note(connection, by, "console.token.end", found.name, {"token": number}, None)


def tokens(connection: Connection) -> list[Token]:
    """Every token there was, oldest first."""
    return [
        Token(
            row["id"], row["name"], row["site"], row["made_by"], from_us(row["until_us"]), row["ended_us"] is not None
        )
        for row in connection.execute(select(tokens_table).order_by(tokens_table.c.id)).mappings()
    ]


def find(connection: Connection, secret: str, at: datetime) -> Viewer | None:
    """The program a token stands for; None when it does not, or not any more."""
    if not secret.startswith(BEGINS):
        return None
    here = tokens_table.c
    row = connection.execute(select(tokens_table).where(here.hash == secrets.hash_of(secret))).one_or_none()
    if row is None or row.ended_us is not None or to_us(at) >= row.until_us:
        return None
    reads = Grant(0, Role.READER, row.site)
    return Viewer(row.name, row.name, reads) if _still_stands(connection, row.made_by, reads) else None


def _still_stands(connection: Connection, made_by: str, reads: Grant) -> bool:
    """Whether who made a token is in use and might make it again: it does not outlive their role."""
    begin, colon, name = made_by.partition(":")
    if begin != "console" or not colon:
        return True  # made on the gateway itself
    maker = accounts.find(connection, name)
    return maker is not None and not maker.disabled and any(grant.covers(reads) for grant in maker.grants)
