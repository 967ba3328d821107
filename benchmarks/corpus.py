"""The real lists and URLs that benchmarks run on, where they are; nothing is committed, nothing is downloaded."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT.parent / "shared" / "data"
"""Folder of the real lists, beside the clone."""


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
