"""Where the record is: a folder (SQLite) or a database (PostgreSQL).

In comes what the settings say; out goes a `Where`, which `logstore.db`, `logstore.store`, `logstore.query` and
`logstore.retention` take to choose the engine. The rule: a password is in no `Where`, so that one can be printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
"""How the URL of a database may begin."""
CLICKHOUSE = ("clickhouse", "clickhousedb")
"""How the URL of rows in ClickHouse may begin."""
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
    """File whose first line is the password; None leaves it to libpq (`.pgpass`, a certificate, a socket)."""

    def __post_init__(self) -> None:
        if why := fault_of(self.address):
            raise ValueError(why)

    def __str__(self) -> str:
        return self.address

    @property
    def url(self) -> URL:
        """The address as SQLAlchemy takes it."""
        return make_url(self.address).set(drivername="postgresql+psycopg")

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

    def password(self) -> str | None:
        """The password; None when there is no file. Raises `StoreError`."""
        return _first_line(self.password_file)


type Beside = Path | Database
"""A record whose rows and names are in one place: what holds and retention know so far."""
type Where = Beside | ClickHouse


class StoreError(Exception):
    """The store cannot be used: what is wrong, where, and what to do."""

    def __init__(self, what: str, where: object, do: str) -> None:
        super().__init__(f"{where}: {what}. {do}")
        self.what = what
        self.where = where
        self.do = do


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


def _first_line(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        what = f"the password cannot be read: {type(error).__name__}"
        raise StoreError(what, file, "It is a file the account of Schoolgate can read.") from error
