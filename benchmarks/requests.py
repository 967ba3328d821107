"""What a request through the gateway costs, beside Squid, squidGuard, e2guardian and stock mitmproxy, in one run.

    python -m benchmarks.requests [--lists FOLDER] [--only NAME …] [--work NAME …] [--scale N] [--state FOLDER]

CPU is user and system time of all processes of a proxy, its helpers and, for ours, the record down to the store. Every
answer is checked; a listed site must be blocked by all that filter; the certificate must be the proxy's own; every
exchange through ours must have its row. A page that says banned words must be closed by all that read pages: ours has
e2guardian's phrase lists, all of them. Loopback only, the origin is the benchmark's. Needs root (Debian's packages, a
hosts file of its own in a mount namespace); without it, it says NOT MEASURED.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

from benchmarks.corpus import REAL, is_real, lists_tree, request_urls
from benchmarks.targets import Target, machine
from benchmarks.wire.clients import Conversation, Way, WrongAnswer, expect
from benchmarks.wire.ours import Measured
from benchmarks.wire.peers import NotHere, Place, Running, e2guardian, mitmdump, squid
from benchmarks.wire.site import ADDRESS, Site
from benchmarks.wire.work import DOWNLOADED, Figures, Inner, Settle, Work, measure, names, workloads

LISTED = "adult"
"""Folder of the tree whose hosts must be blocked."""
BLOCKED_HOSTS = 10
PEERS: dict[str, Callable[[Place], Running]] = {
    "mitmdump": mitmdump,
    "squid": lambda place: squid(place, guard=False),
    "squid + squidGuard": lambda place: squid(place, guard=True),
    "e2guardian": e2guardian,
}
RIVAL = "squid + squidGuard"
OURS = "schoolgate"
BESIDE = "schoolgate beside"
TARGETS = {
    "https-1k": (RIVAL, Target("CPU of an inspected 1 kB request, to Squid + squidGuard", 1.0)),
    "tls-new": (RIVAL, Target("CPU of a new inspected connection, to the same", 1.0)),
    "html-50k": ("e2guardian", Target("CPU of a 50 kB page, to e2guardian's", 0.1)),
}

BYTES = Target("inspected download, megabytes for a CPU-second", 250, "MB", at_least=True)


def main() -> int:
    """Start each, measure each, compare; 1 when a target was missed or an answer wrong."""
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="these proxies")
    parser.add_argument("--work", nargs="*", default=(), metavar="NAME", help="these workloads")
    parser.add_argument("--beside", type=Path, help="another working copy of this project, measured in the same run")
    parser.add_argument("--json", type=Path, help="write every figure here")
    args = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        print("NOT MEASURED: the proxies need root: a hosts file of their own, ports 80 and 443, Debian's packages")
        return 0
    print(machine())
    with scratch(args.state) as folder:
        return run(folder, args)


def arguments(words: str | None) -> argparse.ArgumentParser:
    """What every measurement over the wire may be told; `words` describe it."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, default=REAL / "ut1", help="a UT1 tree, or the folder of its archives")
    parser.add_argument("--urls", type=Path, default=REAL / "urls" / "requests-dev.tsv.gz", help="URLs, one a line")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of requests")
    parser.add_argument("--state", type=Path, help="keep compiled lists here between runs")
    return parser


@contextmanager
def scratch(kept: Path | None) -> Iterator[Path]:
    """A folder that goes away, or the one that is kept; readable for proxies that give up root."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@dataclass
class Entrant:
    """A proxy that takes part."""

    running: Running | None
    """None for no proxy at all."""
    way: Way
    """How clients go."""
    settle: Settle = lambda: None
    """Waits until the work that follows answers is done."""
    inner: Inner | None = None
    """CPU seconds of the process that answers."""
    found: dict[str, Figures] = field(default_factory=dict)
    """What was measured, by workload."""


def run(folder: Path, args: argparse.Namespace) -> int:
    """Start all, then measure one workload after the other, each with all of them in the same minutes."""
    shutil.rmtree(folder / "authority", ignore_errors=True)  # kept lists are fine, certificates are made anew
    site = Site(folder / "authority")
    tree = kept_tree(args.lists, folder)
    works = [work for work in workloads(request_urls(args.urls, tree)) if not args.work or work.name in args.work]
    place = prepare(folder, tree, site.trust)
    entrants = {"direct": Entrant(None, Way(None, site.trust))}
    with ExitStack() as stack:
        stack.callback(site.stop)
        for name, start in PEERS.items():
            if args.only and name not in args.only:
                continue
            try:
                peer = start(place)
            except NotHere as reason:
                print(f"{name}: NOT MEASURED: {reason}")
                continue
            stack.callback(peer.stop)
            entrants[name] = Entrant(peer, peer.way)
        if not args.only or OURS in args.only:
            checkouts = {OURS: None} if args.beside is None else {BESIDE: args.beside, OURS: None}
            for name, checkout in checkouts.items():
                gateway = Measured(place, checkout)
                stack.callback(gateway.stop)
                entrants[name] = Entrant(gateway.running(), gateway.way, gateway.settle, gateway.worker_cpu)
        for entrant in entrants.values():
            check(entrant, place)
        for work in works:
            measure_all(work, entrants, args.scale)
            show(work, entrants)
        met = compare(entrants, judged=is_real(args.lists))
        if OURS in entrants:
            asked = entrants[OURS].way.exchanges
            met &= Target("exchanges without their row", 0).tell(asked - gateway.all_stored(asked))
    if args.json is not None:
        told = {name: {work: asdict(one) for work, one in entrant.found.items()} for name, entrant in entrants.items()}
        args.json.write_text(json.dumps(told, indent=1))
    print(machine())
    return 0 if met else 1


def kept_tree(lists: Path, folder: Path) -> Path:
    """The tree of lists, unpacked once."""
    note = folder / "tree"
    if note.exists():
        return Path(note.read_text())
    tree = lists_tree(lists, folder)
    note.write_text(str(tree))
    return tree


def prepare(folder: Path, tree: Path, trust: Path) -> Place:
    """What every proxy is given: names, lists, whom to trust."""
    real = (entry for entry in sorted(tree.iterdir()) if entry.is_dir() and not entry.is_symlink())
    categories = [entry.name for entry in real if any((entry / part).exists() for part in ("domains", "urls"))]
    blocked = listed(tree)
    hosts = folder / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{ADDRESS} {name}\n" for name in (*names(), *blocked)))
    return Place(folder, hosts, trust, tree, categories, blocked)


def listed(tree: Path) -> list[str]:
    """Some hosts of the tree that every filter must block."""
    with (tree / LISTED / "domains").open(encoding="utf-8", errors="replace") as lines:
        plain = (line.strip() for line in lines if line[0].isalpha() and line.count(".") == 1)
        return list(islice(plain, BLOCKED_HOSTS))


def check(entrant: Entrant, place: Place) -> None:
    """Equal work: pages come whole and are inspected, listed sites are closed. Raises `WrongAnswer`."""
    name = entrant.running.name if entrant.running else "direct"
    print(f"checking {name}", flush=True)
    with Conversation(entrant.way, "https://s0.wire.example/1k") as conversation:
        expect(conversation.ask("/1k"), f"{name}: https://s0.wire.example/1k", 1000)
        own = "Laboratory" not in conversation.issuer
    if own is not (entrant.running is not None):
        raise WrongAnswer(f"{name} shows a certificate of {conversation.issuer!r}")
    if entrant.running is None or not entrant.running.filters:
        return
    if entrant.running.scans and delivered(entrant.way, "https://s0.wire.example/bad50k", "/bad50k", 50_000):
        raise WrongAnswer(f"{name} lets a page through whose words are banned: it does not read pages")
    for host in place.blocked:
        for scheme in ("http", "https"):
            if delivered(entrant.way, f"{scheme}://{host}/"):
                raise WrongAnswer(f"{name} lets {scheme}://{host}/ through, which is listed")


def delivered(way: Way, url: str, path: str = "/1k", size: int = 1000) -> bool:
    """Whether the origin's page comes; a page that says it is blocked may have any status."""
    try:
        with Conversation(way, url) as conversation:
            answered = conversation.ask(path)
            if path == "/1k":
                conversation.asked = 0  # a row of another host
            return answered == (200, size)
    except (OSError, WrongAnswer):
        return False


def measure_all(work: Work, entrants: dict[str, Entrant], scale: float) -> None:
    """Each in turn, and again; of each the round with the least CPU counts."""
    for _ in range(work.rounds):
        for entrant in entrants.values():
            pid = entrant.running.pid if entrant.running else None
            figures = measure(work, entrant.way, pid, scale, entrant.settle, entrant.inner)
            best = entrant.found.get(work.name)
            if best is None or figures.cpu_ms < best.cpu_ms:
                entrant.found[work.name] = figures


def show(work: Work, entrants: dict[str, Entrant]) -> None:
    """One workload's table."""
    unit = "CPU s/GB" if work.megabytes else "CPU ms"
    print(f"\n{work.name}: {work.what}; {work.count:,} exchanges, {work.clients} clients; {machine()}")
    columns = ("answering", 11), ("kernel", 8), ("per s", 9), ("added p50", 11), ("added p99", 11), ("peak MB", 9)
    print(f"{'':20}{unit:>10}" + "".join(f"{name:>{width}}" for name, width in columns) + f"{'CPU to ours':>13}")
    ours = entrants[OURS].found[work.name].cpu_ms if OURS in entrants else 0.0
    direct = entrants["direct"].found[work.name]
    for name, entrant in entrants.items():
        one = entrant.found[work.name]
        if entrant.running is None:
            print(f"{name:20}{'':29}{one.per_second:9,.1f}{one.p50_ms:8.2f} ms{one.p99_ms:8.2f} ms  (wait)")
            continue
        scale = 1 / work.megabytes if work.megabytes else 1.0
        print(
            f"{name:20}{one.cpu_ms * scale:10.3f}{one.answering_ms * scale:11.3f}{one.system_share:8.0%}"
            f"{one.per_second:9,.1f}{one.p50_ms - direct.p50_ms:8.2f} ms{one.p99_ms - direct.p99_ms:8.2f} ms"
            f"{one.peak_mb:9.0f}{one.cpu_ms / ours if ours else 0:12.2f}x",
            flush=True,
        )


def compare(entrants: dict[str, Entrant], *, judged: bool) -> bool:
    """Tell the targets; whether all were met."""
    met = True
    for work, (rival, target) in TARGETS.items():
        both = [entrants[name].found.get(work) if name in entrants else None for name in (OURS, rival)]
        if both[0] is None or both[1] is None:
            print(f"{target.what}: NOT MEASURED")
            continue
        met &= target.tell(both[0].cpu_ms / both[1].cpu_ms, judged=judged)
    ours = entrants[OURS].found.get("download") if OURS in entrants else None
    if ours is None:
        print(f"{BYTES.what}: NOT MEASURED")
    else:
        met &= BYTES.tell(DOWNLOADED / ours.cpu_ms * 1e3)
    return met


if __name__ == "__main__":
    sys.exit(main())
