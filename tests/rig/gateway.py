"""A real gateway: the installed `schoolgate run`, on free ports, with a data folder of its own.

In: a folder and settings. Out: a running process tree to send traffic through, its records, its ports, its pids.
`stop` is Ctrl-C and checks that nothing stays behind; a gateway that a test leaves is killed and its log shown.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import psutil
import yaml

from logstore.filter import LogFilter
from logstore.query import search
from logstore.rows import Row
from proxy.settings import load_settings
from tests.rig.ties import tied
from tests.rig.waiting import wait_for

COMMAND = Path(sys.executable).with_name("schoolgate")
"""The installed command of the environment the tests run in."""
READY = 60.0
"""Seconds a gateway may take from start to ready, lists compiled; generous for a busy machine."""
POLICY = Path(__file__).with_name("policy.yaml")
"""The laboratory's policy."""

PLACES: tuple[dict[str, Any], ...] = (
    {"network": "127.0.1.0/24", "site": "oakwood", "band": "ks2", "groups": ["year-4"]},
    {"network": "127.0.1.10", "site": "oakwood", "device": "oak-y4-laptop-10", "band": "ks2", "groups": ["year-4"]},
    {"network": "127.0.2.0/24", "site": "oakwood", "band": "staff", "groups": ["teaching-staff"]},
    {"network": "127.2.0.0/16", "site": "oakwood", "band": "staff", "groups": ["teaching-staff"]},
    {"network": "127.0.3.0/24", "site": "hillview", "band": "ks4"},
)
"""What the loopback addresses of the laboratory stand for."""
YEAR_4 = "127.0.1.10"
"""A Year 4 laptop at Oakwood."""
TEACHER = "127.0.2.10"
"""A machine in Oakwood's staff room."""
HILLVIEW = "127.0.3.10"
"""A machine of a Year 11 pupil at Hillview."""


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`more` laid over `base`, section by section."""
    result = dict(base)
    for key, value in more.items():
        below = result.get(key)
        result[key] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


@dataclass
class Gateway:
    """One gateway; start it with `start`, use it, and `stop` it."""

    folder: Path
    """Folder of its own: settings, policy, data and log."""
    origin: str | None = None
    """`address:port` every unknown name leads to."""
    trust: Path | None = None
    """PEM of the origins' authority."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Laid over the laboratory's settings."""
    policy: Path | None = POLICY
    """Policy file, copied into the folder; None leaves the built-in preset."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the process environment."""
    prefix: Sequence[str] = ()
    """Words before the command: `setpriv …`."""

    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    metrics_port: int = 0
    console_port: int = 0
    _family: list[psutil.Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.file = self.folder / "schoolgate.yaml"
        self.log = self.folder / "gateway.log"
        if self.policy is not None:
            shutil.copy(self.policy, self.folder / "policy.yaml")
        self.write_settings(self.settings)

    def write_settings(self, more: Mapping[str, Any]) -> None:
        """Write the settings file: the laboratory's, with `more` laid over."""
        base: dict[str, Any] = {
            "data": "data",
            "proxy": {
                "host": "127.0.0.1",
                "port": 0,
                "workers": 1,
                "drain": 3,
                "requests_per_client": 0,  # few addresses stand for many machines, and benchmarks ask all they can
                "hosts": {"*": self.origin} if self.origin else {},
                "upstream_trust": [str(self.trust)] if self.trust else [],
            },
            "metrics": {"port": 0},
            "console": {"enabled": False, "port": 0},
            "spool": {"fold_repeats": False},  # tests count rows; for floods: tests/e2e/test_flood.py
            "identity": {"sign_in": "optional", "places": list(PLACES)},
        }
        if self.policy is not None:
            base["policy"] = "policy.yaml"
        self.file.write_text(yaml.safe_dump(merged(base, more)), encoding="utf-8")

    @property
    def address(self) -> tuple[str, int]:
        """Where the proxy listens."""
        return "127.0.0.1", self.port

    @property
    def proxy_url(self) -> str:
        """The proxy, as clients write it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca_cert(self) -> Path:
        """What a device must trust."""
        return self.data / "ca" / "ca-cert.pem"

    @property
    def output(self) -> str:
        """Everything it has said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    # -- life ---------------------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the process and return at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *tied(), str(COMMAND), "--settings", str(self.file), "run"],
                cwd=self.folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start(self, seconds: float = READY) -> Gateway:
        """Start it and wait until it takes connections."""
        ports = self.data / "run" / "ports.json"
        ports.unlink(missing_ok=True)
        self.launch()

        def ready() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.output[-4000:]}")
            with contextlib.suppress(OSError, ValueError, KeyError):
                told = json.loads(ports.read_text())
                self.port, self.metrics_port = told["proxy"], told["metrics"]
                self.console_port = told.get("console", 0)
                return self.reached()
            return False

        try:
            wait_for(ready, "the gateway to be ready", seconds=seconds)
        except AssertionError:
            self.kill()
            raise
        return self

    def reached(self) -> bool:
        """Whether it takes connections. Raises `OSError` when not."""
        with socket.create_connection(self.address, 1):
            return True

    def family(self) -> list[psutil.Process]:
        """The process and everything it started that is alive."""
        if self.process is None or self.process.poll() is not None:
            return []
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self, seconds: float = 30.0) -> int:
        """Press Ctrl-C, wait for the end, and check that no process and no open port stays behind."""
        assert self.process is not None, "not started"
        family = self.family()
        self.interrupt()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(family)
            raise AssertionError(f"still running {seconds:g} s after Ctrl-C:\n{self.output[-4000:]}") from None
        _, alive = psutil.wait_procs(family, timeout=3)
        self.kill(family)
        assert not alive, f"left behind: {alive}\n{self.output[-4000:]}"
        assert not listening(self.port), f"port {self.port} is still open"
        return code

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole foreground process group."""
        assert self.process is not None, "not started"
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self, family: Sequence[psutil.Process] = ()) -> None:
        """End it and what it started, by pid; for tests that went wrong."""
        ended = [*family, *self.family()]
        for process in ended:
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self.process is not None:
            self.process.wait(10)
        psutil.wait_procs(ended, timeout=10)

    def pids(self, kind: str) -> list[int]:
        """Living processes whose pid file in the run folder is named after `kind`: `worker`, `shipper`."""
        found = []
        for file in sorted((self.data / "run").glob(f"{kind}*.pid")):
            with contextlib.suppress(OSError, ValueError):
                pid = int(file.read_text().split()[0])
                if psutil.pid_exists(pid):
                    found.append(pid)
        return found

    def kill_one(self, kind: str) -> int:
        """SIGKILL one process of that kind and return its pid."""
        pid = wait_for(lambda: self.pids(kind), f"a {kind} to be there")[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    # -- asking -------------------------------------------------------------------------------------------------

    def command(self, *words: str, text: str | None = None, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `schoolgate --settings … WORDS` beside it."""
        return subprocess.run(
            [str(COMMAND), "--settings", str(self.file), *words],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def start_command(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `schoolgate --settings … WORDS` beside it, and go on."""
        return subprocess.Popen(
            [*tied(), str(COMMAND), "--settings", str(self.file), *words],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
        )

    def rows(self, **wanted: Any) -> list[dict[str, Any]]:
        """Rows of the record, newest first, that have every wanted value."""
        known = {field.name for field in fields(LogFilter)}
        narrow = {key: value for key, value in wanted.items() if key in known}
        store = load_settings(self.file).model_copy(update={"data": self.data}).store
        if isinstance(store, Path) and not (store / "catalog.db").exists():
            return []
        found: list[dict[str, Any]] = []
        before = None
        while True:
            page = search(store, LogFilter(**narrow), limit=500, before=before)
            found += [as_dict(row) for row in page.rows]
            if page.next is None:
                break
            before = page.next
        return [row for row in found if all(row.get(key) == value for key, value in wanted.items())]

    def wait_for_rows(self, count: int = 1, *, seconds: float = 20.0, **wanted: Any) -> list[dict[str, Any]]:
        """Wait until at least `count` rows fit, and return them; more than `count` is a failure."""
        rows = wait_for(
            lambda: (found := self.rows(**wanted)) if len(self.rows(**wanted)) >= count else [],
            f"{count} rows with {wanted}",
            seconds=seconds,
        )
        assert len(rows) == count, f"{len(rows)} rows instead of {count}: {rows}"
        return rows

    def metrics(self) -> str:
        """What Prometheus would scrape."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            return answer.read().decode()


def as_dict(row: Row) -> dict[str, Any]:
    """A row of the record as name → value; what was tightened later has the last word, `ending` says how it ended."""
    facts = {**asdict(row.ending), **asdict(row.record), "url": row.record.url, "ending": str(row.ending.kind)}
    for name in ("action", "blocked", "reason", "rule", "category", "stage", "page"):
        facts[name] = getattr(row, name)
    return facts


def listening(port: int) -> bool:
    """True while somebody answers on that loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def quiet_until(moment: float) -> None:
    """Sleep until a moment of `time.monotonic()`; only for pacing slow clients, never for waiting on an outcome."""
    time.sleep(max(0.0, moment - time.monotonic()))
