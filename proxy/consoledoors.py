"""What the console asks of a gateway (`console.doors`), done with the parts of this one.

Settings in; answers out, by the same engine, register and workers as the commands use. The engine in force is kept and
built anew when lists, policy or decisions changed: by the files they are in, so that a look costs some microseconds.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from categories.names import NameProblem
from categories.stored import CURRENT
from categories.taxonomy import Category, load_taxonomy
from console.doors import Finding, Health, Misasked, Question, Told
from identity.directory import Directory
from logstore.db import open_catalog
from policy.engine import Engine
from policy.overrides import Override
from policy.overrides import target as meant
from policy.rows import Policy
from proxy import assembly, doctor, inforce
from proxy.consolelists import ListWork
from proxy.consolepolicy import PolicyWork
from proxy.consoleregister import RegisterWork
from proxy.consolesources import SourceWork
from proxy.control import NotRunning, order
from proxy.decided import Parts, open_decided, overlay_file, put_together
from proxy.decisions import put_in_force
from proxy.oneclick import Outlook, outlook
from proxy.overridechanges import in_force_words, try_out, wait_for_workers
from proxy.settings import Settings
from registry import overrides
from registry.change import By
from registry.overrides import Decision

logger = logging.getLogger(__name__)

SILENT = 15.0
"""Seconds after which a shipper that said nothing is taken to be gone."""
LATE = 60.0
"""Seconds the store may be behind before people are told."""
HEALTH_SECONDS = 10.0
"""How long what was found of the gateway's health is shown again."""


class GatewayDoors(RegisterWork, ListWork, PolicyWork, SourceWork):
    """The doors of one gateway. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._parts: tuple[object, Parts] | None = None
        self._engine: tuple[object, Engine] | None = None
        self._health: tuple[float, Health] | None = None

    def explain(self, question: Question) -> Told:
        """What would happen, as `schoolgate explain` says it."""
        from proxy.commands import explain

        asker = explain.Asker(self._now(), self.directory(), datetime.now().astimezone)
        told = {name: getattr(question, name) or None for name in ("user", "band", "address", "site", "at")}
        groups = list(question.groups)
        try:
            return Told(asker.ask(question.url, {**told, "groups": groups}), tuple(asker.notes))
        except explain.Misasked as error:
            raise Misasked(str(error)) from error

    def policy(self) -> Policy:
        """The policy in force."""
        return self._slow_parts().policy

    def categories(self) -> Mapping[str, Category]:
        """Every category a rule may name."""
        return assembly.known_categories(load_taxonomy(), self._slow_parts().index)

    def directory(self) -> Directory:
        """The people in force."""
        return assembly.open_directory(self._settings)

    def target(self, text: str) -> str:
        """What somebody means by a host, URL or category."""
        try:
            return meant(text, self.categories())
        except NameProblem as error:
            raise Misasked(f"{text[:200]!r}: {error}") from error

    def outlook(self, wanted: Override, at: datetime) -> Outlook:
        """What a decision does."""
        return outlook(self._slow_parts(), open_decided(self._settings), wanted, self.directory(), at)

    def decide(self, wanted: Override, by: By) -> Decision:
        """Make it: tried, written, in force, as `schoolgate allow` and `block` do."""
        try_out(wanted, self._slow_parts(), self._settings, by)
        engine = open_catalog(self._settings.store)
        try:
            with engine.begin() as connection:
                decision = overrides.add(connection, wanted, by)
            put_in_force(self._settings, engine)
        finally:
            engine.dispose()
        wait_for_workers(self._settings)
        return decision

    def end(self, number: int, by: By) -> Decision:
        """End a decision, as `schoolgate overrides end` does."""
        engine = open_catalog(self._settings.store)
        try:
            with engine.begin() as connection:
                decision = overrides.end(connection, number, by)
            put_in_force(self._settings, engine)
        finally:
            engine.dispose()
        wait_for_workers(self._settings)
        return decision

    def in_force(self) -> str:
        """On how many workers it is in force."""
        return in_force_words(wait_for_workers(self._settings))

    def health(self) -> Health:
        """How the gateway is: what `schoolgate doctor` finds, and what the gateway says of itself."""
        with self._lock:
            if self._health is not None and time.monotonic() - self._health[0] < HEALTH_SECONDS:
                return self._health[1]
        found = [Finding(one.what, one.level, one.found, one.advice) for one in doctor.examine(self._settings)]
        try:
            status = order(self._settings.data, {"do": "status"}, 3.0)
        except NotRunning:
            status = {}
        health = Health(found, status)
        with self._lock:
            self._health = (time.monotonic(), health)
        return health

    def recording(self) -> str:
        """Why rows may be missing, as the shipper's own file tells."""
        try:
            told = json.loads((self._settings.data / "run" / "shipper.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "No shipper has run here yet, so nothing has reached the record."
        if time.time() - told.get("written_at", 0) > SILENT:
            return "The shipper is not running: rows wait on the gateway's disk and are not here yet."
        if told.get("level") == "full":
            return "The gateway's disk is full: requests are not recorded as they should be. See its health."
        if told.get("oldest_seconds", 0) > LATE:
            waiting = told.get("lag_events", 0)
            return f"The record is {told['oldest_seconds']:.0f} seconds behind: {waiting:,} events wait."
        return ""

    def _slow_parts(self) -> Parts:
        """Lists and policy in force."""
        data = self._settings.data
        statutory = sorted((data / "statutory").glob("*")) if (data / "statutory").is_dir() else []
        mark = _marks(assembly.lists_folder(self._settings) / CURRENT, inforce.policy_file(self._settings), *statutory)
        with self._lock:
            if self._parts is None or self._parts[0] != mark:
                self._parts = (mark, inforce.parts_with(self._settings, assembly.open_index(self._settings)))
                self._engine = None
            return self._parts[1]

    def _now(self) -> Engine:
        """The engine in force."""
        parts, decided = self._slow_parts(), open_decided(self._settings)
        at = datetime.now(UTC)
        now = decided.at(at)
        mark = (id(parts), replace(now, revision=""), _marks(overlay_file(self._settings)))
        with self._lock:
            if self._engine is None or self._engine[0] != mark:
                self._engine = (mark, put_together(parts, decided, at))
            return self._engine[1]


def _marks(*files: object) -> tuple[tuple[int, int] | None, ...]:
    """What changes when a file is replaced."""
    from pathlib import Path

    found: list[tuple[int, int] | None] = []
    for file in files:
        try:
            stat = Path(str(file)).stat()
            found.append((stat.st_mtime_ns, stat.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)
