"""The lists and URLs that benchmarks run on: the real ones beside the clone, else made-up ones of the same shape.

Nothing is committed, nothing is downloaded. Where no data is beside the clone, every benchmark still runs and checks
its answers; only its figures then say less.
"""

from __future__ import annotations

import gzip
import os
import random
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("SCHOOLGATE_REAL_DATA", ROOT.parent / "shared" / "data"))
"""Folder of the real lists: beside the clone, or where SCHOOLGATE_REAL_DATA says."""
MADE_UP = 300_000
"""Entries of a made-up tree: compiled in seconds."""
SHARES = {"adult": 0.5, "malware": 0.2, "phishing": 0.2, "games": 0.06, "gambling": 0.04}
"""Folders of a made-up tree, and how the entries are shared out."""
WORDS = (
    "able",
    "amber",
    "arch",
    "atlas",
    "basil",
    "birch",
    "bloom",
    "brook",
    "cedar",
    "cloud",
    "coral",
    "delta",
    "fern",
)
ENDINGS = ("com", "net", "org", "info", "co.uk", "de", "fr", "xyz", "top", "online", "com.br", "ru")


def urls_of(file: Path) -> list[str]:
    """The request URLs of a file: the last column of a table, or one a line; gzip or plain."""
    opener = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8", errors="replace") as lines:
        texts = [line.rstrip("\n").split("\t")[-1] for line in lines]
    return [text for text in texts if "://" in text]


def unpacked_tree(lists: Path, scratch: Path) -> Path | None:
    """A UT1 tree: `lists` itself, or its archives unpacked into `scratch`; None when there is neither."""
    archives = sorted(lists.glob("*.tar.xz"))
    for archive in archives:
        with tarfile.open(archive) as packed:
            packed.extractall(scratch / "ut1", filter="data")
    tree = scratch / "ut1" / "blacklists" if archives else lists
    return tree if tree.is_dir() else None


def is_real(lists: Path) -> bool:
    """Whether there is a tree, or its archives; else `lists_tree` makes one up, and a comparison says little."""
    return lists.is_dir()


def lists_tree(lists: Path, scratch: Path, entries: int = MADE_UP) -> Path:
    """The UT1 tree of `unpacked_tree`; else a made-up one of the same shape, which is said."""
    tree = unpacked_tree(lists, scratch)
    if tree is not None:
        return tree
    print(f"no UT1 tree at {lists}: {entries:,} made-up entries instead; real figures need the real lists")
    tree = scratch / "made-up" / "blacklists"
    hosts = made_up_hosts(entries)
    for name, share in SHARES.items():
        folder = tree / name
        folder.mkdir(parents=True)
        with (folder / "domains").open("w") as out:
            out.writelines(f"{host}\n" for host in islice(hosts, int(entries * share)))
        with (folder / "urls").open("w") as out:
            out.writelines(f"{host}/{name}/page{n}\n" for n, host in enumerate(made_up_hosts(entries // 500, name)))
    return tree


def made_up_hosts(count: int, seed: str = "hosts") -> Iterator[str]:
    """Hosts like listed ones, no two alike: words, digits, many endings. All under reserved names."""
    choose = random.Random(seed)
    for number in range(count):
        first, second = choose.choice(WORDS), choose.choice(WORDS)
        below = f"{choose.choice(WORDS)}." if number % 4 == 0 else ""
        yield f"{below}{first}{choose.choice(('', '-'))}{second}{number:x}.{choose.choice(ENDINGS)}.example"


def request_urls(file: Path, tree: Path) -> list[str]:
    """The real request URLs; else made-up ones: a third to hosts of the tree, some below them, the rest to others."""
    if file.exists():
        return urls_of(file)
    listed = (host for name in sorted(SHARES) for host in _some_lines(tree / name / "domains", 10_000))
    texts = []
    for number, (known, other) in enumerate(zip(listed, made_up_hosts(30_000, "others"), strict=False)):
        texts += [f"https://{known}/page/{number}", f"https://cdn.{other}/a/{number}?b=c", f"http://{other}/"]
    return texts


def _some_lines(file: Path, count: int) -> list[str]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8") as lines:
        return [line.strip() for line in islice(lines, count)]
