"""Where rows in ClickHouse are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("clickhouse", "clickhousedb")


@dataclass(frozen=True, slots=True)
class ClickHouse:
    """Rows in a ClickHouse database, and the catalog that belongs to them."""

    address: str
    """`clickhouse://account@host:8443/database?secure=true`, without a password."""
    catalog: Path
    """Where the catalog is."""
    password_file: Path | None = None
    """File whose first line is the password; None when the account has none."""

    def __post_init__(self) -> None:
        if why := fault_of(self.address):
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
        """The password; None when there is no file."""
        if self.password_file is None:
            return None
        return self.password_file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")


def fault_of(address: str) -> str | None:
    """What is wrong with an address; None when nothing is. Never says the password."""
    like = "it would be like clickhouse://schoolgate@ch.trust.internal:8443/schoolgate?secure=true"
    try:
        url = make_url(address)
    except ArgumentError:
        return f"is no address of a database; {like}"
    if url.drivername not in SCHEMES:
        return f"is of {url.drivername!r}, which is not ClickHouse; {like}"
    if url.password is not None or "password" in url.query:
        return "holds a password: put it into a file and name that in record.password_file"
    if not url.database:
        return f"names no database; {like}"
    return None
