"""Small real disks for tests: one that can be filled, one that can be made read-only under whoever writes.

In comes a folder, out goes a mounted file system of some megabytes; taken away again at the end. Mounting needs root:
without it the test is skipped and says so.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.waiting import wait_for

HOG = "hog"
"""Name of the file that takes all the room."""


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be made here (root and loop devices are needed): {done.stderr.strip()}")


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A disk of some megabytes, in memory, at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def breakable_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A real ext4 of some megabytes in a file, at `folder`, for `break_disk`."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder.with_name(f"{folder.name}.img")
    with image.open("wb") as file:
        file.truncate(megabytes * 1024 * 1024)
    _run("mkfs.ext4", "-q", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def break_disk(folder: Path) -> None:
    """What the kernel does after an error on the disk: read-only from now on, open files included."""
    subprocess.run(["mount", "-o", "remount,abort", str(folder)], check=True)


def mend_disk(folder: Path) -> None:
    """What somebody does about it: unmount, check, mount. Whoever has a file open on it must be ending."""
    image = folder.with_name(f"{folder.name}.img")
    wait_for(lambda: subprocess.run(["umount", str(folder)]).returncode == 0, f"{folder} to be let go of", every=0.2)
    subprocess.run(["fsck.ext4", "-p", str(image)], check=False, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)


def fill_disk(folder: Path) -> Path:
    """Take all the room that is left; delete the file this returns to give it back."""
    hog = folder / HOG
    with hog.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return hog
