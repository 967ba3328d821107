"""What a folder lies on: which file system, from where, and whether the disk below is encrypted.

In come a path and what Linux says of mounts and block devices; out goes a `Volume`. The rule: what cannot be seen is
*unknown*, never *yes*. It looks for dm-crypt (LUKS) anywhere below the file system, through LVM and RAID.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "ncpfs", "fuse.sshfs",
        "fuse.glusterfs", "fuse.s3fs", "fuse.rclone",
    }
)  # fmt: skip
"""File systems on which SQLite's locks and write-ahead log cannot be relied on."""
MEMORY = frozenset({"tmpfs", "ramfs"})
"""File systems that lie in memory."""
_OCTAL = re.compile(r"\\([0-7]{3})")

type Encrypted = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Volume:
    """Where a folder lies."""

    mount: str
    """Where it is mounted."""
    kind: str
    """Its file system: `ext4`, `nfs4`."""
    source: str
    """What is mounted there: a device, a server's folder."""
    encrypted: Encrypted
    """Whether the disk below is encrypted by dm-crypt."""

    @property
    def network(self) -> bool:
        """Whether it lies on another machine."""
        return self.kind in NETWORK


def volume_of(
    path: Path, mounts: Path = Path("/proc/self/mountinfo"), devices: Path = Path("/sys/dev/block")
) -> Volume | None:
    """The volume of `path`, or of the nearest folder above that is there; None when it cannot be told."""
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        found = mounted(path.resolve(), mounts.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return None
    if found is None:
        return None
    mount, kind, source, number = found
    return Volume(mount, kind, source, _encrypted(kind, source, number, devices))


def on_a_share(store: object, folder: Path) -> str:
    """Why a record that is files may not lie in `folder`, and the way out; empty when it may, or is a database."""
    volume = volume_of(folder) if isinstance(store, Path) else None
    if volume is None or not volume.network:
        return ""
    return (
        f"{folder} lies on another machine ({volume.kind}, {volume.source}): the record's SQLite files cannot be kept "
        "there, because locks do not hold over a network. Set `data` to a folder on a disk of this machine, or `store` "
        "to a PostgreSQL database (docs/operations.md)"
    )


def mounted(path: Path, mountinfo: str) -> tuple[str, str, str, str] | None:
    """Mount point, file system, source and device number (`8:1`) of `path`, by the lines of Linux's mountinfo."""
    best: tuple[str, str, str, str] | None = None
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, last = before.split(), after.split()
        if not separator or len(fields) < 5 or len(last) < 2:
            continue
        mount = _OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[4])
        # The later of two mounts at one place is the one that is seen.
        if path.is_relative_to(mount) and (best is None or len(mount) >= len(best[0])):
            best = (mount, last[0], last[1], fields[2])
    return best


def _encrypted(kind: str, source: str, number: str, devices: Path) -> Encrypted:
    if kind in NETWORK or kind in MEMORY:
        return "unknown"
    if number.startswith("0:"):  # a file system of its own numbers (btrfs): its source says the device
        try:
            device = Path(source).stat().st_rdev
        except OSError:
            return "unknown"
        number = f"{os.major(device)}:{os.minor(device)}"
    node = devices / number
    return _below(node) if node.exists() else "unknown"


def _below(node: Path) -> Encrypted:
    """Whether a block device is encrypted, or all it is made of are."""
    try:
        if (node / "dm" / "uuid").read_text(encoding="ascii", errors="replace").startswith("CRYPT-"):
            return "yes"
    except OSError:
        pass  # no device mapper's
    try:
        parts = sorted((node / "slaves").iterdir())
        if not parts and (node / "partition").exists():
            parts = sorted((node.resolve().parent / "slaves").iterdir())  # a partition of what is made of others
    except OSError:
        return "unknown"
    answers = {_below(part.resolve()) for part in parts}
    if answers == {"yes"}:
        return "yes"
    return "unknown" if "unknown" in answers else "no"
