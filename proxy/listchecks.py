"""New lists on trial: a snapshot compiled aside in, every reason against it out (`categories.checks`, and the policy).

Before and after are asked with the same policy, the same decisions and the same moment, so that only the lists can make
a difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from categories.checks import (
    HELP,
    NEVER_BLOCKED,
    Bounds,
    Refusal,
    check_classified,
    check_open,
    check_sizes,
)
from categories.index import CompiledIndex
from categories.model import ListStatus
from categories.names import Url
from categories.snapshot import SnapshotError, open_snapshot
from policy.client import Band, Client
from policy.engine import Engine, EngineProblem
from policy.model import Request
from policy.rows import BAND_TITLES
from policy.rules import PolicyErrors
from proxy import inforce
from proxy.assembly import list_sources, lists_folder
from proxy.decided import open_decided, put_together
from proxy.settings import Settings


class Trial:
    """Compares what is in force with what would be."""

    def __init__(self, settings: Settings, aside: Path, at: datetime, *, anyway: bool = False) -> None:
        """`aside` is the folder the new snapshot was compiled into. Raises `SnapshotError`."""
        self._settings = settings
        self._at = at
        self._anyway = anyway
        self._after = open_snapshot(aside)
        self._before = _in_force(settings)

    def refusals(self) -> list[Refusal]:
        """Every reason not to put the new lists in force. Raises `OverlayError` or `OSError`."""
        return [*([] if self._anyway else self._shape()), *self._under_policy()]

    def _shape(self) -> Iterator[Refusal]:
        told = self._settings.list_checks
        bounds = Bounds(told.smallest, told.largest, told.small)
        if self._before is not None:
            yield from check_sizes(self._wanted_still(self._before), self._after.lists, bounds)
        yield from check_classified(self._before, self._after, dict(told.classified))

    def _wanted_still(self, before: CompiledIndex) -> list[ListStatus]:
        """Lists of before whose source is still wanted: one that was taken out may vanish."""
        names = tuple(source.name for source in list_sources(self._settings))
        trees = tuple(f"{name}/" for name in names)
        return [status for status in before.lists if status.name in names or status.name.startswith(trees)]

    def _under_policy(self) -> Iterator[Refusal]:
        try:
            after = self._engine(self._after)
        except (PolicyErrors, EngineProblem) as error:
            yield Refusal("", f"the policy does not go with these lists: {error}")
            return
        try:
            before = None if self._before is None else self._engine(self._before)
        except (PolicyErrors, EngineProblem):
            before = None  # the policy changed too, and only goes with the new lists
        asked = (None if before is None else _Bands(before, self._at).blocked_for, _Bands(after, self._at))
        for hosts, why in (
            (HELP, "the help site"),
            (NEVER_BLOCKED, "the site that is never blocked"),
            (self._settings.list_checks.never_blocked, "the school's own site"),
        ):
            yield from check_open(hosts, asked[0], asked[1].blocked_for, asked[1].list_of, why)

    def _engine(self, index: CompiledIndex) -> Engine:
        parts = inforce.parts_with(self._settings, index)
        return put_together(parts, open_decided(self._settings), self._at)


def _in_force(settings: Settings) -> CompiledIndex | None:
    try:
        return open_snapshot(lists_folder(settings))
    except SnapshotError:
        return None  # none yet, or none that can be read: nothing to compare with


class _Bands:
    """Asks an engine for every band at every site."""

    def __init__(self, engine: Engine, at: datetime) -> None:
        self._engine = engine
        self._at = at
        sites = (None, *engine.policy.sites)
        self._clients = [Client(site=site, band=band, band_known=True) for band in Band for site in sites]

    def blocked_for(self, url: Url) -> frozenset[str]:
        """For whom it is blocked, in words."""
        found = set()
        for client in self._clients:
            if self._engine.decide(Request(url), client, self._at).blocked:
                place = f" at {client.site}" if client.site else ""
                found.add(f"{BAND_TITLES[client.band]}{place}")
        return frozenset(found)

    def list_of(self, url: Url) -> str:
        """The list that makes it blocked for somebody; empty when none does."""
        for client in self._clients:
            verdict = self._engine.decide(Request(url), client, self._at)
            if verdict.blocked and verdict.match is not None:
                return verdict.match.list
        return ""
