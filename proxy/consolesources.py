"""What the console's pages ask of a gateway to add, change and remove a source of lists (`console.listdoors`).

Settings and what somebody wants in; the register changed, and an order to the running gateway out. The rule is that of
`proxy.consolelists`: the console decides, as the commands do; the gateway fetches, compiles, checks and swaps, aside.
"""

from __future__ import annotations

import os
import tempfile
from abc import ABC
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from categories.sources import LIMIT
from console.listdoors import ListLook, ListWanted
from logstore.db import open_catalog
from proxy.assembly import list_sources
from proxy.control import NotRunning, order
from proxy.decisions import Usage, put_in_force
from proxy.listchanges import settled_category
from proxy.listimport import ImportProblem, ImportReport, look_through, reasons
from proxy.quietly import quietly
from proxy.settings import Settings
from proxy.sourcestore import as_list, forget_versions, read_state, registered, store_of
from registry import sources
from registry.change import By, RegistryError, RegistryProblem
from registry.sources import Source

ASK_SECONDS = 3.0
"""How long a gateway is waited for."""
DRAWN = 300
"""Most lines told one by one."""
WHOLE_BYTES = 32 * 1024 * 1024
"""Largest list whose lines are read again to be shown; `schoolgate lists import` reads any."""


class SourceWork(ABC):
    """The part of a gateway's doors that changes which lists there are."""

    _settings: Settings

    def look_through(self, data: bytes, format: str) -> ListLook:
        """As `schoolgate lists import` tells."""
        with tempfile.TemporaryDirectory(prefix="schoolgate-list-") as folder:
            file = Path(folder) / "list"
            file.write_bytes(data)
            return _look(file, format)

    def list_lines(self, name: str) -> ListLook | None:
        """Of the version the gateway uses."""
        source = self._known(name)
        version = read_state(self._settings, name).version
        if not version:
            return None
        path = as_list(source, store_of(self._settings, name) / version).path
        size = sum(one.stat().st_size for one in (path, *path.rglob("*")) if one.is_file())
        if size > WHOLE_BYTES:
            what = f"its {size // 1024**2} MB are too many to be read again here"
            raise RegistryError(RegistryProblem(name, what, "`schoolgate lists import` tells every line"))
        return _look(path, source.format)

    def add_list(self, wanted: ListWanted, data: bytes | None, by: By) -> None:
        """As `schoolgate lists add`: what cannot be had or used goes out of the register again."""
        settings = self._settings
        self._need_gateway(f"`schoolgate lists add {wanted.name}`")
        source = self._source(wanted, None if data is None else _upload_of(settings, wanted.name))
        engine = open_catalog(settings.store)
        try:
            with engine.begin() as connection:
                sources.add(connection, source, by, taken=[one.name for one in settings.lists])
                if data is not None:
                    _keep(Path(source.location), data)
            forget_versions(settings, source.name, keep="")
            put_in_force(settings, engine)
        finally:
            engine.dispose()
        self._ask(source.name, "first")

    def change_list(self, wanted: ListWanted, by: By) -> None:
        """In the register; the gateway reads it from the overlay."""
        source = replace(
            self._known(wanted.name),
            every=wanted.every,
            sha256=wanted.sha256 or None,
            checksum_url=wanted.checksum_url or None,
            licence=wanted.licence,
        )
        engine = open_catalog(self._settings.store)
        try:
            with engine.begin() as connection:
                sources.change(connection, source, by)
            put_in_force(self._settings, engine)
        finally:
            engine.dispose()

    def remove_list(self, name: str, by: By) -> None:
        """As `schoolgate lists remove`; the gateway compiles the others, checked as ever."""
        settings = self._settings
        self._need_gateway(f"`schoolgate lists remove {name}`")
        engine = open_catalog(settings.store)
        try:
            with engine.begin() as connection:
                sources.remove(connection, name, by)
            put_in_force(settings, engine)
        finally:
            engine.dispose()
        forget_versions(settings, name, keep="")
        _upload_of(settings, name).unlink(missing_ok=True)
        self._ask("", "compile")

    def _source(self, wanted: ListWanted, file: Path | None) -> Source:
        if file is None and urlsplit(wanted.url).scheme not in {"http", "https"}:
            # A path of the gateway's own disk would show its lines to whoever may see lists.
            where, right = wanted.name[:80] or "list", "https://…, or send the file"
            raise RegistryError(RegistryProblem(where, f"{wanted.url[:120]!r} is no URL", right))
        try:
            category = settled_category(wanted.name, wanted.format, wanted.category or None, self._settings)
        except Usage as error:
            raise RegistryError(RegistryProblem(wanted.name[:80] or "list", str(error))) from error
        return Source(
            wanted.name,
            wanted.url if file is None else str(file),
            wanted.format,
            category,
            wanted.every,
            wanted.sha256 or None,
            wanted.checksum_url or None,
            wanted.licence,
            wanted.key or None,
            url_match=wanted.url_match,
            limit=LIMIT if wanted.limit is None else wanted.limit,
            apply_to=wanted.apply_to,
            max_bytes=wanted.max_bytes,
        )

    def _known(self, name: str) -> Source:
        found = next((one for one in registered(self._settings) if one.name == name), None)
        if found is None:
            names = ", ".join(one.name for one in list_sources(self._settings))
            raise RegistryError(RegistryProblem(name[:80], "no such list was added", names or "none"))
        return found

    def _need_gateway(self, instead: str) -> None:
        try:
            order(self._settings.data, {"do": "status"}, ASK_SECONDS)
        except NotRunning as error:
            raise RegistryError(RegistryProblem("lists", str(error), instead)) from error

    def _ask(self, name: str, how: str) -> None:
        """What is in the register by now is in force anyway: a gateway that goes away here finds it when it starts."""
        try:
            order(self._settings.data, {"do": "update-lists", "name": name, "how": how}, ASK_SECONDS)
        except NotRunning as error:
            raise RegistryError(
                RegistryProblem("lists", str(error), "it is looked for when the gateway runs")
            ) from error


def _look(path: Path, format: str) -> ListLook:
    try:
        told: ImportReport = quietly(lambda: look_through(path, format))
    except (ImportProblem, OSError) as error:
        said = str(error).replace(str(path), "the file")
        raise RegistryError(
            RegistryProblem("the file", said, "a list written in the format that was chosen")
        ) from error
    return ListLook(
        taken=told.lines_taken,
        left_out=told.lines_left_out,
        reasons=reasons(told),
        problems=told.problems[:DRAWN],
        more=max(0, len(told.problems) - DRAWN),
    )


def _upload_of(settings: Settings, name: str) -> Path:
    """Where a list that came as a file is kept. `name` is checked by the register before anything is written."""
    return (settings.data / "lists" / "uploads" / name).resolve()


def _keep(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    fresh.write_bytes(data)
    fresh.chmod(0o600)
    fresh.replace(file)
