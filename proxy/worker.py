"""One worker: an event loop, the embedded host, and the parts it works with.

Needs two things on local disk: the compiled lists to read and the spool to append to. Everything else (database,
console, list updates) may be away. Told to reload or stop by its supervisor over a socket; when the supervisor dies, it
drains and goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from addons.answerpace import AnswerPace
from addons.grants import Grants
from addons.httplayers import HeadLimits, install
from addons.live import Live
from addons.metrics import Metrics
from addons.openconnections import OpenConnections
from addons.pacing import Pace
from addons.pagebody import PageLimits
from addons.pages import Surroundings
from addons.recheck import recheck
from addons.requestpace import RequestPace
from addons.reviewanswers import read_answers
from addons.uploadpace import UploadPace
from categories.taxonomy import load_taxonomy
from identity.attempts import Attempts
from identity.basic import PasswordCheck
from identity.overlay import OverlayWatch, read_overlay
from logstore.flood import Flood
from logstore.gateways import node_of
from logstore.ids import RecordIds
from logstore.spool import SpoolLimits, SpoolWriter
from policy.engine import Engine
from policy.rows import Policy
from proxy import assembly
from proxy.ca import passphrase_from
from proxy.cahandout import handed_out
from proxy.decided import decided_in, overlay_file
from proxy.firstrun import HOST_FOLDER
from proxy.forming import Forming
from proxy.listening import Arrivals, Farewell
from proxy.master import GatewayMaster, HostOptions
from proxy.metrics import reserve_room
from proxy.outbound import OutboundLoop
from proxy.settings import Settings
from proxy.sharedcounts import open_shared
from proxy.trust import upstream_trust

logger = logging.getLogger(__name__)

OVERLAY_POLL = 0.2
"""Seconds between looks at the overlay: a disabled user is refused within a second (B-21)."""
SPOOL_SECONDS = 1.0
"""Seconds after which what waits for the next event of the spool is written without one."""
SWITCH_SECONDS = 0.001
"""Longest a lesson waits for the thread that builds an engine, each time the two want to run (Python: 5 ms)."""


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """Which worker this is and what it was given."""

    number: int
    """From 0."""
    port: int
    """Port all workers share."""
    metrics_port: int
    """Port of the metrics, which the proxy never connects to."""
    control: int
    """File descriptor of the socket to the supervisor."""
    console_port: int = 0
    """Port of the console, which the proxy never connects to; 0 without one."""
    listeners: tuple[int, ...] = ()
    """File descriptors of the sockets to listen on, bound; none to make one."""
    redirected: tuple[int, ...] = ()
    """File descriptors of the sockets where redirected traffic arrives."""
    transparent_ports: tuple[int, ...] = ()
    """Their ports."""
    counts: int | None = None
    """File descriptor of what workers count together; None to count alone."""

    def own_ports(self, settings: Settings) -> tuple[int, ...]:
        """Ports of this gateway: nobody reaches them through it."""
        console = (self.console_port, settings.console.port) if settings.console.enabled else ()
        ours = (self.port, self.metrics_port, settings.proxy.port, settings.metrics.port)
        return (*ours, *console, *self.transparent_ports)


def make_live(settings: Settings, place: WorkerPlace, engine: Engine) -> Live:
    """The worker's parts. Raises what they raise: a worker that cannot be right does not listen."""
    own_ports = place.own_ports(settings)
    secret = assembly.shared_secret(settings)
    counts = open_shared(place.counts)
    book = counts.attempts(place.number, secret) if counts is not None else None
    spool = SpoolWriter(
        settings.data / "spool",
        f"gateway{settings.gateway.number}_worker{place.number}",
        limits=SpoolLimits(max_bytes=settings.spool.max_bytes),
        strict=settings.spool.strict,
        flood=Flood() if settings.spool.fold_repeats else None,
    )
    return Live(
        engine=engine,
        directory=assembly.open_directory(settings),
        spool=spool,
        ids=RecordIds(node_of(settings.gateway.number, place.number), floor=spool.id_floor),  # no id twice, clock or no
        worker="-".join(filter(None, (settings.gateway.name, f"worker{place.number}"))),
        metrics=Metrics(REGISTRY),
        destinations=assembly.destinations(settings, own_ports),
        passwords=PasswordCheck(attempts=Attempts(book)),
        grants=Grants(settings.data / "run" / "grants", secret),
        secret=secret,
        sign_in=settings.identity.sign_in,
        realm=settings.identity.realm,
        connect_ports=frozenset(settings.proxy.connect_ports),
        http_ports=frozenset(settings.proxy.http_ports),
        connections=counts.connections(place.number, secret) if counts is not None else OpenConnections(),
        connections_per_client=settings.proxy.connections_per_client,
        pace=counts.pace(place.number, secret) if counts is not None else RequestPace(),
        requests_per_client=settings.proxy.requests_per_client,
        upload_limit=settings.proxy.upload_limit,
        pages=PageLimits(**settings.pages.model_dump()),
        handout=handed_out(settings.data / "ca", settings.ca.page),
        surroundings_by_site=surroundings(engine.policy, settings),
        when_full=settings.spool.when_full,
    )


def surroundings(policy: Policy, settings: Settings) -> dict[str | None, Surroundings]:
    """What pages say of each school: its name, its time."""
    common: dict[str, Any] = {
        "contact": settings.contact,
        "realm": settings.identity.realm,
        "categories": load_taxonomy(),
    }
    zone = policy.timetable_of(None).zone
    told: dict[str | None, Surroundings] = {None: Surroundings(school=policy.trust, zone=zone, **common)}
    for name, site in policy.sites.items():
        told[name] = Surroundings(school=site.title, zone=policy.timetable_of(name).zone, **common)
    return told


class Worker:
    """Runs one worker until it is told to stop."""

    def __init__(self, settings: Settings, place: WorkerPlace) -> None:
        self.settings = settings
        self.place = place
        self.forming = Forming(settings)
        self.live = make_live(settings, place, self.forming.engine)
        self.stopping = asyncio.Event()
        self.master: GatewayMaster | None = None
        self._supervisor: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Listen, serve, drain."""
        settings = self.settings
        install(HeadLimits(size=settings.proxy.head_limit, seconds=settings.proxy.head_timeout))
        passphrase = passphrase_from(os.environ, settings.ca.passphrase_file)
        told = HostOptions(
            listen_host=settings.proxy.host,
            listen_port=self.place.port,
            confdir=settings.data / "run" / HOST_FOLDER,
            upstream_trust=upstream_trust(settings, settings.data / "run"),
            idle_timeout=settings.proxy.idle_timeout,
            tunnel_timeout=settings.proxy.tunnel_timeout,
            arrivals=Arrivals(
                tuple(socket.socket(fileno=number) for number in self.place.listeners),
                tuple(map(ipaddress.ip_network, settings.proxy.balancers)),
                tuple(socket.socket(fileno=number) for number in self.place.redirected),
            ),
            passphrase=passphrase.decode() if passphrase is not None else None,
        )
        self.master = master = GatewayMaster(self.live, told)
        serving = asyncio.create_task(master.run(), name="host")
        watching = (self._listen_to_supervisor(), self._watch_overlay(), self._settle_spool())
        side = [asyncio.create_task(one) for one in watching]
        side += [asyncio.create_task(_watch_pace(master, pace)) for pace in self._paces()]
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stopping.set)
        stopped = asyncio.create_task(self.stopping.wait())
        # A worker that no longer hears decisions must not go on with old ones: it ends, and is started anew.
        await asyncio.wait({serving, stopped, *side}, return_when=asyncio.FIRST_COMPLETED)
        try:
            await self._end(master, serving, side)
        finally:
            self.live.spool.shut()

    async def _end(self, master: GatewayMaster, serving: asyncio.Task[None], side: list[asyncio.Task[None]]) -> None:
        """Say why, let open connections come to their end, stop."""
        for task in side:
            if task.done() and (trouble := task.exception()) is not None:
                logger.error("this worker cannot go on: %s", type(trouble).__name__, exc_info=trouble)
        cut = await master.drain(self.settings.proxy.drain)
        if cut:
            logger.warning("%d connections were still open and were cut", cut)
        master.shutdown()  # type: ignore[no-untyped-call]
        with contextlib.suppress(SystemExit):
            await serving
        for task in side:
            task.cancel()
        self.live.metrics.tallies.tell()

    async def _listen_to_supervisor(self) -> None:
        """One JSON object a line, both ways. End of file: the supervisor is gone."""
        end = socket.socket(fileno=self.place.control)
        reader, writer = await asyncio.open_connection(sock=end)
        await self._until_listening()
        settle_memory()
        await _tell(writer, {"ready": os.getpid(), **self._in_force()})
        self._supervisor = writer
        while line := await reader.readline():
            order: dict[str, Any] = json.loads(line)
            answer = await self._obey(order)
            await _tell(writer, {**answer, "order": order.get("order")})
        self.stopping.set()

    async def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        match order.get("do"):
            case "reload":
                return await self._reload(order.get("verified", ""))
            case "leave" if self.master is not None:
                self._leaving = asyncio.create_task(self._leave(self.master, float(order["seconds"])))
                return {"leaving": len(self.master.server.connections)}
            case "ca" if self.master is not None:
                return self._take_ca(self.master)
            case _:
                return {"here": True}

    async def _leave(self, master: GatewayMaster, seconds: float) -> None:
        """A successor accepts connections now. Those that are open here go on until they end, or `seconds` are over."""
        await master.server.servers.update([])
        master.addons.add(Farewell())
        end = asyncio.get_running_loop().time() + seconds
        while master.server.connections and asyncio.get_running_loop().time() < end and not self.stopping.is_set():
            await asyncio.sleep(0.1)
        self.stopping.set()

    def _take_ca(self, master: GatewayMaster) -> dict[str, Any]:
        """Sign with the CA that was laid out anew; what is open goes on with the certificate it was shown."""
        try:
            master.tls.read_authority()
        except Exception as error:
            logger.exception("the new CA cannot be used; the old one goes on")
            return {"failed": f"{type(error).__name__}: {error}"}
        return {"ca": master.tls.certstore.default_ca.fingerprint().hex()}

    async def _until_listening(self) -> None:
        while self.master is None or not self.master.listening:
            await asyncio.sleep(0.01)

    def _in_force(self) -> dict[str, str]:
        return {"revision": self.live.engine.revision, "overlay": self.forming.decided.revision}

    async def _reload(self, verified: str) -> dict[str, Any]:
        """Build aside, swap by one reference. The old engine stays on any failure."""
        try:
            await self.forming.reload(verified)
            self.live.surroundings_by_site = surroundings(self.forming.engine.policy, self.settings)
            self._take_engine()
        except Exception as error:
            logger.exception("reload failed; the old engine stays")
            return {"failed": f"{type(error).__name__}: {error}"}
        return {"reloaded": self.live.engine.revision, **self._in_force()}

    async def _watch_overlay(self) -> None:
        """Take a new overlay as soon as it is there; look again when a decision in it is over."""
        watch = OverlayWatch(overlay_file(self.settings))
        minute = 0
        while True:
            await asyncio.sleep(OVERLAY_POLL)
            # The minute is the unit schedules are written in: a game opened at lunch ends when the lesson begins.
            if (now := int(self.live.now().timestamp()) // 60) != minute:
                self._recheck()
                minute = now
            changed = watch.changed()
            if not changed and not self.forming.due(self.live.now()):
                continue
            try:
                await self._take_overlay(read=changed)
            except Exception:
                logger.exception("the new overlay cannot be used; what was decided before stays")

    async def _settle_spool(self) -> None:
        """The last flood before a quiet hour is over, too."""
        while True:
            await asyncio.sleep(SPOOL_SECONDS)
            self.live.spool.settle()

    def _paces(self) -> Iterator[Pace[Any]]:
        """What ends uploads and answers that hold a connection and come to nothing."""
        told = self.settings.proxy
        if told.upload_rate:
            yield UploadPace(self.live, told.upload_rate, told.upload_patience)
        if told.answer_rate:
            yield AnswerPace(self.live, told.answer_rate, told.idle_timeout, told.tunnel_timeout)

    async def _take_overlay(self, *, read: bool) -> None:
        """People first: they need no engine. Then decisions about pages, once an engine of them is built."""
        decided = None
        try:
            if read:
                overlay = read_overlay(overlay_file(self.settings))
                self.live.directory = overlay.directory
                self.live.answers = read_answers(overlay.decided.get("answers", ()))
                decided = decided_in(overlay)
            await self.forming.decide(decided)
        finally:
            self._take_engine()
        if self._supervisor is not None:
            await _tell(self._supervisor, {"took": self._in_force()})

    def _take_engine(self) -> None:
        """One reference, read anew by every decision; then what is open is looked at again."""
        self.live.engine = self.forming.engine
        self._recheck()

    def _recheck(self) -> None:
        """What changed takes effect on open connections too (design §5.12)."""
        if self.master is not None:
            recheck(self.live, list(self.master.server.connections.values()))


def settle_memory() -> None:
    """What was made to begin with is old from here on. The engine is not frozen: a frozen one would outlive its swap,
    and beside nothing old every new one would be reason for a full collection in the middle of a lesson.

    How often Python collects stays as Python has it: after 2,000 new objects, 1.4 ms each time. Rarer collections cost
    more in all, and each stops every lesson for as long as it has to do (docs/decisions/0017)."""
    gc.collect()


async def _watch_pace(master: GatewayMaster, pace: Pace[Any]) -> None:
    while True:
        await asyncio.sleep(pace.pause)
        pace.look(list(master.server.connections.values()), asyncio.get_running_loop().time())


async def _tell(writer: asyncio.StreamWriter, what: dict[str, Any]) -> None:
    writer.write(json.dumps(what).encode() + b"\n")
    await writer.drain()


def run_worker(settings: Settings, place: WorkerPlace) -> int:
    """The worker process."""
    if (folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR")) and not reserve_room(Path(folder), os.getpid()):
        logger.warning("the disk is full: this worker's counters have no room of their own")
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # modules: they stay, and no collection need walk them

    async def main() -> None:
        await Worker(settings, place).run()

    loop = OutboundLoop()
    loop.connect_timeout = settings.proxy.connect_timeout
    own_ports = place.own_ports(settings)
    loop.destinations = assembly.destinations(settings, own_ports)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    return 0
