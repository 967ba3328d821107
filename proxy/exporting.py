"""Rows leave the record in files: what every export command shares.

Rows, a file's name and who wants them in; the file, its manifest, a line in the audit trail before and after, and lines
in the book of exports out. The rule: nothing leaves that is not written down first (design §5.10).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection

from logstore.audit import record_change
from logstore.db import open_catalog
from logstore.export import csv_lines, json_lines
from logstore.exportbook import Export, Span, finish_export, note_export, strike
from logstore.exportfile import CannotWrite, ExportFile, Written, manifest_of, manifest_text
from logstore.place import Where
from logstore.rows import Row

FORMATS = ("jsonl", "csv", "parquet")
"""Endings of a file of rows, and what they mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An export that somebody asks for."""

    store: Where
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
        with self._catalog() as catalog:
            record_change(
                catalog, who=self.who, what=what, subject=self.subject, after=after, why=self.why, at=self.at,
                kind="export",
            )  # fmt: skip

    def begin(self, paths: Iterable[Path]) -> tuple[int, ...]:
        """Write files into the book of exports that are about to be written; their numbers."""
        with self._catalog() as catalog:
            return tuple(
                note_export(
                    catalog,
                    Export(
                        path=str(path.resolve()), what=self.what, subject=self.subject, who=self.who, why=self.why,
                        made_at=self.at, newest_at=None, rows=0, sha256="", gateway=self.gateway,
                    ),
                )
                for path in paths
            )  # fmt: skip

    def complete(self, written: Mapping[int, Written], span: Span | None) -> None:
        """Say in the book what is in them. Raises `CannotWrite` when somebody took one out of it."""
        with self._catalog() as catalog:
            for number, one in written.items():
                if not finish_export(catalog, number, span=span, rows=one.lines, sha256=one.sha256):
                    raise CannotWrite(f"{one.path}: export {number} was settled meanwhile; ask for it again")

    def forget(self, numbers: Collection[int]) -> None:
        """Take files out of the book that were not written."""
        with self._catalog() as catalog:
            strike(catalog, numbers)

    @contextlib.contextmanager
    def _catalog(self) -> Iterator[Connection]:
        engine = open_catalog(self.store)
        try:
            with engine.begin() as catalog:
                yield catalog
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


class Outgoing:
    """The files of one export and their manifest: booked before a row is in them, named together at the end.

    Use it in a `with`: what breaks off leaves neither files nor lines in the book.
    """

    def __init__(self, request: Request, *paths: Path) -> None:
        """`paths`: the files; the manifest is named after the first."""
        self._request = request
        self._paths = (*paths, manifest_of(paths[0]))
        self._files: dict[Path, ExportFile] = {}
        self._numbers: tuple[int, ...] = ()
        self._left = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Raises `CannotWrite` when one of the files cannot be written; then there is none."""
        with contextlib.ExitStack() as entered:
            for path in self._paths:
                self._files[path] = entered.enter_context(ExportFile(path))
            self._numbers = self._request.begin(self._paths)
            self._left = entered.pop_all()
        return self

    def __getitem__(self, path: Path) -> ExportFile:
        """One of the files, to write to."""
        return self._files[path]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._left:
            if self._numbers:
                for file in self._files.values():
                    file.take_back()
                self._request.forget(self._numbers)

    def finish(self, facts: Mapping[str, Any], span: Span | None) -> tuple[Written, ...]:
        """Write the manifest, with `facts`, and give everything its name; what was written. Raises `CannotWrite`.

        `span`: times of the oldest and the newest row in the files.
        """
        *files, manifest = self._files.values()
        written = [file.finish() for file in files]
        manifest.write(manifest_text(written, facts))
        written.append(manifest.finish())
        self._request.complete(dict(zip(self._numbers, written, strict=True)), span)
        for file in self._files.values():
            file.put()
        self._numbers = ()
        return tuple(written)


def write_rows(file: ExportFile, rows: Iterable[Row], form: str, zone: tzinfo) -> None:
    """Write rows into a file. Raises `CannotWrite`."""
    if form == "parquet":
        from logstore.parquet import write_parquet

        write_parquet(file, rows)
        return
    lines: Callable[[Iterable[Row], tzinfo], Iterator[str]] = csv_lines if form == "csv" else json_lines
    for number, line in enumerate(lines(map(file.see, rows), zone)):
        file.write(line, count=form != "csv" or number > 0)


def export_rows(request: Request, path: Path, rows: Iterable[Row], form: str) -> tuple[Written, Written]:
    """Write rows into `path` and say so everywhere; the file and its manifest. Raises `CannotWrite`."""
    with Outgoing(request, path) as out:
        request.note("began an export", {"asked": request.asked, "format": form})
        write_rows(out[path], rows, form, request.zone)
        written, manifest = out.finish(request.facts(), out[path].span)
    request.note("exported rows", written.as_json() | {"asked": request.asked, "file": form})
    return written, manifest
