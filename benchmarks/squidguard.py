"""Ours and squidGuard's, side by side: the same UT1 lists, the same URLs, the same machine, one run.

    python -m benchmarks.squidguard [--lists FOLDER] [--urls FILE] [--count N]

One question: how much CPU does one decision cost each, and do they agree? squidGuard (Debian's package; installed when
root) gets its `.db` files built first and answers on standard input; ours decides in process with every category of the
tree blocked. CPU is user + system time of the deciding process, start-up taken off. Every disagreement is put in a
class by the listed entry that shows it, and the run fails when one has none or when our CPU is not at least twenty
times less (design §6).
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import Process
from pathlib import Path
from urllib.parse import unquote

from benchmarks.corpus import REAL, is_real, lists_tree, request_urls
from benchmarks.targets import Target, machine
from categories.names import NameProblem, Url, canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Request
from policy.rules import load_policy
from policy.wrappers import inner_urls
from proxy.worker import settle_memory

AT = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
CLIENT = Client(band=Band.KS4, band_known=True, address="192.0.2.10")
RATIO = Target("squidGuard's CPU for a URL, to ours", 20.0, at_least=True)
UNEXPLAINED = Target("unexplained disagreements", 0)
POLICY = """
schoolgate: 1
trust: Benchmark
timezone: Europe/London
policies:
  - tier: default
    rules:
      - {{rule: everything-listed, what: [{categories}], action: block}}
      - {{rule: the-rest, action: allow}}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one side did."""

    answers: list[str]
    """Per URL: the list it was blocked by, or empty."""
    cpu_us: float
    """CPU per URL, microseconds."""
    start: float
    """Seconds until the first answer."""
    rss: int
    """Peak resident memory of the deciding process, bytes."""


def main() -> int:
    """Run both, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, default=REAL / "ut1", help="a UT1 tree, or the folder of its archives")
    parser.add_argument("--urls", type=Path, default=REAL / "urls" / "requests-dev.tsv.gz", help="URLs, one a line")
    parser.add_argument("--count", type=int, default=105_676, help="URLs")
    args = parser.parse_args()
    if not _installed():
        print("NOT MEASURED: squidGuard is not installed, and cannot be (not root, or no package to be had)")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        tree = lists_tree(args.lists, Path(scratch))
        urls = request_urls(args.urls, tree)[: args.count]
        texts = [text for text in urls if text.isascii() and " " not in text]
        names = _categories(tree)
        peer = _squidguard(tree, names, texts, Path(scratch))
        ours = _ours(tree, texts, Path(scratch))
        return _report(texts, peer, ours, tree, judged=is_real(args.lists))


def _installed() -> bool:
    if shutil.which("squidGuard"):
        return True
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "squidguard"], check=False)
    return shutil.which("squidGuard") is not None


def _categories(tree: Path) -> list[str]:
    """The real folders (not the alias links) that have domains or URLs."""
    folders = (folder for folder in sorted(tree.iterdir()) if folder.is_dir() and not folder.is_symlink())
    return [folder.name for folder in folders if any((folder / part).exists() for part in ("domains", "urls"))]


def _squidguard(tree: Path, names: Sequence[str], texts: Sequence[str], scratch: Path) -> Run:
    dests = []
    for name in names:
        parts = [f"{kind[:-1]}list {name}/{kind}" for kind in ("domains", "urls") if (tree / name / kind).exists()]
        dests.append(f"dest c_{_word(name)} {{ {chr(10).join(parts)} }}")
    config = scratch / "squidGuard.conf"
    passed = " ".join(f"!c_{_word(name)}" for name in names)
    config.write_text(
        f"dbhome {tree}\nlogdir {scratch}\n"
        + "\n".join(dests)
        + f"\nacl {{ default {{ pass {passed} all\n redirect http://blocked.invalid/%t }} }}\n"
    )
    began = time.perf_counter()
    subprocess.run(["squidGuard", "-c", str(config), "-C", "all"], check=True, capture_output=True)
    print(f"squidGuard: .db files built in {time.perf_counter() - began:.0f} s")
    lines = "".join(f"{text} 192.0.2.10/- - GET\n" for text in texts)
    idle_cpu, start, _, _ = _fed(config, lines.split("\n", 1)[0] + "\n")
    cpu, _, rss, output = _fed(config, lines)
    answers = [_class(line) for line in output.splitlines()]
    if len(answers) != len(texts):
        raise RuntimeError(f"squidGuard answered {len(answers)} of {len(texts)} URLs")
    return Run(answers, (cpu - idle_cpu) / len(texts) * 1e6, start, rss)


def _fed(config: Path, lines: str) -> tuple[float, float, int, str]:
    """CPU seconds, wall seconds, peak memory and output of one squidGuard process fed with `lines`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(["squidGuard", "-c", str(config)], input=lines, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, after.ru_maxrss * 1024, done.stdout


def _word(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _class(line: str) -> str:
    found = re.search(r"http://blocked\.invalid/c_(\w+)", line)
    return found.group(1) if found else ""


def _ours(tree: Path, texts: Sequence[str], scratch: Path) -> Run:
    folder = scratch / "snapshot"
    folder.mkdir()
    building = Process(target=_compile, args=(tree, folder))  # its memory is not the deciding process's
    building.start()
    building.join()
    began = time.perf_counter()
    taxonomy = load_taxonomy()
    index = open_snapshot(folder)
    text = POLICY.format(categories=", ".join(sorted(index.categories)))
    known = {**taxonomy, **{name: taxonomy["always-blocked"] for name in index.categories if name not in taxonomy}}
    engine = Engine(index, load_policy(text, file="benchmark", categories=known))
    start = time.perf_counter() - began
    settle_memory()  # as a worker does
    before = time.process_time()
    answers = [_decided(engine, line) for line in texts]
    cpu = time.process_time() - before
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Run(answers, cpu / len(texts) * 1e6, start, rss)


def _compile(tree: Path, folder: Path) -> None:
    report = build_snapshot((ListSource(name="ut1", path=tree, format="ut1"),), folder, load_taxonomy())
    print(f"ours: {report.entries:,} entries compiled in {report.seconds:.0f} s")


def _decided(engine: Engine, text: str) -> str:
    """The whole way: text to canonical URL to verdict."""
    try:
        url: Url = canonical_url(text)
    except NameProblem:
        return "unreadable"
    verdict = engine.decide(Request(url), CLIENT, AT)
    if not verdict.blocked:
        return ""
    return verdict.match.list if verdict.match is not None else verdict.rule or "blocked"


def _report(texts: Sequence[str], peer: Run, ours: Run, tree: Path, *, judged: bool) -> int:
    both = sum(bool(their) == bool(our) for their, our in zip(peer.answers, ours.answers, strict=True))
    classes: Counter[str] = Counter()
    unexplained: list[str] = []
    apart = [one for one in zip(texts, peer.answers, ours.answers, strict=True) if bool(one[1]) != bool(one[2])]
    entries = Entries(tree, (text for text, _, _ in apart))
    for text, their, our in apart:
        reason = why(text, their, our, entries)
        classes[reason] += 1
        if reason == "unexplained":
            unexplained.append(f"{text} theirs={their!r} ours={our!r}")
    ratio = peer.cpu_us / ours.cpu_us
    theirs, mine = sum(map(bool, peer.answers)), sum(map(bool, ours.answers))
    print(f"\n{len(texts):,} URLs, {mine:,} blocked by ours, {theirs:,} by squidGuard")
    print(f"{'':14}{'CPU/URL':>12}{'start':>10}{'peak RSS':>12}")
    for name, run in (("squidGuard", peer), ("schoolgate", ours)):
        print(f"{name:14}{run.cpu_us:9.1f} µs{run.start:8.2f} s{run.rss / 1e6:9.0f} MB")
    print(f"same verdict on {both:,} ({both / len(texts):.3%}); the others:")
    for reason, count in classes.most_common():
        print(f"  {count:6,}  {reason}")
    for line in unexplained[:20]:
        print(f"          {line[:200]}")
    met = [RATIO.tell(ratio, judged=judged), UNEXPLAINED.tell(len(unexplained))]
    print(machine())
    return 0 if all(met) else 1


class Entries:
    """What the tree lists, asked for directly: neither side's index. Only what disagreements ask for is kept."""

    def __init__(self, tree: Path, asked: Iterable[str]) -> None:
        """`asked`: the URLs that disagree."""
        wanted = {name for text in asked for one in (text, *_shown_in(text)) for name in _names(_host(one)[0])}
        self.domains: dict[str, set[str]] = {}
        self.urls: dict[str, dict[str, list[str]]] = {}
        for name in _categories(tree):
            for line in _lines(tree / name / "domains"):
                if line in wanted:
                    self.domains.setdefault(_word(name), set()).add(line)
            for line in _lines(tree / name / "urls"):
                host, slash, rest = line.partition("/")
                if host in wanted:
                    self.urls.setdefault(_word(name), {}).setdefault(host, []).append(slash + rest)

        self.crowded: set[str] = set()
        """Listed domains with further names below them in the same list."""
        for name in _categories(tree):
            listed = self.domains.get(_word(name), set())
            for line in _lines(tree / name / "domains") if listed else ():
                self.crowded.update(parent for parent in _names(line)[1:] if parent in listed and parent != line)

    def shadowed(self, host: str) -> bool:
        """Whether the host is in `domains` only by a parent that has other listed names below it."""
        by = [name for name in _names(host) if any(name in listed for listed in self.domains.values())]
        return bool(by) and host not in by and all(name in self.crowded for name in by)

    def of_host(self, host: str) -> bool:
        """Whether some category lists the host or what is above it, as `domains` do."""
        return any(not listed.isdisjoint(_names(host)) for listed in self.domains.values())

    def paths(self, host: str, category: str | None = None) -> list[str]:
        """The paths listed of the host, with or without the service names squidGuard takes off; of any category."""
        found = self.urls.values() if category is None else [self.urls.get(category, {})]
        return [path for listed in found for name in _own_names(host) for path in listed.get(name, ())]


def why(text: str, theirs: str, mine: str, entries: Entries) -> str:
    """The class of a disagreement, shown by the entry that makes it; `unexplained` when none does."""
    host, port, target = _host(text)
    if mine == "unreadable":
        try:
            canonical_url(text)
        except NameProblem:
            return "not a URL to us: refused by the gateway, not classified"
        return "unexplained"
    if theirs and not mine:
        cut = [path for path in entries.paths(host, theirs) if _folder(target).startswith(_folder(path))]
        whole = [path for path in cut if _fits(path, _plain(target))]
        if cut and not whole and not entries.of_host(host):
            return "a URL entry that squidGuard cuts to its folder: it blocks the neighbours too"
        return "unexplained"
    if not mine or theirs:
        return "unexplained"
    fitting = [path for path in entries.paths(host) if _fits(path, _plain(target))]
    if entries.shadowed(host):
        return (
            "a host below a domain that is listed beside other names below it: squidGuard finds the neighbour and stops"
        )
    if not fitting and any(entries.of_host(_host(one)[0]) for one in _shown_in(text)):
        return "an address that shows another site's page (a translator, a cache): ours looks at that site, too"
    if entries.of_host(host):
        return "an address as host" if host.replace(".", "").isdigit() else "unexplained"
    if not fitting:
        return "unexplained"
    if port:
        return "a port in the URL: squidGuard's URL entries do not fit, ours do"
    if not any(_fits(path, target.lower()) for path in fitting):
        return "another spelling of a listed path (percent-encoding, double slash): only ours sees through it"
    if any("?" in path or "." in path.rpartition("/")[2] for path in fitting):
        return "a URL entry with a query or file name: squidGuard cuts the last file name off, ours compares it"
    return "unexplained"


def _shown_in(text: str) -> tuple[str, ...]:
    """The URLs that an address shows or leads to by its form."""
    try:
        return tuple(map(str, inner_urls(canonical_url(text))))
    except NameProblem:
        return ()


def _host(text: str) -> tuple[str, str, str]:
    """Host, port, and path with query, of a URL as it is written."""
    place, slash, rest = re.sub(r"^\w+://", "", text).partition("/")
    host, _, port = place.rpartition("@")[2].partition(":")
    return host.lower(), port, slash + rest


def _names(host: str) -> list[str]:
    """The host as it is and every parent, also without a service name in front."""
    labels = host.split(".")
    return list(dict.fromkeys([*(".".join(labels[place:]) for place in range(len(labels))), *_own_names(host)]))


def _own_names(host: str) -> tuple[str, ...]:
    """The host, and what squidGuard compares with URL entries: without `www`, `web` or `ftp` and digits in front."""
    return tuple(dict.fromkeys((host, re.sub(r"^(?:www|web|ftp)[0-9]*\.", "", host))))


def _plain(target: str) -> str:
    """A path with its spelling undone: lower case, decoded, one slash for several."""
    return re.sub(r"/{2,}", "/", unquote(target).lower())


def _fits(path: str, target: str) -> bool:
    """Whether the listed path is the target or stands before it, up to a border."""
    path = path.lower()
    return target.startswith(path) and (target == path or path[-1:] in "/?&=" or target[len(path)] in "/?&=#;")


def _folder(path: str) -> str:
    """What squidGuard makes of a path: lower case, its last file name off."""
    head, _, last = path.lower().partition("?")[0].rpartition("/")
    return head if "." in last or not last else f"{head}/{last}"


def _lines(file: Path) -> Iterator[str]:
    if file.exists():
        with file.open(encoding="utf-8", errors="replace") as lines:
            yield from (line.strip().lower() for line in lines)


if __name__ == "__main__":
    sys.exit(main())
