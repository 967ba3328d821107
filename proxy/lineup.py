"""The processes of a gateway: settings and ports in, the children that are to be kept running out. Nothing is started.

The shipper first, the workers last: in this order they are started, and the workers end first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from logstore.ids import WORKERS
from proxy.children import Child
from proxy.listeners import Listener
from proxy.reserving import Doors
from proxy.settings import Settings


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a gateway listens."""

    proxy: int
    """Port all workers share."""
    metrics: int
    """Port of the metrics."""
    console: int
    """Port of the console."""
    transparent: tuple[Listener, ...] = ()
    """Where redirected traffic arrives."""


def line_up(
    settings: Settings,
    arguments: Sequence[str],
    ports: Ports,
    run_folder: Path,
    metrics_folder: Path,
    counts: int | None = None,
) -> list[Child]:
    """Shipper, console and workers. `arguments`: what every command is told first."""

    def child(name: str, *words: str) -> Child:
        return Child(name, [*arguments, *words], run_folder=run_folder, environment=_environment(), control=False)

    children = [child("shipper", "shipper")]
    if settings.console.enabled:
        children.append(child("console", "console", "--under-run", "--port", str(ports.console)))
    for number in range(settings.proxy.workers or min(os.cpu_count() or 1, WORKERS)):
        doors = Doors(settings.proxy.host, ports.proxy, ports.transparent)
        children.append(line_up_worker(number, doors, arguments, ports, run_folder, metrics_folder, counts))
    return children


def line_up_worker(
    number: int,
    doors: Doors,
    arguments: Sequence[str],
    ports: Ports,
    run_folder: Path,
    metrics_folder: Path,
    counts: int | None = None,
) -> Child:
    """A worker of that number, which listens on those sockets. `counts`: descriptor of what workers count together."""
    told = ["--port", str(ports.proxy), "--metrics-port", str(ports.metrics), "--console-port", str(ports.console)]
    for place in ports.transparent:
        told += ["--transparent-port", str(place.port)]
    worker = Child(
        f"worker{number}",
        [*arguments, "worker", "--number", str(number), *told],
        run_folder=run_folder,
        environment={**_environment(), "PROMETHEUS_MULTIPROC_DIR": str(metrics_folder)},
        control=True,
        doors=doors,
        counts=counts,
    )
    worker.number = number
    return worker


def _environment() -> dict[str, str]:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    for name in ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE", "PROMETHEUS_MULTIPROC_DIR"):
        environment.pop(name, None)  # the first two would write every session key to a file
    return environment
