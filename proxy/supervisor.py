"""The parent of every process of a gateway: prepares, puts in force, watches, reloads, stops.

Order at the start: data folder, database, lists and policy (all checked before anything listens), overlay, metrics,
shipper, workers. Order at the stop: workers (they drain and finish their records), then the shipper (it ships them).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from logstore import errorwords
from logstore.disk import SpoolLimits
from policy.engine import Engine
from proxy import firstrun, hints, inforce, policytaking
from proxy.assembly import places
from proxy.ca import CaStatus
from proxy.children import Child
from proxy.control import serve_control, socket_path
from proxy.expiry import Expiry
from proxy.family import Family
from proxy.lineup import Ports
from proxy.listeners import Listener, parse_listener
from proxy.listlife import ListLife, failures
from proxy.metrics import Facts, read_status, serve_metrics
from proxy.reloadable import data_named, restart_needed
from proxy.reserving import own_data, reserve, reserve_console
from proxy.settings import Settings, load_settings
from proxy.statutory import Keeper
from proxy.statutory_watch import StatutoryAlarm
from proxy.troubles import TROUBLES, in_words
from registry.watch import OverlayWriter

logger = logging.getLogger(__name__)

STATUTORY_POLL = 60.0
"""Longest time between two thoughts about statutory lists: a list gets too old without anybody doing anything."""
OVERLAY_POLL = 0.3
"""Seconds between looks at what people decided."""


class Supervisor:
    """Runs a gateway until it is told to stop."""

    def __init__(self, settings: Settings, settings_file: Path | None) -> None:
        self.settings = settings
        self.settings_file = settings_file
        self._started_with = settings
        self._data_named = data_named(settings_file)
        self.run_folder = settings.data / "run"
        self.metrics_folder = self.run_folder / "metrics"
        self.facts = Facts(
            spool=SpoolLimits(max_bytes=settings.spool.max_bytes),
            record=settings.store if isinstance(settings.store, Path) else None,
        )
        self.stopping = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._news = asyncio.Event()
        self._statutory = Keeper(settings.data)
        self._served: tuple[object, ...] = ()
        self._verified = ""
        self._alarm = StatutoryAlarm(settings.store)
        self.proxy_port = settings.proxy.port
        self.transparent = tuple(map(parse_listener, settings.proxy.transparent))
        self.metrics_port = settings.metrics.port
        self.console_port = settings.console.port
        self.family: Family | None = None
        self.lists = ListLife(lambda: self.settings, settings_file)

    async def run(self) -> int:
        """Everything, start to stop. Raises what preparing raises, before anything listens."""
        reserved = reserve(self.settings.proxy.host, self.proxy_port)
        self.proxy_port = reserved.getsockname()[1]
        held = [reserve(*place, "proxy.transparent") for place in self.transparent]
        self.transparent = tuple(
            Listener(place.host, end.getsockname()[1]) for place, end in zip(self.transparent, held, strict=True)
        )
        console = reserve_console(self.settings.console)
        self.console_port = console.getsockname()[1]
        owned = own_data(self.settings.data)
        authority, made = firstrun.prepare(self.settings)
        for what in made:
            print(f"made: {what}", file=sys.stderr)
        engine = await asyncio.to_thread(self._accept, self.settings, at_start=True)
        arguments = ["--settings", str(inforce.keep_settings(self.settings))]
        self._note_engine(engine)
        self.facts.ca_ends = authority.not_after.timestamp()
        shutil.rmtree(self.metrics_folder, ignore_errors=True)
        self.metrics_folder.mkdir(parents=True)
        server, _ = serve_metrics(
            self.settings.metrics.host, self.metrics_port, self.settings.data, self.metrics_folder, self.facts
        )
        self.metrics_port = server.server_port
        control = await serve_control(self.settings.data, self._order)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: asyncio.ensure_future(self.reload()))
        self.family = family = self._make_family(arguments)
        family.start()
        watching = [
            asyncio.create_task(self._watch_people()),
            asyncio.create_task(self._watch_policy()),
            asyncio.create_task(self._watch_statutory()),
            asyncio.create_task(family.watch_silence(self._reloading)),
            asyncio.create_task(self.lists.keep()),
        ]
        try:
            if not await family.wait_ready(self.stopping):
                return 1
            self._say_ready(authority)
            await self.stopping.wait()
        finally:
            for end in (reserved, console, *held):
                end.close()
            for task in watching:
                task.cancel()
            control.close()
            await family.stop()
            server.shutdown()
            server.server_close()
            self._clean()
            owned.close()
        return 0

    def _make_family(self, arguments: list[str]) -> Family:
        ports = Ports(self.proxy_port, self.metrics_port, self.console_port, self.transparent)
        family = Family(self.settings, arguments, ports)
        family.on_decision = self._note_decision
        self.facts.list_updates = lambda: failures(self.settings)
        self.facts.processes = family.pids
        self.facts.restarts = lambda: family.restarts
        self.facts.workers = lambda: family.ready
        return family

    @property
    def workers(self) -> list[Child]:
        """The workers that accept connections."""
        return [] if self.family is None else self.family.workers

    def _say_ready(self, authority: CaStatus) -> None:
        ports: dict[str, Any] = {"proxy": self.proxy_port, "metrics": self.metrics_port, "pid": os.getpid()}
        ports["transparent"] = [place.port for place in self.transparent]
        if self.settings.console.enabled:
            ports["console"] = self.console_port
        fresh = self.run_folder / "ports.new"
        fresh.write_text(json.dumps(ports))
        fresh.replace(self.run_folder / "ports.json")
        words = hints.what_to_try(self.settings, self.proxy_port, self.metrics_port, authority, self.console_port)
        print(words, flush=True)

    async def _watch_people(self) -> None:
        """Write the overlay whenever people decide something."""
        writer = OverlayWriter(
            self.settings.catalog, self.settings.data / "overlay", places(self.settings.identity.places)
        )
        expiry = Expiry(self.settings.catalog, self.settings.data / "overlay")
        while True:
            try:
                writer.places = places(self.settings.identity.places)
                if await asyncio.to_thread(writer.write_if_changed) is not None:
                    self._news.set()
                await asyncio.to_thread(expiry.look, datetime.now(UTC))
            except Exception:
                logger.exception("what people decided could not be written for the workers; trying again")
            await asyncio.sleep(OVERLAY_POLL)

    async def _watch_policy(self) -> None:
        """Take what was published in the console, here or at another gateway, once the register has changed."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                if await asyncio.to_thread(policytaking.waiting, self.settings, again=False) is None:
                    continue
                told = await self.take_policy()
                if "failed" in told:
                    logger.error("the policy published in the console is not in force here; the line before says why")
            except Exception:
                logger.exception(
                    "whether a policy was published could not be found out; looking again at the next change"
                )

    def _accept(self, settings: Settings, *, at_start: bool = False) -> Engine:
        """Check settings, lists and policy, look at statutory lists, put all of it in force. Raises what is wrong."""
        self._statutory.refuse_loosening(settings.statutory)
        if at_start:
            self.lists.stale = inforce.accept_at_start(settings)
        else:
            inforce.accept(settings)
        self._statutory.refresh(settings.statutory, datetime.now(UTC))
        return self._open_verified(settings)

    def _open_verified(self, settings: Settings | None = None) -> Engine:
        """The engine in force; its lists are checked whole here, once for the machine, and not by every worker."""
        engine, self._verified = inforce.open_verified(settings or self.settings)
        return engine

    async def _watch_statutory(self) -> None:
        """Look at statutory lists again and again; put newer ones in force on every worker; never be silent."""
        looked = time.monotonic()
        while True:
            told = self.settings.statutory
            due = time.monotonic() - looked >= told.refresh.total_seconds()
            looked = time.monotonic() if due else looked
            try:
                async with self._reloading:
                    if due:
                        await asyncio.to_thread(self._statutory.refresh, told, datetime.now(UTC))
                    await self._serve_statutory()
            except Exception:
                logger.exception("statutory lists could not be looked at; what is in force stays")
            try:
                self._alarm.say(self._statutory.standing, datetime.now(UTC))
                await asyncio.to_thread(self._alarm.write, self._statutory.standing, datetime.now(UTC))
            except Exception:
                logger.exception("how statutory lists stand could not be written down; trying again")
            await asyncio.sleep(min(told.refresh.total_seconds(), STATUTORY_POLL))

    async def _serve_statutory(self) -> None:
        """Have the workers take other lists, or close what is open the moment everything is closed."""
        standing = self._statutory.standing
        if standing.served_at(datetime.now(UTC)) != self._served and not await self._swap():
            self._note_engine(await asyncio.to_thread(inforce.open_engine, self.settings, self._verified))

    async def _swap(self, what: dict[str, Any] | None = None) -> list[str]:
        """Have every worker take what is in force. What went wrong."""
        return await self.family.tell(what or {"do": "reload", "verified": self._verified}) if self.family else []

    async def _order(self, what: dict[str, Any]) -> dict[str, Any]:
        match what.get("do"):
            case "reload":
                return await self.reload()
            case "policy":
                return await self.take_policy()
            case "lists":
                return await self.take_lists()
            case "update-lists":
                self.lists.ask(str(what.get("name") or ""), str(what.get("how") or ""))
                return {"asked": True}
            case "ca":
                return await self.take_ca()
            case "restart" if self.family is not None:
                return await self.family.restart(self._reloading)
            case "status":
                return self._status()
            case other:
                return {"failed": f"unknown order {other!r}"}

    def _status(self) -> dict[str, Any]:
        return {
            "revision": self.facts.revision,
            "loaded_at": self.facts.loaded_at,
            "workers": [
                {"name": child.name, "pid": child.pid, "revision": child.revision, "overlay": child.overlay}
                for child in self.workers
            ],
            "leaving": [child.name for child in self.family.leaving] if self.family is not None else [],
            "restarts": self.facts.restarts(),
            "policy": asdict(policytaking.mark_of(self.settings)),
            "lists": self.lists.status(),
            "statutory": self.facts.statutory(),
            "statutory_problems": list(self._statutory.standing.problems(datetime.now(UTC))),
            "shipper": read_status(self.run_folder / "shipper.json"),
            "ports": {"proxy": self.proxy_port, "metrics": self.metrics_port},
        }

    async def reload(self) -> dict[str, Any]:
        """Build aside, check, then have every worker swap. What is not good is refused, and the old engine stays; a
        worker that does not swap is replaced by one that starts with what is in force."""
        # Not within the lock: an update that is under way takes it for its own swap.
        if refused := await self.lists.compile_changed(self._settings_again):
            self.facts.reloads["failed"] += 1
            return {"failed": refused, "revision": self.facts.revision}
        async with self._reloading:
            try:
                settings = await asyncio.to_thread(self._settings_again)
                engine = await asyncio.to_thread(self._accept, settings)
            except Exception as error:
                self.facts.reloads["failed"] += 1
                return {"failed": _told(error), "revision": self.facts.revision}
            later = restart_needed(self._started_with, settings)
            later += ["data"] if data_named(self.settings_file) != self._data_named else []
            self.settings = settings
            for name in later:
                logger.warning("reload: %s changed, but only a restart puts it in force", name)
            return {**await self._swap_and_tell(engine), "restart_needed": later}

    async def take_policy(self) -> dict[str, Any]:
        """Put in force what was published in the console, if it is not yet. Refused, the old one stays."""
        async with self._reloading:
            try:
                version = await asyncio.to_thread(policytaking.waiting, self.settings)
                if version is None:
                    return {"reloaded": self.facts.revision, "workers": len(self.workers), "replaced": []}
                engine = await asyncio.to_thread(policytaking.take, self.settings, version, self._accept)
            except Exception as error:
                self.facts.reloads["failed"] += 1
                return {"failed": _told(error), "revision": self.facts.revision}
            return await self._swap_and_tell(engine)

    async def take_lists(self) -> dict[str, Any]:
        """Have every worker swap to the lists just put in force. Policy and settings stay as they are."""
        async with self._reloading:
            try:
                engine = await asyncio.to_thread(self._open_verified)
            except Exception as error:
                self.facts.reloads["failed"] += 1
                return {"failed": _told(error), "revision": self.facts.revision}
            return await self._swap_and_tell(engine)

    async def take_ca(self) -> dict[str, Any]:
        """Have every worker sign with the CA that is now in the data folder; open connections go on."""
        async with self._reloading:
            try:
                authority = await asyncio.to_thread(firstrun.authority_again, self.settings)
            except Exception as error:
                return {"failed": _told(error)}
            self.facts.ca_ends = authority.not_after.timestamp()
            failed = await self._swap({"do": "ca"})
        return {"fingerprint": authority.fingerprint, "workers": len(self.workers) - len(failed), "replaced": failed}

    async def _swap_and_tell(self, engine: Engine) -> dict[str, Any]:
        failed = await self._swap()
        self._note_engine(engine)
        self.facts.reloads["failed" if failed else "ok"] += 1
        if failed:
            self._served = ()  # statutory lists may be among what they did not take: asked again soon
        return {"reloaded": engine.revision, "workers": len(self.workers) - len(failed), "replaced": failed}

    def _settings_again(self) -> Settings:
        """The settings as the file has them now; the data folder never moves under a running gateway."""
        if self.settings_file is None:
            return self.settings
        return load_settings(self.settings_file).model_copy(update={"data": self.settings.data})

    def _note_engine(self, engine: Engine) -> None:
        self.facts.revision = engine.revision
        self.facts.loaded_at = time.time()
        self.facts.lists = tuple(engine.index.lists)
        self._served = self._statutory.standing.served_at(datetime.now(UTC))
        self.facts.statutory = lambda: not self._statutory.standing.problems(datetime.now(UTC))

    def _note_decision(self) -> None:
        """A decision changes the engine without a reload: tell its revision once every worker has it."""
        known = {child.revision for child in self.workers if child.ready.is_set()}
        if len(known) == 1:
            self.facts.revision = known.pop()

    def _clean(self) -> None:
        for path in (socket_path(self.settings.data), self.run_folder / "ports.json"):
            path.unlink(missing_ok=True)


def _told(error: Exception) -> str:
    """Why a reload was refused, for the person who asked; what is nobody's mistake goes to the log with its trace."""
    if isinstance(error, TROUBLES):
        logger.warning("reload refused, the old engine stays: %s", in_words(error))
        return in_words(error)
    logger.exception("reload failed; the old engine stays")
    return errorwords.in_words(error)
