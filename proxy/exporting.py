"""Rows leave the record in files: what every export command shares.

Rows, a file's name and who wants them in; the file, its manifest, a line in the audit trail before and after, and lines
in the book of exports out. The rule: nothing leaves that is not written down first (design §5.10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from importlib.metadata import version
from pathlib import Path
from typing import Any

from logstore.audit import record_change
from logstore.db import open_catalog
from logstore.export import csv_lines, json_lines
from logstore.exportbook import Export, note_export
from logstore.exportfile import ExportFile, Written, write_manifest
from logstore.place import Beside
from logstore.rows import Row

FORMATS = ("jsonl", "csv", "parquet")
"""Endings of a file of rows, and what they mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An export that somebody asks for."""

    store: Beside
    """Where the record is."""
    gateway: str
    """Which gateway writes the file: its identity in a record that several share."""
    what: str
    """`subject`, `hold` or `search`."""
    subject: str
    """Whom or what it is about."""
    asked: str
    """What is wanted, in words."""
    who: str
    """Who typed it."""
    why: str
    """The reason given."""
    at: datetime
    """When; aware."""
    zone: tzinfo
    """Zone of the times in it."""

    def note(self, what: str, after: Mapping[str, Any]) -> None:
        """A line in the audit trail. Raises what keeps it from being written."""
        engine = open_catalog(self.store)
        try:
            with engine.begin() as catalog:
                record_change(
                    catalog, who=self.who, what=what, subject=self.subject, after=after, why=self.why, at=self.at,
                    kind="export",
                )  # fmt: skip
        finally:
            engine.dispose()

    def book(self, files: Iterable[Written], newest: datetime | None) -> None:
        """Write files into the book of exports."""
        engine = open_catalog(self.store)
        try:
            with engine.begin() as catalog:
                for file in files:
                    note_export(
                        catalog,
                        Export(
                            path=str(file.path.resolve()), what=self.what, subject=self.subject, who=self.who,
                            why=self.why, made_at=self.at, newest_at=newest, rows=file.lines, sha256=file.sha256,
                            gateway=self.gateway,
                        ),
                    )  # fmt: skip
        finally:
            engine.dispose()

    def facts(self) -> dict[str, Any]:
        """What every manifest says."""
        return {
            "what": self.what,
            "subject": self.subject,
            "asked": self.asked,
            "exported_by": self.who,
            "why": self.why,
            "exported_at": self.at.isoformat(timespec="seconds"),
            "timezone": str(self.zone),
            "program": f"schoolgate {version('schoolgate')}",
            "hash": "SHA-256",
        }


def format_of(path: Path, said: str | None) -> str:
    """The format told, or that of the file's ending. Raises `ValueError`."""
    ending = path.suffix.removeprefix(".").lower()
    found = said or {"json": "jsonl"}.get(ending, ending)
    if found not in FORMATS:
        raise ValueError(f"{path.name}: end its name in .jsonl, .csv or .parquet, or say --format")
    return found


def write_rows(path: Path, rows: Iterable[Row], form: str, zone: tzinfo) -> tuple[Written, datetime | None]:
    """Write rows into a file; what was written and the time of the newest. Raises `CannotWrite`."""
    if form == "parquet":
        from logstore.parquet import write_parquet

        return write_parquet(path, rows)
    lines: Callable[[Iterable[Row], tzinfo], Iterator[str]] = csv_lines if form == "csv" else json_lines
    with ExportFile(path) as file:
        for number, line in enumerate(lines(map(file.see, rows), zone)):
            file.write(line, count=form != "csv" or number > 0)
        return file.finish(), file.newest


def export_rows(request: Request, path: Path, rows: Iterable[Row], form: str) -> tuple[Written, Written]:
    """Write rows into `path` and say so everywhere; the file and its manifest. Raises `CannotWrite`."""
    request.note("began an export", {"asked": request.asked, "format": form})
    written, newest = write_rows(path, rows, form, request.zone)
    manifest = write_manifest(path, (written,), request.facts())
    request.book((written, manifest), newest)
    request.note("exported rows", written.as_json() | {"asked": request.asked, "file": form})
    return written, manifest
