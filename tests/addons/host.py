"""The embedded host in this process, in a thread of its own, with real sockets: for tests that must reach inside.

End-to-end tests start `schoolgate run` instead (tests/rig); this is for breaking an addon on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi
from prometheus_client import CollectorRegistry

from addons.grants import Grants
from addons.httplayers import HeadLimits, install
from addons.live import Live
from addons.metrics import Metrics
from identity.basic import Cost, PasswordCheck
from identity.directory import Directory, Person, Place
from logstore.encoding import EventKind, decode_close, decode_open, decode_write
from logstore.ids import RecordIds
from logstore.reading import SpoolReader
from logstore.record import Ending, LogRecord
from logstore.spool import SpoolLimits, SpoolWriter
from policy.engine import Engine
from proxy import assembly
from proxy.ca import create_ca, prepare_confdir
from proxy.master import GatewayMaster, HostOptions
from proxy.outbound import OutboundLoop
from proxy.settings import ProxySettings, Settings
from tests.rig.waiting import wait_for

POLICY = """
schoolgate: 1
trust: Test Trust
timezone: Europe/London
sites: {oakwood: {title: Oakwood Primary}}
policies:
  - tier: default
    rules:
      - {rule: no-games, what: [games], action: block}
      - {rule: think, what: [chat], action: warn}
      - {rule: bank, what: ["host:bank.example"], action: bypass}
      - {rule: rest, who: [ks4, staff], action: allow}
"""
SECRET = b"s" * 32


class Host:
    """A running host. `live` is the worker's parts; `rows()` what reached the spool."""

    def __init__(
        self,
        folder: Path,
        origin: str,
        *,
        policy: str = POLICY,
        people: tuple[Person, ...] = (),
        trust: Path | None = None,
    ) -> None:
        self.folder = folder
        self.trust = trust or Path(certifi.where())
        self.settings = Settings(
            data=folder, proxy=ProxySettings(hosts={"*": origin}, private_destinations=(origin,), connect_timeout=3)
        )
        (folder / "policy.yaml").write_text(policy)
        self.authority = create_ca(folder / "ca", name="Test", at=datetime.now(UTC))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.live = self._make_live(assembly.open_engine(self.settings), people)
        self.master: GatewayMaster | None = None
        self.loop = OutboundLoop()
        self.loop.destinations = self.live.destinations

    def _make_live(self, engine: Engine, people: tuple[Person, ...]) -> Live:
        places = (Place("127.0.0.0/8", "oakwood", band="ks4"),)
        return Live(
            engine=engine,
            directory=Directory({person.name: person for person in people}, places, "1"),
            spool=SpoolWriter(self.folder / "spool", "test", limits=SpoolLimits()),
            ids=RecordIds(0),
            worker="test",
            metrics=Metrics(CollectorRegistry()),
            destinations=assembly.destinations(self.settings, (self.port,)),
            passwords=PasswordCheck(cost=Cost(memory=64, passes=1)),
            grants=Grants(self.folder / "grants", SECRET),
            secret=SECRET,
        )

    def addon(self, name: str) -> Any:
        """One of the addons in the chain, to be tampered with: its handlers are looked up again."""
        if self.master is None:
            raise RuntimeError("not running")
        self.master.addons.forget()
        return next(addon for addon in self.master.addons.chain if type(addon).__name__ == name)

    @property
    def proxy_url(self) -> str:
        """What a client is told."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    @property
    def ca_cert(self) -> Path:
        """The authority a client trusts."""
        return self.authority.cert

    def rows(self) -> list[LogRecord]:
        """The records in the spool, in order."""
        self._flush()
        reader = SpoolReader(self.folder / "spool")
        events = [event for producer in reader.producers() for event in reader.read(producer, 100_000)]
        readers = {EventKind.OPEN: decode_open, EventKind.WRITE: lambda payload: decode_write(payload)[0]}
        return [readers[kind](event.payload) for event in events if (kind := EventKind(event.kind)) in readers]

    def _flush(self) -> None:
        """Bring what was recorded to the disk: on the loop as long as it runs, for a spool has one thread."""
        if self.loop.is_running():
            self.call(self.live.spool.flush)
        else:
            self.live.spool.flush()

    def endings(self) -> dict[int, Ending]:
        """The endings in the spool, by record, of which each has one."""
        self._flush()
        reader = SpoolReader(self.folder / "spool")
        events = [event for producer in reader.producers() for event in reader.read(producer, 100_000)]
        found: dict[int, Ending] = {}
        for event in events:
            if EventKind(event.kind) is EventKind.WRITE:
                record, ending = decode_write(event.payload)
                number = record.id
            elif EventKind(event.kind) is EventKind.CLOSE:
                number, ending = decode_close(event.payload)
            else:
                continue
            assert number not in found, f"{number} ends twice: {found[number]}, {ending}"
            found[number] = ending
        return found

    def call(self, function: Callable[[], Any]) -> Any:
        """Run `function` on the host's loop."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    async def _main(self) -> None:
        install(HeadLimits(seconds=1.0))
        told = HostOptions(
            "127.0.0.1",
            self.port,
            prepare_confdir(self.folder / "ca", self.folder / "host"),
            self.trust,
            20,
        )
        self.master = GatewayMaster(self.live, told)
        await self.master.run()

    def _run(self) -> None:
        with contextlib.suppress(SystemExit), asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._main())

    @contextlib.contextmanager
    def running(self) -> Iterator[Host]:
        """Listen until the block ends."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        wait_for(self._listening, "the host to listen")
        try:
            yield self
        finally:
            master = self.master
            if master is not None:
                asyncio.run_coroutine_threadsafe(master.drain(1.0), self.loop).result(10)
                self.loop.call_soon_threadsafe(master.shutdown)
            thread.join(10)
            self.live.spool.shut()

    def _listening(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False
