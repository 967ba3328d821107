"""What a test starts ends with the test's process, however that ends; what it left on the disk goes at the next start.

In: a signal, the kind of a folder. Out: words that tie a command to this process, the folder. A run of tests that is
killed runs no `finally`: the kernel ends its servers for it, and the next run removes what lies about.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.rig.tools import need

YOUNG = 60.0
"""Seconds in which a folder may be without its lock, being made just now."""


def tied(signal: str = "TERM") -> list[str]:
    """The words before a command that has the kernel send it a signal when the thread that started it ends.

    They come last before it: a change of account unties what is tied.
    """
    return [need("setpriv", "util-linux"), "--pdeathsig", signal]


def own_folder(kind: str) -> Path:
    """A new folder that others leave alone while this process lives; removes those of processes that are no more.

    Directly below the temporary folder: pytest's is closed to other accounts, and too long for a socket's name.
    """
    sweep(kind)
    folder = Path(tempfile.mkdtemp(prefix=f"schoolgate-{kind}-"))
    # Held to the end of the process. Waited for: another's sweep may hold it for a moment, to see that it is young.
    fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX)
    return folder


def sweep(kind: str) -> None:
    """Remove the folders of a kind that nobody has, unless they are young."""
    for folder in Path(tempfile.gettempdir()).glob(f"schoolgate-{kind}-*"):
        with suppress(OSError):  # another's, gone already, or held
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(place).st_mtime > YOUNG:
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(place)
