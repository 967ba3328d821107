"""What the console's page of lists asks of a gateway (`console.listdoors`), done with the parts of this one.

Settings and the lists in force in; how they are and what they name out. An update is ordered from the running gateway,
which does it aside, one at a time, at low priority: the console never fetches or compiles.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from threading import Lock

from categories.index import CompiledIndex
from categories.model import Match
from categories.names import NameProblem
from categories.snapshot import snapshot_is_current
from console.listdoors import ListsSeen
from logstore.audit import record_change
from logstore.db import open_catalog
from proxy.assembly import list_sources, lists_folder
from proxy.commands.lists import fitting
from proxy.control import NotRunning, order
from proxy.decided import Parts
from proxy.listtasks import source_facts
from proxy.settings import Settings
from proxy.sourcestore import read_state, registered
from registry.change import By, RegistryError, RegistryProblem

ASK_SECONDS = 3.0
"""How long a gateway is waited for."""


class ListWork(ABC):
    """The part of a gateway's doors that is about lists."""

    _settings: Settings
    _walking = Lock()

    def lists(self) -> ListsSeen:
        """As `schoolgate lists status` tells."""
        settings, index = self._settings, self._compiled()
        try:
            life = order(settings.data, {"do": "status"}, ASK_SECONDS).get("lists") or {}
            gateway = True
        except NotRunning:
            life, gateway = {}, False
        states = {one.name: read_state(settings, one.name).changes for one in registered(settings)}
        sources = [{**one, "changes": dict(states.get(str(one["name"]), {}))} for one in source_facts(settings)]
        return ListsSeen(
            revision=index.revision,
            current=snapshot_is_current(lists_folder(settings), list_sources(settings)),
            lists=index.lists,
            sources=sources,
            running=str(life.get("running") or ("compiling" if life.get("stale") else "")),
            gateway=gateway,
            last=dict(life.get("last") or {}),
            statutory=tuple(self._statutory()),
        )

    def naming(self, what: str, most: int, *, partial: bool = False) -> Sequence[Match]:
        """As `schoolgate lists search` tells."""
        if partial:
            return self._walk(what, most)
        try:
            return tuple(islice(fitting(self._compiled(), what), most))
        except NameProblem as error:
            raise RegistryError(RegistryProblem(what[:80], str(error), "a host or URL")) from error

    def update_lists(self, name: str, by: By) -> None:
        """Order it, and write down who did."""
        known = [one.name for one in registered(self._settings)]
        if name and name not in known:
            raise RegistryError(RegistryProblem(name[:80], "no such list was added", ", ".join(known) or "none"))
        try:
            said = order(self._settings.data, {"do": "update-lists", "name": name}, ASK_SECONDS)
        except NotRunning as error:
            raise RegistryError(RegistryProblem("lists", str(error), "`schoolgate lists update`")) from error
        if "failed" in said:
            raise RegistryError(RegistryProblem("lists", str(said["failed"])))
        catalog = open_catalog(self._settings.store)
        try:
            with catalog.begin() as connection:
                subject = name or "every list"
                record_change(connection, who=by.who, what="list.update.asked", subject=subject, why=by.why, at=by.at)
        finally:
            catalog.dispose()

    def _walk(self, what: str, most: int) -> Sequence[Match]:
        """Every entry is looked at, which takes seconds of the console: one at a time."""
        if len(what) < 3:
            raise RegistryError(RegistryProblem(what, "is too short for a look at every entry", "three letters"))
        if not self._walking.acquire(blocking=False):
            raise RegistryError(RegistryProblem(what[:80], "another search of every entry runs", "try again soon"))
        try:
            return tuple(islice(self._compiled().search(what), most))
        finally:
            self._walking.release()

    def _statutory(self) -> Iterator[str]:
        standing = self._slow_parts().standing
        yield from (f"{name}: {one.header.entries:,} entries, verified" for name, one in standing.bundles.items())
        yield from standing.problems(datetime.now(UTC))

    def _compiled(self) -> CompiledIndex:
        index = self._slow_parts().index
        if not isinstance(index, CompiledIndex):
            raise TypeError(f"the lists in force are compiled, not {type(index).__name__}")
        return index

    @abstractmethod
    def _slow_parts(self) -> Parts:
        """Lists and policy in force."""
