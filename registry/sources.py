"""Sources of lists that were added by command: where from, how written, how often, under which licence, and why.

A source and `By` go in; the source as it stands comes out, with an audit line. Raises `RegistryError` with reasons.
How updating goes (last try, last success) is no decision and stands beside the lists, not here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from categories.parse import ForeignFormat, OwnFormat
from categories.signatures import SignatureProblem, read_key
from categories.sources import LIMIT, UrlMatch, Use
from registry.change import By, RegistryError, RegistryProblem, begin, from_us, note, text_problems, to_us
from registry.schema import list_source as sources_table

FORMATS: tuple[str, ...] = ("ut1", *get_args(OwnFormat), *get_args(ForeignFormat))
"""How a source may be written."""
SHORTEST = timedelta(minutes=15)
"""Nobody's server is asked more often."""
URL_MATCHES: tuple[str, ...] = get_args(UrlMatch)
"""How URL entries may compare hosts."""
USES: tuple[str, ...] = get_args(Use)
"""Where phrases may be looked for."""
MOST_LIMIT = 10_000
"""Highest score of phrases that means anything."""
MOST_BYTES = 512 * 1024**2
"""Largest download there is (`categories.fetch.Limits`)."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TAKEN = ("starter", "own", "built-in", "candidate")


@dataclass(frozen=True, slots=True)
class Source:
    """One source of lists, as decided."""

    name: str
    """Name shown as evidence; a tree of categories adds `/category`."""
    location: str
    """`https://…`, `http://…`, or the absolute path of a file or folder on this machine."""
    format: str
    """How it is written."""
    category: str | None = None
    """Category of its entries; None for what names its own."""
    every: timedelta | None = None
    """How often it is looked for; None: only when told to."""
    sha256: str | None = None
    """Checksum the download must have; None for none."""
    checksum_url: str | None = None
    """Where the publisher tells the checksum; None for none."""
    licence: str = ""
    """Under which licence it is used."""
    key: str | None = None
    """Public key that must have signed it; None for none."""
    signature_url: str | None = None
    """Where its signature is told; None: beside it."""
    url_match: str = "exact"
    """Whether a URL entry fits its own host (`exact`) or those below it, too (`parents`)."""
    limit: int = LIMIT
    """For weighted phrases: the score a text may reach."""
    apply_to: tuple[str, ...] = ("search",)
    """For phrases: where they are looked for."""
    max_bytes: int | None = None
    """Bytes a download may have; None: as many as any."""


@dataclass(frozen=True, slots=True)
class Added:
    """A source, and who stands for it."""

    source: Source
    """What was decided."""
    why: str
    """The reason given."""
    made_by: str
    """Who added it."""
    made_at: datetime
    """When."""


def add(connection: Connection, source: Source, by: By, *, taken: Collection[str] = ()) -> Added:
    """Put a source in the register. `taken` are names that other lists have."""
    problems = [*_problems(source), *_reason(source, by)]
    begin(connection, by)
    known = {one.source.name for one in sources(connection)}
    if source.name in known or source.name in taken or source.name in _TAKEN:
        problems.append(RegistryProblem(source.name, "another list has this name", "choose another"))
    if problems:
        raise RegistryError(*problems)
    every = None if source.every is None else int(source.every.total_seconds())
    told = {key: value for key, value in facts(source).items() if key not in {"every", "apply_to"}}
    row = {**told, "every_s": every, "apply_to": ",".join(source.apply_to)}
    connection.execute(insert(sources_table).values(**row, why=by.why, made_by=by.who, made_us=to_us(by.at)))
    note(connection, by, "list.add", source.name, None, facts(source))
    return Added(source, by.why, by.who, by.at)


def remove(connection: Connection, name: str, by: By) -> Source:
    """Take a source out of the register; the trail keeps what it was."""
    begin(connection, by)
    known = {one.source.name: one.source for one in sources(connection)}
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        what = "is no list that was added by command; those of the settings file are removed there"
        raise RegistryError(RegistryProblem(name[:80], what, f"added by command: {names}"))
    connection.execute(delete(sources_table).where(sources_table.c.name == name))
    note(connection, by, "list.remove", name, facts(known[name]), None)
    return known[name]


def change(connection: Connection, source: Source, by: By) -> Source:
    """Decide anew how a source is looked for: how often, with which checksum, under which licence. What was before.

    Where it comes from, its key and what its entries are stay: another place is another list.
    """
    problems = [*_problems(source), *_reason(source, by)]
    begin(connection, by)
    before = {one.source.name: one.source for one in sources(connection)}.get(source.name)
    if before is None:
        problems.append(RegistryProblem(source.name[:80], "no list of that name was added"))
    elif replace(before, every=source.every, sha256=source.sha256, checksum_url=source.checksum_url,
                 licence=source.licence) != source:  # fmt: skip
        problems.append(RegistryProblem(source.name, "is another list then", "add it under a name of its own"))
    if problems or before is None:
        raise RegistryError(*problems)
    told = {"sha256": source.sha256, "checksum_url": source.checksum_url, "licence": source.licence}
    every = None if source.every is None else int(source.every.total_seconds())
    statement = update(sources_table).where(sources_table.c.name == source.name)
    connection.execute(statement.values(**told, every_s=every))
    note(connection, by, "list.change", source.name, facts(before), facts(source))
    return before


def sources(connection: Connection) -> list[Added]:
    """Every source, by name."""
    rows = connection.execute(select(sources_table).order_by(sources_table.c.name)).mappings()
    return [_added(row) for row in rows]


def facts(source: Source) -> dict[str, Any]:
    """A source as the audit trail and JSON write it."""
    return {
        "name": source.name,
        "location": source.location,
        "format": source.format,
        "category": source.category,
        "every": None if source.every is None else str(source.every),
        "sha256": source.sha256,
        "checksum_url": source.checksum_url,
        "licence": source.licence,
        "key": source.key,
        "signature_url": source.signature_url,
        "url_match": source.url_match,
        "limit": source.limit,
        "apply_to": list(source.apply_to),
        "max_bytes": source.max_bytes,
    }


def pack(source: Source) -> list[Any]:
    """A source as primitives, for the overlay."""
    every = None if source.every is None else int(source.every.total_seconds())
    words = (source.name, source.location, source.format, source.category)
    sums = (source.sha256, source.checksum_url, source.licence, source.key, source.signature_url)
    return [*words, every, *sums, source.url_match, source.limit, list(source.apply_to), source.max_bytes]


def unpack(rows: Sequence[Sequence[Any]]) -> tuple[Source, ...]:
    """The sources of `pack`. Raises `ValueError` or `TypeError` for rows that are none."""
    found = []
    for row in rows:
        name, location, format, category, every, sha256, checksum_url, licence = row[:8]
        key, signature_url = (*row[8:10], None, None)[:2]
        period = None if every is None else timedelta(seconds=every)
        sums = (sha256, checksum_url, licence, key, signature_url)
        reading = (str(row[10]), int(row[11]), tuple(map(str, row[12])), row[13]) if len(row) >= 14 else ()
        found.append(Source(name, location, format, category, period, *sums, *reading))
    return tuple(found)


def _problems(source: Source) -> list[RegistryProblem]:
    where, problems = source.name[:80], []
    if not _NAME.fullmatch(source.name):
        instead = "small letters, digits, dots and dashes, at most 64"
        problems.append(RegistryProblem(where, "is no name for a list", instead))
    if source.format not in FORMATS:
        problems.append(
            RegistryProblem(where, f"no format is called {source.format!r}", f"one of {', '.join(FORMATS)}")
        )
    problems += _location_problems(where, source.location, file=True)
    if source.checksum_url is not None:
        problems += _location_problems(where, source.checksum_url, file=False)
    if source.sha256 is not None and not _SHA256.fullmatch(source.sha256):
        problems.append(RegistryProblem(where, "the checksum is no SHA-256", "64 digits 0-9 a-f"))
    if source.key is not None:
        problems += _key_problems(where, source.key)
    if source.signature_url is not None:
        problems += _location_problems(where, source.signature_url, file=True)
        if source.key is None:
            problems.append(RegistryProblem(where, "has a signature and no key", "name the key that counts"))
    problems += _reading_problems(where, source)
    if source.every is not None and source.every < SHORTEST:
        problems.append(RegistryProblem(where, f"{source.every} is too often", f"at least {SHORTEST}"))
    return problems


def _reading_problems(where: str, source: Source) -> list[RegistryProblem]:
    """What is wrong with how it is to be read."""
    problems = []
    if source.url_match not in URL_MATCHES:
        what = f"{source.url_match!r} is no way to compare URLs"
        problems.append(RegistryProblem(where, what, f"one of {', '.join(URL_MATCHES)}"))
    wrong = [use for use in source.apply_to if use not in USES]
    if wrong or not source.apply_to:
        what = f"phrases cannot be looked for in {', '.join(wrong) or 'nothing'}"
        problems.append(RegistryProblem(where, what, f"some of {', '.join(USES)}"))
    if not 1 <= source.limit <= MOST_LIMIT:
        problems.append(RegistryProblem(where, f"a limit of {source.limit} is none", f"a score from 1 to {MOST_LIMIT}"))
    if source.max_bytes is not None and not 1 <= source.max_bytes <= MOST_BYTES:
        what = f"{source.max_bytes} bytes are no size of a download"
        problems.append(RegistryProblem(where, what, f"from 1 to {MOST_BYTES}"))
    return problems


def _key_problems(where: str, key: str) -> list[RegistryProblem]:
    try:
        read_key(key)
    except SignatureProblem as problem:
        return [RegistryProblem(where, f"the key cannot be used: {problem}")]
    return []


def _location_problems(where: str, location: str, *, file: bool) -> list[RegistryProblem]:
    parts = urlsplit(location)
    if parts.scheme in {"http", "https"}:
        if parts.username is not None or parts.password is not None:
            return [
                RegistryProblem(where, "the URL holds a password", "it would stand in the audit trail; leave it out")
            ]
        return [] if parts.hostname else [RegistryProblem(where, f"{location[:120]!r} names no host")]
    if file and Path(location).is_absolute():
        return []
    instead = "https://…, or the path of a file" if file else "https://…"
    return [RegistryProblem(where, f"{location[:120]!r} cannot be fetched", instead)]


def _reason(source: Source, by: By) -> list[RegistryProblem]:
    where = source.name[:80]
    problems = [*text_problems(where, "reason", by.why), *text_problems(where, "licence", source.licence)]
    if not by.why.strip():
        problems.append(RegistryProblem(where, "a list needs a reason", "say why it is used, in a few words"))
    return problems


def _added(row: RowMapping) -> Added:
    every = None if row["every_s"] is None else timedelta(seconds=row["every_s"])
    names = ("name", "location", "format", "category", "sha256", "checksum_url", "licence", "key", "signature_url")
    at = from_us(row["made_us"])
    if at is None:
        raise RuntimeError(f"source {row['name']} has no time")
    reading = {name: row[name] for name in ("url_match", "limit", "max_bytes")}
    uses = tuple(row["apply_to"].split(","))
    source = Source(**{name: row[name] for name in names}, **reading, apply_to=uses, every=every)
    return Added(source, row["why"], row["made_by"], at)
