"""What the settings say of the record: where it is, and how long rows live. Typed, immutable, every mistake told.

The rule here: no password stands in the settings, and one that somebody wrote there is not repeated.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from logstore.place import Beside, ClickHouse, Database, Where, fault_of_rows, fault_of_store, is_database


class RecordSettings(BaseModel):
    """Where the record is, and how long rows live."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str | None = None
    """A folder, or a database: `postgresql://schoolgate@db.trust.internal/schoolgate?sslmode=verify-full`. None means
    `store` in the data folder."""
    password_file: Path | None = None
    """File with the database's password, readable by the gateway's account only; None leaves it to `.pgpass`, a
    certificate or the socket."""
    rows: str | None = None
    """Where the rows are when they are not in `store`: `clickhouse://schoolgate@ch.trust.internal:8443/schoolgate`
    `?secure=true`. Names, books, holds and the audit trail stay in `store`, which is PostgreSQL then."""
    rows_password_file: Path | None = None
    """File with ClickHouse's password, readable by the gateway's account only; None when the account has none."""
    months: int = Field(default=6, ge=1, le=120)
    """Calendar months."""
    timezone: str = "Europe/London"
    """Zone whose midnights count."""

    @field_validator("store")
    @classmethod
    def _store(cls, value: str | None) -> str | None:
        if value is not None and (why := fault_of_store(value)) is not None:
            raise ValueError(why)
        return value

    @model_validator(mode="after")
    def _password(self) -> RecordSettings:
        if self.password_file is not None and not is_database(self.store):
            raise ValueError("password_file is for a database; store would be like postgresql://schoolgate@…")
        if self.rows_password_file is not None and self.rows is None:
            raise ValueError("rows_password_file is for rows in ClickHouse; rows would be like clickhouse://…")
        if self.rows is not None and (why := fault_of_rows(self.rows, self.store)) is not None:
            raise ValueError(f"rows {why}")
        return self

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            known = {name.lower(): name for name in available_timezones()}
            close = difflib.get_close_matches(value.lower(), known, n=1)
            like = known[close[0]] if close else "Europe/London"
            raise ValueError(f"there is no time zone of that name; did you mean {like!r}?") from None
        return value

    def where(self, usual: Path) -> Where:
        """Where the record is; `usual` where nothing is told."""
        catalog = self.catalog(usual)
        return catalog if self.rows is None else ClickHouse(self.rows, catalog, self.rows_password_file)

    def catalog(self, usual: Path) -> Beside:
        """Where its names, its books and what people decided are; `usual` where nothing is told."""
        if self.store is None:
            return usual
        return Database(self.store, self.password_file) if is_database(self.store) else Path(self.store)

    def with_paths(self, fix: Callable[[Path], Path]) -> RecordSettings:
        """The same with its paths as `fix` makes them."""
        store, file, rows_file = self.store, self.password_file, self.rows_password_file
        told = store if store is None or is_database(store) else str(fix(Path(store)))
        return self.model_copy(update={"store": told, "password_file": file and fix(file),
                                       "rows_password_file": rows_file and fix(rows_file)})  # fmt: skip
