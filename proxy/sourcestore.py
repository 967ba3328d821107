"""Fetched lists on disk: which version of each source counts, and how updating it goes.

`<data>/lists/sources/NAME/` holds the versions and `state.json`. The rule: a version counts from the moment the state
that names it is renamed into place, and not before; the supervisor, the metrics and `lists status` read the same file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from categories.fetch import Known, Limits, Remote, list_path
from categories.sources import Format, ListSource, UrlMatch, Use
from identity.overlay import OverlayError, read_overlay
from proxy.decided import overlay_file
from proxy.listservers import connecting
from proxy.settings import Settings
from registry import sources
from registry.sources import Source

RETRY = timedelta(hours=1)
"""How soon a source that failed is tried again, when it is not due earlier anyway."""
KEPT = 2
"""Versions kept: the one that counts, and the one before it."""
WHOLE = ".lists"
"""Name under which the state of the lists as a whole is kept; no source can be called so."""


@dataclass(frozen=True, slots=True)
class State:
    """How updating one source goes."""

    version: str = ""
    """Name of the version that counts; empty while there is none."""
    etag: str | None = None
    """`ETag` of that version."""
    modified: str | None = None
    """Its `Last-Modified`."""
    sha256: str | None = None
    """Checksum of what was downloaded."""
    key: str | None = None
    """The public key that signed that version, as decided on; None when none had to."""
    refused: str | None = None
    """Checksum of the last version that was fetched and refused, so that it is not compiled again and again."""
    last_try: float = 0.0
    """When it was last looked for, POSIX time; 0 for never."""
    last_success: float = 0.0
    """When it was last found well, changed or not."""
    changed: float = 0.0
    """When its entries last changed."""
    problem: str = ""
    """Why the last try failed; empty when it did not."""
    failures: int = 0
    """Tries that failed, ever."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What the last change added and removed (`categories.changes.Changes`)."""

    def known(self, key: str | None) -> Known:
        """What the next fetch may build on: nothing that another key signed, or none when one must."""
        return Known(self.etag, self.modified, self.sha256) if key == self.key else Known()

    def failed(self, problem: str, at: datetime) -> State:
        """After a try that failed."""
        return replace(self, last_try=at.timestamp(), problem=problem, failures=self.failures + 1)

    def due(self, every: timedelta | None, at: datetime) -> bool:
        """Whether it is time to look again."""
        if every is None:
            return False
        wait = min(every, RETRY) if self.problem else every
        return at.timestamp() >= self.last_try + wait.total_seconds()


def store_of(settings: Settings, name: str) -> Path:
    """Folder of one source."""
    return settings.data / "lists" / "sources" / name


def read_state(settings: Settings, name: str) -> State:
    """How updating this source goes; a fresh state when nothing is known."""
    try:
        said = json.loads((store_of(settings, name) / "state.json").read_text(encoding="utf-8"))
        known = {one.name for one in fields(State)}
        return State(**{key: value for key, value in said.items() if key in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return State()


def write_state(settings: Settings, name: str, state: State) -> None:
    """Put a state in place. Raises `OSError`."""
    folder = store_of(settings, name)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"state.{os.getpid()}.new"
    with fresh.open("w", encoding="utf-8") as stream:
        json.dump(asdict(state), stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(folder / "state.json")


def registered(settings: Settings) -> tuple[Source, ...]:
    """The sources in the register, as the overlay tells them. Raises `OverlayError`."""
    file = overlay_file(settings)
    if not file.exists():
        return ()
    try:
        return sources.unpack(read_overlay(file).decided.get("sources", ()))
    except (ValueError, TypeError) as error:
        raise OverlayError(f"holds a source that cannot be read: {error}", file) from error


def remote_of(source: Source) -> Remote:
    """What to fetch."""
    sums = (source.sha256, source.checksum_url, source.key, source.signature_url)
    return Remote(source.location, source.format == "ut1", *sums)


def limits_of(source: Source, settings: Settings) -> Limits:
    """How much may come of it, and from where."""
    limits = Limits(connect=connecting(settings))
    return limits if source.max_bytes is None else replace(limits, download=source.max_bytes)


def fetched_sources(settings: Settings, versions: Mapping[str, Path] | None = None) -> tuple[ListSource, ...]:
    """Every source of the register that has a version, ready to compile; `versions` are tried instead of those."""
    found = []
    for source in registered(settings):
        state = read_state(settings, source.name)
        folder = (versions or {}).get(source.name)
        if folder is None and state.version:
            folder = store_of(settings, source.name) / state.version
        if folder is not None:
            found.append(as_list(source, folder))
    return tuple(found)


def as_list(source: Source, folder: Path) -> ListSource:
    """One version of a source, ready to compile."""
    tree = source.format == "ut1"
    format = cast("Format", source.format)
    return ListSource(
        source.name,
        list_path(folder, tree=tree),
        format,
        None if tree else source.category,
        url_match=cast("UrlMatch", source.url_match),
        limit=source.limit,
        apply_to=cast("tuple[Use, ...]", source.apply_to),
    )


def forget_versions(settings: Settings, name: str, *, keep: str) -> None:
    """Remove all versions but the one that counts and the youngest other one; with an empty `keep`, everything."""
    folder = store_of(settings, name)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    others = [path for path in folder.iterdir() if path.is_dir() and path.name != keep]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
