"""Programs the tests drive. A missing one skips the test, saying so; where CI has asked for all of them, it fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

REQUIRED = os.environ.get("SCHOOLGATE_TOOLS") == "required"
"""Set by CI: there, a missing tool is a failure."""
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def missing(what: str, install: str) -> None:
    """Skip, or fail where tools are required: `what` is not there, `install` names the Debian package."""
    words = f"{what} is missing (Debian package {install})"
    if REQUIRED:
        pytest.fail(words)
    pytest.skip(words)


def need(program: str, package: str) -> str:
    """The path of `program`."""
    found = shutil.which(program, path=SYSTEM_PATH)
    if found is None:
        missing(program, package)
        raise AssertionError("unreachable")
    return found


def need_unpacked(package: str, file: str) -> Path:
    """A file of a Debian package: installed, or unpacked by `.ci/test-tools` without being installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "schoolgate-tests" / package
    for root in (Path("/"), cache):
        if (root / file).exists():
            return root / file
    missing(f"/{file}", package)
    raise AssertionError("unreachable")


def need_library(pattern: str, package: str, folders: Iterable[str] = ("/usr/lib",)) -> Path:
    """The path of a shared library found by a glob pattern."""
    for folder in folders:
        for found in sorted(Path(folder).glob(pattern)):
            return found
    missing(pattern, package)
    raise AssertionError("unreachable")
