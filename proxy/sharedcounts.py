"""What the workers of a gateway count together: connections and requests of each client, and wrong passwords.

The supervisor makes memory without a file and hands every worker its descriptor; it outlives the workers and dies with
the gateway. Without it (the kernel refuses) each worker counts for itself, as strictly, only not together.
"""

from __future__ import annotations

import logging
import mmap
import os

from addons import openconnections, requestpace
from addons.openconnections import OpenConnections
from addons.requestpace import RequestPace
from identity import attemptbook
from identity.attemptbook import AttemptBook
from logstore.ids import WORKERS

logger = logging.getLogger(__name__)

_CONNECTIONS = WORKERS * openconnections.REGION
_PACE = _CONNECTIONS + WORKERS * requestpace.REGION
_SIZE = _PACE + WORKERS * attemptbook.region()


class SharedCounts:
    """The memory, mapped. Only what is written to takes room."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is from `make_memory`, here or in the supervisor. Raises `OSError`."""
        self.descriptor = descriptor
        self._memory = memoryview(mmap.mmap(descriptor, _SIZE))

    def connections(self, worker: int, secret: bytes) -> OpenConnections:
        """For the worker of that number."""
        return OpenConnections(self._memory[:_CONNECTIONS], worker, secret)

    def pace(self, worker: int, secret: bytes) -> RequestPace:
        """For the worker of that number."""
        return RequestPace(self._memory[_CONNECTIONS:_PACE], worker, secret)

    def attempts(self, worker: int, secret: bytes) -> AttemptBook:
        """For the worker of that number."""
        return AttemptBook(self._memory[_PACE:], worker, secret)

    def gone(self, worker: int) -> None:
        """A worker ended, however: its connections are closed. Wrong passwords stay wrong."""
        openconnections.forget(self._memory[:_CONNECTIONS], worker)


def make_shared() -> SharedCounts | None:
    """For a supervisor: all zeros; None, and a line in the log, when there is no such memory."""
    try:
        descriptor = os.memfd_create("schoolgate-counts")
        os.ftruncate(descriptor, _SIZE)
        return SharedCounts(descriptor)
    except OSError as error:
        logger.warning("no memory that workers share (%s): each counts connections and passwords for itself", error)
        return None


def open_shared(descriptor: int | None) -> SharedCounts | None:
    """For a worker: what its supervisor handed it, if anything."""
    try:
        return None if descriptor is None else SharedCounts(descriptor)
    except (OSError, ValueError) as error:
        logger.warning("this worker counts connections and passwords for itself: %s", error)
        return None
