"""What a passed-through byte costs: this gateway against stock mitmproxy's pass-through, in one run.

    python -m benchmarks.relay [--megabytes N] [--rounds N]

A client opens a tunnel with a real ClientHello for a host that is not decrypted; behind it stands an origin of bytes
in a process of its own. Down and up are measured apart, each round with a fresh tunnel; the CPU time is that of the
proxy's processes, user and system. Number and digest of the bytes are checked at the far end every time.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import multiprocessing
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from benchmarks.targets import Target, machine
from tests.rig.gateway import Gateway
from tests.rig.waiting import wait_for

REACH = Target("passed-through MB per CPU-second, down, the median", 800.0, at_least=True)
HOST = "big.bank.example"
PIECE = bytes(range(256)) * 1024
"""256 KiB."""


def _hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def _digest_of(end: socket.socket) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    while data := end.recv(1 << 20):
        digest.update(data)
        size += len(data)
    return size, digest.hexdigest()


def _origin(listener: socket.socket, told: Connection) -> None:
    """Serve one tunnel after the other: `down N` sends N pieces, `up` swallows and tells what it got."""
    while True:
        way, pieces = told.recv()
        connection, _ = listener.accept()
        with connection:
            head = connection.recv(5, socket.MSG_WAITALL)
            connection.recv(struct.unpack(">H", head[3:5])[0], socket.MSG_WAITALL)
            if way == "down":
                for _ in range(pieces):
                    connection.sendall(PIECE)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
            else:
                connection.sendall(b"!")
                told.send(_digest_of(connection))


@contextlib.contextmanager
def _schoolgate(folder: Path, origin: str) -> Iterator[tuple[int, Callable[[], list[psutil.Process]]]]:
    gateway = Gateway(folder, origin=origin, settings={"identity": {"sign_in": "off"}})
    try:
        gateway.start()
        yield gateway.port, lambda: [psutil.Process(pid) for pid in gateway.pids("worker")]
        gateway.stop()
    finally:
        gateway.kill()


@contextlib.contextmanager
def _stock(folder: Path, origin: str) -> Iterator[tuple[int, Callable[[], list[psutil.Process]]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("mitmdump")), "-q", "--listen-host", "127.0.0.1", "-p", str(port)]
    command += ["--set", f"confdir={folder}", "--set", "connection_strategy=lazy", "--ignore-hosts", ".*"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def there() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_for(there, "mitmdump to listen", seconds=60)
        yield port, lambda: [psutil.Process(process.pid)]
    finally:
        process.terminate()
        process.wait(20)


def _one(port: int, target: str, way: str, pieces: int, told: Connection) -> None:
    """One tunnel, `pieces` one way. Raises `RuntimeError` when a byte is missing or wrong."""
    expected = (pieces * len(PIECE), _expected(pieces))
    told.send((way, pieces))
    with socket.create_connection(("127.0.0.1", port)) as end:
        end.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += end.recv(1)
        if b" 200 " not in head:
            raise RuntimeError(f"CONNECT was answered {head!r}")
        end.sendall(_hello())
        if way == "down":
            got = _digest_of(end)
        else:
            if end.recv(1) != b"!":
                raise RuntimeError("the origin was not reached")
            for _ in range(pieces):
                end.sendall(PIECE)
            end.shutdown(socket.SHUT_WR)
            got = told.recv()
    if got != expected:
        raise RuntimeError(f"{way}: {got} arrived instead of {expected}")


_digests: dict[int, str] = {}


def _expected(pieces: int) -> str:
    if pieces not in _digests:
        digest = hashlib.sha256()
        for _ in range(pieces):
            digest.update(PIECE)
        _digests[pieces] = digest.hexdigest()
    return _digests[pieces]


def _cpu(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def main() -> int:
    """Measure both, tell; 1 when the target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=512, help="MiB a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds each way")
    args = parser.parse_args()
    print(machine())
    pieces = args.megabytes * (1 << 20) // len(PIECE)
    reached: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        told, theirs = multiprocessing.Pipe()
        origin = multiprocessing.get_context("fork").Process(target=_origin, args=(listener, theirs), daemon=True)
        origin.start()
        # stock mitmproxy has no table of hosts: it is asked for the origin's address itself
        proxies = {"schoolgate": (_schoolgate, f"{HOST}:443"), "stock mitmdump": (_stock, address)}
        for kind, (start, target) in proxies.items():
            folder = Path(name) / kind.replace(" ", "-")
            with start(folder, address) as (port, processes):
                for way in ("down", "up"):
                    _one(port, target, way, 64, told)
                    rates, walls = [], []
                    for _ in range(args.rounds):
                        cpu, wall = _cpu(processes()), time.perf_counter()
                        _one(port, target, way, pieces, told)
                        walls.append(args.megabytes * 1.048576 / (time.perf_counter() - wall))
                        rates.append(args.megabytes * 1.048576 / (_cpu(processes()) - cpu))
                    reached[kind, way] = statistics.median(rates)
                    spread = ", ".join(f"{rate:,.0f}" for rate in sorted(rates))
                    print(
                        f"{kind:15} {way:5} {statistics.median(rates):6,.0f} MB per CPU-second ({spread}); "
                        f"{statistics.median(walls):,.0f} MB/s by the clock"
                    )
        origin.terminate()
    for way in ("down", "up"):
        print(f"ratio {way}: {reached['schoolgate', way] / reached['stock mitmdump', way]:.2f}")
    met = REACH.tell(reached["schoolgate", "down"])
    print(machine())
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
