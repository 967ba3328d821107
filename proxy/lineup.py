"""The processes of a gateway: settings and ports in, the children that are to be kept running out. Nothing is started.

The shipper first, the workers last: in this order they are started, and the workers end first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from logstore.gateways import WORKERS
from proxy.children import Child
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


def line_up(
    settings: Settings, arguments: Sequence[str], ports: Ports, run_folder: Path, metrics_folder: Path
) -> list[Child]:
    """Shipper, console and workers. `arguments`: what every command is told first."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    for name in ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE", "PROMETHEUS_MULTIPROC_DIR"):
        environment.pop(name, None)  # the first two would write every session key to a file
    counted = {**environment, "PROMETHEUS_MULTIPROC_DIR": str(metrics_folder)}

    def child(name: str, *words: str, worker: bool = False) -> Child:
        told = counted if worker else environment
        return Child(name, [*arguments, *words], run_folder=run_folder, environment=told, control=worker)

    children = [child("shipper", "shipper")]
    if settings.console.enabled:
        children.append(child("console", "console", "--under-run", "--port", str(ports.console)))
    told = ["--port", str(ports.proxy), "--metrics-port", str(ports.metrics), "--console-port", str(ports.console)]
    for number in range(settings.proxy.workers or min(os.cpu_count() or 1, WORKERS)):
        children.append(child(f"worker{number}", "worker", "--number", str(number), *told, worker=True))
    return children
