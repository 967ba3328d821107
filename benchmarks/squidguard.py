"""Ours and squidGuard's, side by side: the same UT1 lists, the same URLs, the same machine, one run.

    python -m benchmarks.squidguard [--lists FOLDER] [--urls FILE] [--count N]

One question: how much CPU does one decision cost each, and do they agree? squidGuard (Debian's package; installed when
root) gets its `.db` files built first and answers on standard input; ours decides in process with every category of the
tree blocked. CPU is user + system time of the deciding process, start-up taken off. Every disagreement is put in a
class, and the run fails when one is left without a name or when our CPU is not at least twenty times less (design §6).
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
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import Process
from pathlib import Path

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
    for text, their, our in zip(texts, peer.answers, ours.answers, strict=True):
        if bool(their) == bool(our):
            continue
        why = _why(text, their, our, tree)
        classes[why] += 1
        if why == "unexplained":
            unexplained.append(f"{text} theirs={their!r} ours={our!r}")
    ratio = peer.cpu_us / ours.cpu_us
    theirs, mine = sum(map(bool, peer.answers)), sum(map(bool, ours.answers))
    print(f"\n{len(texts):,} URLs, {mine:,} blocked by ours, {theirs:,} by squidGuard")
    print(f"{'':14}{'CPU/URL':>12}{'start':>10}{'peak RSS':>12}")
    for name, run in (("squidGuard", peer), ("schoolgate", ours)):
        print(f"{name:14}{run.cpu_us:9.1f} µs{run.start:8.2f} s{run.rss / 1e6:9.0f} MB")
    print(f"same verdict on {both:,} ({both / len(texts):.3%}); the others:")
    for why, count in classes.most_common():
        print(f"  {count:6,}  {why}")
    for line in unexplained[:20]:
        print(f"          {line[:200]}")
    met = [RATIO.tell(ratio, judged=judged), UNEXPLAINED.tell(len(unexplained))]
    print(machine())
    return 0 if all(met) else 1


def _why(text: str, theirs: str, mine: str, tree: Path) -> str:
    """The class of a disagreement."""
    if mine == "unreadable":
        return "not a URL to us: refused by the gateway, not classified"
    host = re.sub(r"^\w+://", "", text).split("/")[0].rpartition("@")[2]
    bare = host.split(":")[0]
    if mine and not theirs:
        if mine.startswith("help"):
            return "unexplained"
        if ":" in host:
            return "a port in the URL: squidGuard's URL entries do not fit, ours do"
        if "%" in text or "//" in text.partition("://")[2]:
            return "another spelling of a listed path (percent-encoding, double slash): only ours sees through it"
        if bare.replace(".", "").isdigit():
            return "an address as host"
        return "a URL entry with a query or file name: squidGuard cuts the last file name off, ours compares it"
    if theirs and not mine:
        if (tree / theirs / "urls").exists():
            return "a URL entry that squidGuard cuts to its folder: it blocks the neighbours too"
        return "unexplained"
    return "unexplained"


if __name__ == "__main__":
    sys.exit(main())
