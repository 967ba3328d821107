"""Day files read side by side while reading waits for the disk: the next ones, while this one is being looked at.

In come the parts in the order they are wanted and what to do with each; out go the results, in that order. The rules:
nothing is read ahead until what was read so far had `ENOUGH` from the disk, so a search whose files lie in memory
starts no thread, nor does one that a file or two answer, and nothing before the next part is asked for; each thread
has a connection of its own; what a thread raises is raised when it is its part's turn; what nobody wants any more is
stopped; where there is no thread to be had, parts are read one after the other.
"""

from __future__ import annotations

import itertools
import resource
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from logstore.place import StoreError

MOST = 4
"""Parts that are read at once."""
ENOUGH = 1024
"""Blocks (half a megabyte) a search has read from the disk before it reads ahead: a thread and its connection cost some
milliseconds of processor time, as much as the few small parts do that most searches need."""


def blocks_read() -> int:
    """Blocks that came from the disk for this thread so far. Time would not do: a busy machine waits as well."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_inblock


class Call:
    """One search. Whoever works for it in a thread looks at `over` now and then."""

    def __init__(self) -> None:
        self.over = False
        """Set when nobody wants any more what is read for it."""
        self.alone = False
        """Set when there was no thread for it: what a thread has not begun is read in its turn."""


@dataclass(frozen=True, slots=True)
class Read[T]:
    """One part, read."""

    found: T
    """What was found."""
    blocks: int
    """What of it had to come from the disk."""


class Ahead[R]:
    """Threads that read for one source, each with a reader `R` of its own. Used by one thread."""

    def __init__(self, another: Callable[[], R], close: Callable[[R], None]) -> None:
        """`another`: makes a reader, in the thread that is to use it; `close`: lets go of it."""
        self._another = another
        self._close = close
        self._readers: list[R] = []
        self._own = threading.local()
        self._pool: ThreadPoolExecutor | None = None
        self._calls = set[Call]()
        self._closed = False

    def each[P, T](self, mine: R, parts: Iterable[P], work: Callable[[R, P, Call], T]) -> Generator[T]:
        """What `work` finds in each part, in their order; `mine` reads those that are not read ahead."""
        call, following, begun = Call(), iter(parts), deque[tuple[P, Future[Read[T] | None]]]()
        window = blocks = 0
        self._calls.add(call)
        try:
            while True:
                begun.extend((part, self._begin(part, call, work)) for part in _some(following, window - len(begun)))
                if begun:
                    part, future = begun.popleft()
                    read = future.result() or self._done(mine, part, call, work)
                elif one := _some(following, 1):
                    read = self._done(mine, one[0], call, work)
                else:
                    return
                blocks += read.blocks
                if not read.blocks:
                    window //= 2
                elif blocks >= ENOUGH:
                    window = min(MOST, max(2, window * 2))
                yield read.found
        finally:
            call.over = True
            self._calls.discard(call)

    def close(self) -> None:
        """Let go of all threads and their readers; what they read for a walk that somebody still holds is stopped."""
        self._closed = True
        for call in tuple(self._calls):
            call.over = True
        if self._pool is not None:
            self._pool.shutdown()  # what was not begun ends at once: its call is over
        with ExitStack() as readers:  # one that cannot be closed leaves none of the others open
            for reader in self._readers:
                readers.callback(self._close, reader)

    def _begin[P, T](self, part: P, call: Call, work: Callable[[R, P, Call], T]) -> Future[Read[T] | None]:
        if not (call.alone or self._closed):
            try:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(MOST, "reading-ahead")
                return self._pool.submit(self._read, part, call, work)
            except RuntimeError:
                call.alone = True  # no thread to be had; the part is queued all the same, for whoever comes later
        left = Future[Read[T] | None]()
        left.set_result(None)
        return left

    def _read[P, T](self, part: P, call: Call, work: Callable[[R, P, Call], T]) -> Read[T] | None:
        """In a thread: a part, read; None when it is to be read in its turn, or nobody wants it any more."""
        if call.over or call.alone:
            return None
        try:
            reader = self._reader()
        except (OSError, StoreError, SQLAlchemyError, sqlite3.Error):
            return None  # it is read in its turn, and whatever is wrong is said there
        return self._done(reader, part, call, work)

    def _done[P, T](self, reader: R, part: P, call: Call, work: Callable[[R, P, Call], T]) -> Read[T]:
        before = blocks_read()
        found = work(reader, part, call)
        return Read(found, blocks_read() - before)

    def _reader(self) -> R:
        reader: R | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = self._own.reader = self._another()
            self._readers.append(reader)
        return reader


def _some[P](parts: Iterator[P], most: int) -> list[P]:
    return list(itertools.islice(parts, max(0, most)))
