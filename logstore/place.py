"""Where the record is: a folder (SQLite), a database (PostgreSQL), or rows in ClickHouse beside one of these.

In comes what the settings say; out goes a `Where`, which `logstore.db`, `logstore.store`, `logstore.query` and
`logstore.retention` take to choose the engine. The rule: a password is in no `Where`, so that one can be printed.
"""

from __future__ import annotations

import difflib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
"""How the URL of a database may begin."""
CLICKHOUSE = ("clickhouse", "clickhousedb")
"""How the URL of rows in ClickHouse may begin."""
TLS_PORTS = (443, 8443)
"""Ports on which ClickHouse's driver speaks TLS without being told."""
_EXAMPLES = {
    SCHEMES: "postgresql://schoolgate@db.school.internal/schoolgate",
    CLICKHOUSE: "clickhouse://schoolgate@ch.trust.internal:8443/schoolgate?secure=true",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A PostgreSQL database."""

    address: str
    """`postgresql://account@host:port/database`, without a password."""
    password_file: Path | None = None
    """File whose first line is the password, of mode 0600; None leaves it to libpq (`.pgpass`, a certificate, a
    socket)."""

    def __post_init__(self) -> None:
        if why := fault_of(self.address):
            raise ValueError(why)

    def __str__(self) -> str:
        return self.address

    @property
    def url(self) -> URL:
        """The address as SQLAlchemy takes it."""
        return make_url(self.address).set(drivername="postgresql+psycopg")

    @property
    def spot(self) -> tuple[str, str, str]:
        """Host, port and database: what makes it this one, however its address is written."""
        url = self.url
        host, port = (url.query.get(name, "") for name in ("host", "port"))
        return str(url.host or host).lower(), str(url.port or port or 5432), str(url.database)

    def password(self) -> str | None:
        """The password; None when there is no file. Raises `StoreError`."""
        return _first_line(self.password_file)


@dataclass(frozen=True, slots=True)
class ClickHouse:
    """Rows in a ClickHouse database, and the catalog that belongs to them."""

    address: str
    """`clickhouse://account@host:8443/database?secure=true`, without a password."""
    catalog: Path | Database
    """Where names and books are; of no other rows."""
    password_file: Path | None = None
    """File whose first line is the password; None when the account has none."""

    def __post_init__(self) -> None:
        if why := fault_of(self.address, CLICKHOUSE):
            raise ValueError(why)

    def __str__(self) -> str:
        return self.address

    @property
    def url(self) -> URL:
        """The address as SQLAlchemy takes it."""
        return make_url(self.address).set(drivername="clickhousedb")

    @property
    def in_process(self) -> bool:
        """Whether the engine runs inside this process (`interface=chdb`): for tests and measurements only."""
        return self.url.query.get("interface") == "chdb"

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS, as far as the address says."""
        told = {name: str(self.url.query.get(name, "")).lower() for name in ("secure", "interface")}
        by_port = not told["interface"] and self.url.port in TLS_PORTS
        return told["secure"] == "true" or told["interface"] == "https" or by_port

    def password(self) -> str | None:
        """The password; None when there is no file. Raises `StoreError`."""
        return _first_line(self.password_file)


type Beside = Path | Database
"""A record whose rows and names are in one place, or the catalog of one whose rows are elsewhere."""
type Where = Beside | ClickHouse
"""A record."""


def catalog_of(where: Where) -> Beside:
    """Where the names and books of a record are, its holds and its audit trail."""
    return where.catalog if isinstance(where, ClickHouse) else where


class StoreError(Exception):
    """The store cannot be used: what is wrong, where, and what to do."""

    def __init__(self, what: str, where: object, do: str) -> None:
        super().__init__(f"{where}: {what}. {do}")
        self.what = what
        self.where = where
        self.do = do


def folder_of(where: Where, what: str, do: str = "docs/postgresql.md says what is.") -> Path:
    """The folder of a record of day files. Raises `StoreError` for a database, which has no `what`: `do` this there."""
    if isinstance(where, Path):
        return where
    if isinstance(where, ClickHouse):
        what = f"{what} is of day files; these rows are in ClickHouse, their names in {where.catalog}"
        raise StoreError(what, where, "docs/clickhouse.md, What each command does there, says what is instead.")
    raise StoreError(f"{what} is of day files; this record is in a database", where, do)


def fault_of(address: str, schemes: tuple[str, ...] = SCHEMES) -> str | None:
    """What is wrong with a database's address; None when nothing is. Never says the password."""
    like = f"it would be like {_EXAMPLES[schemes]}"
    try:
        url = make_url(address)
    except ArgumentError:
        return f"is no address of a database; {like}"
    if url.drivername not in schemes:
        return f"is of {url.drivername!r}, which holds no record; {like}"
    if url.password is not None or "password" in url.query:
        return "holds a password: put it into a file and name that in record.password_file"
    if not url.database:
        return f"names no database; {like}"
    return None


def is_database(store: str | None) -> bool:
    """Whether a store that somebody wrote down is meant as a database's address, not as a folder."""
    return store is not None and "://" in store


def fault_of_store(store: str) -> str | None:
    """What is wrong with a store that somebody wrote down, with what would be right; None when nothing is.

    Never says the password.
    """
    if not is_database(store):
        return None if store.strip() else f"names nothing; it would be a folder, or like {_EXAMPLES[SCHEMES]}"
    scheme = store.partition("://")[0].lower()
    if scheme in CLICKHOUSE:
        return "is ClickHouse, which holds rows only: name it in record.rows, and a PostgreSQL database here"
    if scheme not in SCHEMES:
        close = difflib.get_close_matches(scheme, SCHEMES, n=1)
        meant = f"did you mean {close[0]}://…?" if close else f"it would be like {_EXAMPLES[SCHEMES]}"
        return f"begins with {scheme}://, which holds no record; {meant}"
    return fault_of(store)


def fault_of_rows(rows: str, store: str | None) -> str | None:
    """What is wrong with the address of rows that somebody wrote down beside a `store`; None when nothing is.

    Never says the password.
    """
    scheme = rows.partition("://")[0].lower() if is_database(rows) else ""
    if scheme not in CLICKHOUSE:
        return f"is no ClickHouse address; it would be like {_EXAMPLES[CLICKHOUSE]}"
    if (fault := fault_of(rows, CLICKHOUSE)) is not None:
        return fault.replace("record.password_file", "record.rows_password_file")
    if not is_database(store):
        return f"needs names and books in PostgreSQL: record.store would be like {_EXAMPLES[SCHEMES]}"
    return None


def _first_line(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        with file.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & 0o077:
                what = f"others may read the password (mode {mode:04o})"
                raise StoreError(what, file, f"Run: chmod {mode & 0o700:04o} '{file}'")
            return stream.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        what = f"the password cannot be read: {type(error).__name__}"
        raise StoreError(what, file, "It is a file the account of Schoolgate can read.") from error
